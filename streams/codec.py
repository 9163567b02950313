"""Bytes to columns and back: whole batches of JSON, and a reason for every record that can't be read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from streams import dead_letters as why
from streams.cards import card_token, find_card_number
from streams.dead_letters import DeadLetter
from streams.kafka.source import Record
from streams.spec import StreamSpec

HOUR_MS = 3_600_000
FUTURE_MS = HOUR_MS  # a clock may be off by so much
NIGHT_UNTIL_HOUR = 6
CALENDAR = ("hour", "is_weekend", "is_night")
CATEGORY_BITS = 0xFFFFFF  # float32 holds integers of 24 bits exactly
# 13 digits or more, other than a number of 13 right behind a field's name: that is a time in milliseconds.
_DIGITS = re.compile(rb"(?<!\":)(?<!\": )(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)|\d{14,19}(?!\d)")


def entity_key(text: str) -> int:
    """The 64-bit key of an identifier: XXH3 of its UTF-8, the same on every machine; never 0, which means none."""
    return xxhash.xxh3_64_intdigest(text.encode()) or 1


_hash = entity_key


@dataclass(frozen=True, slots=True)
class Transactions:
    """n decoded rows.

    Attributes:
        tx_id: n ids.
        tx_hash: uint64[n], XXH3 of the id.
        key: n keys of the outgoing record: the primary entity.
        event_time: int64[n], ms UTC.
        amount: float64[n].
        entities: uint64[n, e], XXH3 of each entity's id; 0 where it is missing.
        categorical: n texts per field, None where missing.
        numeric: float64[n] per field, NaN where missing.
        partition: int32[n].
        offset: int64[n].
    """

    tx_id: list[str]
    tx_hash: NDArray[np.uint64]
    key: list[bytes]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    entities: NDArray[np.uint64]
    categorical: dict[str, list[str | None]]
    numeric: dict[str, NDArray[np.float64]]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp]) -> Transactions:
        """These rows, in this order."""
        at = rows.tolist()
        return Transactions(
            tx_id=[self.tx_id[i] for i in at],
            tx_hash=self.tx_hash[rows],
            key=[self.key[i] for i in at],
            event_time=self.event_time[rows],
            amount=self.amount[rows],
            entities=self.entities[rows],
            categorical={name: [texts[i] for i in at] for name, texts in self.categorical.items()},
            numeric={name: values[rows] for name, values in self.numeric.items()},
            partition=self.partition[rows],
            offset=self.offset[rows],
        )


@dataclass(frozen=True, slots=True)
class Labels:
    """m decoded labels: event_time int64[m] is when the label became known, ms UTC."""

    tx_id: list[str]
    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    source: list[str]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]


class Reason(msgspec.Struct, frozen=True):
    """One reason of a decision: a feature, its value, what it adds to the logit, and all of that in words."""

    feature: str
    value: str | float | None
    contribution: float
    """Against the typical genuine transaction, in logits: see docs/explanation/reasons.md."""
    text: str = ""


class RuleReason(msgspec.Struct, frozen=True):
    """The user's rule that decided, and what it says."""

    name: str
    reason: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision; schema: `streams/schemas/decisions.json`."""

    tx_id: str
    score: float
    action: str
    reasons: list[Reason]
    epoch: int
    agents: dict[str, float]
    propensity: float
    event_time: int
    decided_at: int
    degraded: bool
    priority: float = 0.0
    """Of an alert: the largest should be looked at first. 0 for what was approved."""
    over_budget: bool = False
    """Would have been stopped, and is approved for the alert budget's sake."""
    rule: RuleReason | None = None
    """The user's rule that decided in place of the lineup, which gave its score all the same."""
    rule_hits: list[str] = []
    """Every rule that hit, those in test included."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One label; schema: `streams/schemas/labels.json`."""

    tx_id: str
    is_fraud: bool
    event_time: int
    source: str = "chargeback"


_encoder = msgspec.json.Encoder()


def encode_decision(decision: Decision) -> bytes:
    """JSON of a decision."""
    return _encoder.encode(decision)


class _RefusedError(Exception):
    """A record's way to the dead letters, within this module."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class TransactionCodec:
    """The user's JSON to columns.

    Args:
        spec: of the stream.
        hmac_key: for declared card numbers.
    """

    def __init__(self, spec: StreamSpec, hmac_key: bytes | None) -> None:
        self._spec, self._key = spec, hmac_key
        self._wire = msgspec.defstruct("Wire", _wire_fields(spec), gc=False)
        self._decoder = msgspec.json.Decoder(self._wire)
        self._times = _time_reader(spec.event_time_unit)

    def decode(self, records: Sequence[Record]) -> tuple[Transactions, list[DeadLetter]]:
        """Columns of the records that can be read, and the rest with reasons."""
        good: list[Record] = []
        rows: list[Any] = []
        dead: list[DeadLetter] = []
        for record in records:
            try:
                row = self._read(record)
            except _RefusedError as refused:
                dead.append(DeadLetter(record, refused.reason, refused.detail))
                continue
            good.append(record)
            rows.append(row)
        return self._columns(good, rows), dead

    def _read(self, record: Record) -> Any:  # a struct made from the spec
        value = record.value or b""
        if len(value) > self._spec.record_bytes_max:
            raise _RefusedError(why.RECORD_TOO_LARGE, f"{len(value)} bytes, at most {self._spec.record_bytes_max}")
        try:
            row = self._decoder.decode(value)
        except msgspec.ValidationError as error:
            out_of_range = "out of range" in str(error)
            raise _RefusedError(why.NOT_FINITE if out_of_range else why.WRONG_TYPE, str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reason = why.NOT_FINITE if re.search(rb"\b(NaN|-?Infinity)\b", value) else why.NOT_JSON
            raise _RefusedError(reason, str(error)) from error
        self._check(row, record)
        return row

    def _check(self, row: Any, record: Record) -> None:
        spec = self._spec
        if row.tx_id == "":
            raise _RefusedError(why.ID_MISSING, spec.tx_id)
        if spec.amount:
            self._check_amount(row)
        if row.e0 is None or row.e0 == "":
            raise _RefusedError(why.ENTITY_MISSING, next(iter(spec.entities)))
        try:
            row.event_time = self._times(row.event_time)
        except (ValueError, OverflowError) as error:
            raise _RefusedError(why.EVENT_TIME_INVALID, spec.event_time) from error
        if not 0 < row.event_time < record.timestamp + FUTURE_MS:
            late = row.event_time > 0
            raise _RefusedError(why.EVENT_TIME_IN_FUTURE if late else why.EVENT_TIME_INVALID, spec.event_time)
        if _DIGITS.search(record.value or b""):
            self._refuse_cards(record)

    def _check_amount(self, row: Any) -> None:
        row.amount /= self._spec.amount_divisor
        if not math.isfinite(row.amount):
            raise _RefusedError(why.NOT_FINITE, self._spec.amount)
        if row.amount < 0:
            raise _RefusedError(why.AMOUNT_NEGATIVE, self._spec.amount)
        if row.amount > self._spec.amount_max:
            raise _RefusedError(why.AMOUNT_TOO_LARGE, self._spec.amount)

    def _refuse_cards(self, record: Record) -> None:
        """Only the rare record with 13 digits in a row comes here: look at each text of it."""
        declared = set(self._spec.card_numbers)
        for name, value in _texts(msgspec.json.decode(record.value or b"")):
            if name not in declared and name != self._spec.event_time and find_card_number(value):
                raise _RefusedError(why.CARD_NUMBER, name)

    def _columns(self, records: list[Record], rows: list[Any]) -> Transactions:
        spec = self._spec
        tx_ids = [t if type(t := row.tx_id) is str else str(t) for row in rows]
        entities = np.zeros((len(rows), len(spec.entities)), np.uint64)
        keys: list[bytes] = []
        for j, field in enumerate(spec.entities.values()):
            texts = self._texts(rows, f"e{j}", field)
            entities[:, j] = [0 if t is None else _hash(t) for t in texts]
            keys = keys if j else [str(t).encode() for t in texts]
        return Transactions(
            tx_id=tx_ids,
            tx_hash=np.array([_hash(t) for t in tx_ids], np.uint64),
            key=keys,
            event_time=np.array([row.event_time for row in rows], np.int64),
            amount=np.array([row.amount for row in rows], np.float64) if spec.amount else np.ones(len(rows)),
            entities=entities,
            categorical={f: self._texts(rows, f"c{j}", f) for j, f in enumerate(categories(spec))},
            numeric={
                f: np.array([math.nan if (v := getattr(row, f"n{j}")) is None else v for row in rows], np.float64)
                for j, f in enumerate(spec.numeric)
            },
            partition=np.array([r.partition for r in records], np.int32),
            offset=np.array([r.offset for r in records], np.int64),
        )

    def _texts(self, rows: list[Any], name: str, field: str) -> list[str | None]:
        """A field as texts: identifiers may be numbers, card numbers become tokens."""
        get = attrgetter(name)
        values = [get(row) for row in rows]
        texts = [v if v is None or type(v) is str else str(v) for v in values]
        if field not in self._spec.card_numbers:
            return texts
        key = self._key or b""
        return [None if t is None else card_token(t, key) for t in texts]


class LabelCodec:
    """The labels topic's JSON to columns."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(Label)

    def decode(self, records: Sequence[Record]) -> tuple[Labels, list[DeadLetter]]:
        """Columns of the labels that can be read, and the rest with reasons."""
        good: list[tuple[Record, Label]] = []
        dead: list[DeadLetter] = []
        for record in records:
            try:
                good.append((record, self._decoder.decode(record.value or b"")))
            except msgspec.ValidationError as error:
                dead.append(DeadLetter(record, why.WRONG_TYPE, str(error)))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                dead.append(DeadLetter(record, why.NOT_JSON, str(error)))
        labels = [label for _, label in good]
        return Labels(
            tx_id=[label.tx_id for label in labels],
            tx_hash=np.array([_hash(label.tx_id) for label in labels], np.uint64),
            event_time=np.array([label.event_time for label in labels], np.int64),
            is_fraud=np.array([label.is_fraud for label in labels], np.bool_),
            source=[label.source for label in labels],
            partition=np.array([r.partition for r, _ in good], np.int32),
            offset=np.array([r.offset for r, _ in good], np.int64),
        ), dead


def categories(spec: StreamSpec) -> tuple[str, ...]:
    """The fields that become category codes."""
    return (*spec.categorical, spec.currency) if spec.currency else spec.categorical


def categorical_features(spec: StreamSpec) -> frozenset[str]:
    """Names of the features that are codes of categories: agents embed them instead of ordering them."""
    return frozenset(map(feature_of, categories(spec)))


def raw_feature_names(spec: StreamSpec) -> tuple[str, ...]:
    """Names of the features that a record has by itself."""
    ours = ("amount", *CALENDAR) if spec.calendar else ("amount",)
    return (*ours, *map(feature_of, (*spec.numeric, *categories(spec))))


def feature_of(field: str) -> str:
    """Name of the feature that a field becomes: its own, or with `_field` behind it where that is one of ours."""
    return f"{field}_field" if field in {"amount", *CALENDAR} else field


def raw_features(tx: Transactions, spec: StreamSpec) -> NDArray[np.float32]:
    """float32[n, r], columns as `raw_feature_names`: amount, the calendar, fields, codes."""
    codes = [category_codes(tx.categorical[f]) for f in categories(spec)]
    ours = [tx.amount, *(calendar(tx.event_time) if spec.calendar else ())]
    columns = [*ours, *(tx.numeric[f] for f in spec.numeric), *codes]
    matrix = np.empty((len(tx.event_time), len(columns)), np.float32)
    with np.errstate(over="ignore"):  # an infinity is a missing value to agents
        for j, column in enumerate(columns):
            matrix[:, j] = column
    return matrix


def calendar(event_time: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """UTC hour float64[n], weekend bool[n], night (until 6 h) bool[n] of int64[n] ms UTC."""
    days, in_day = np.divmod(event_time, 24 * HOUR_MS)
    hour = in_day / HOUR_MS
    weekend = ((days + 3) % 7) >= 5  # day 0 of 1970 was a Thursday
    return hour, weekend, np.floor(hour) <= NIGHT_UNTIL_HOUR


def category_codes(texts: Sequence[str | None]) -> NDArray[np.float32]:
    """float32[n]: a code of 24 bits for each text, 0 where it is missing."""
    return codes_of(np.array([0 if t is None else _hash(t) for t in texts], np.uint64))


def codes_of(keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """float32[n] category codes of uint64[n] `entity_key`s: their low 24 bits, 0 for a key of 0 only."""
    return np.where(keys == 0, 0, np.maximum(keys & np.uint64(CATEGORY_BITS), 1)).astype(np.float32)


def _wire_fields(spec: StreamSpec) -> list[tuple[str, Any] | tuple[str, Any, Any]]:
    """A struct of the fields that the spec names, under names of ours: the user's may be anything."""
    named: list[tuple[str, str, Any, bool]] = [
        ("tx_id", spec.tx_id, str | int, True),
        ("event_time", spec.event_time, str if spec.event_time_unit == "iso8601" else int | float, True),
        ("amount", spec.amount, float, True),
    ]
    named += [(f"e{j}", f, str | int | None, False) for j, f in enumerate(spec.entities.values())]
    named += [(f"c{j}", f, str | int | bool | None, False) for j, f in enumerate(categories(spec))]
    named += [(f"n{j}", f, float | None, False) for j, f in enumerate(spec.numeric)]
    required = [(n, t, msgspec.field(name=f)) for n, f, t, must in named if must and f]
    optional = [(n, t, msgspec.field(name=f, default=None)) for n, f, t, must in named if not must]
    return [*required, *optional]


def _time_reader(unit: str) -> Callable[[Any], int]:
    if unit == "iso8601":
        return iso_ms
    factor = {"ms": 1.0, "s": 1000.0, "us": 0.001}[unit]
    return int if unit == "ms" else (lambda value: math.floor(value * factor))


def iso_ms(text: str) -> int:
    """ISO 8601 to ms UTC; without a zone it is UTC.

    Raises:
        ValueError: it is no time.
    """
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _texts(value: object, name: str = "") -> list[tuple[str, str]]:
    """Every text and whole number within a decoded record, with the name of its field."""
    if isinstance(value, dict):
        return [found for k, v in value.items() for found in _texts(v, str(k))]
    if isinstance(value, list):
        return [found for v in value for found in _texts(v, name)]
    return [(name, str(value))] if isinstance(value, str | int) and not isinstance(value, bool) else []

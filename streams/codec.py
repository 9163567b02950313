"""Bytes to columns and back: whole batches of JSON, and a reason for every record that can't be read."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams import dead_letters as why
from streams.cards import card_token, find_card_number
from streams.dead_letters import DeadLetter
from streams.event_times import EventTimes
from streams.kafka.source import Record
from streams.kernels import find_long_numbers
from streams.keys import category_codes, entity_keys
from streams.spec import StreamSpec

HOUR_MS = 3_600_000
FUTURE_MS = HOUR_MS  # a clock may be off by so much
NIGHT_UNTIL_HOUR = 6
CALENDAR = ("hour", "is_weekend", "is_night")
# 13 digits or more, other than a number of 13 right behind a field's name: that is a time in milliseconds.
_DIGITS = re.compile(rb"(?<!\":)(?<!\": )(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)|\d{14,19}(?!\d)")


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
T = TypeVar("T")


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
        if np.array_equal(rows, np.arange(len(self.tx_id))):
            return self
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


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One label; schema: `streams/schemas/labels.json`."""

    tx_id: str
    is_fraud: bool
    event_time: int
    source: str = "chargeback"


class _RefusedError(Exception):
    """A record's way to the dead letters, within this module."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def _unreadable(value: bytes, error: Exception) -> _RefusedError:
    """Why a record can't be decoded."""
    if isinstance(error, msgspec.ValidationError):
        return _RefusedError(why.NOT_FINITE if "out of range" in str(error) else why.WRONG_TYPE, str(error))
    is_number = re.search(rb"\b(NaN|-?Infinity)\b", value)
    return _RefusedError(why.NOT_FINITE if is_number else why.NOT_JSON, str(error))


def _refuse_time(event_time: int, record: Record, field: str) -> None:
    """One from the future would hold up whatever waits for event time to reach it."""
    if event_time <= 0:
        raise _RefusedError(why.EVENT_TIME_INVALID, field)
    if event_time >= record.timestamp + FUTURE_MS:
        raise _RefusedError(why.EVENT_TIME_IN_FUTURE, field)


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
        self._names = self._wire.__struct_fields__
        self._times = EventTimes(spec.event_time_unit)

    def decode(self, records: Sequence[Record]) -> tuple[Transactions, list[DeadLetter]]:
        """Columns of the records that can be read, and the rest with reasons."""
        refused: dict[int, _RefusedError] = {}
        rows = self._parsed(records, refused)
        good = _left(records, refused)
        columns = self._fields(rows)
        event_time, amount = self._times.all(columns["event_time"]), self._amounts(columns)
        suspects = self._suspects(good, columns, event_time, amount)
        if len(suspects):
            places = _left(range(len(records)), refused)
            for i in suspects.tolist():
                try:
                    self._check(rows[i], good[i])
                except _RefusedError as error:
                    refused[places[i]] = error
            kept = np.flatnonzero([place not in refused for place in places])
            at = kept.tolist()
            good, event_time, amount = [good[i] for i in at], event_time[kept], amount[kept]
            columns = {name: [column[i] for i in at] for name, column in columns.items()}
        dead = [DeadLetter(records[i], refused[i].reason, refused[i].detail) for i in sorted(refused)]
        return self._columns(good, columns, event_time, amount), dead

    def _parsed(self, records: Sequence[Record], refused: dict[int, _RefusedError]) -> list[Any]:
        """The structs of the records that are JSON of the spec; the reasons of the rest go into `refused`."""
        values = [record.value or b"" for record in records]
        is_small = max(map(len, values), default=0) <= self._spec.record_bytes_max
        parsed = map(self._decoder.decode if is_small else self._read, values)
        rows: list[Any] = []
        while len(rows) + len(refused) < len(values):
            try:
                rows.extend(parsed)  # keeps what came before an error, and goes on behind it
            except _UNREADABLE as error:
                place = len(rows) + len(refused)
                refused[place] = _unreadable(values[place], error)
            except _RefusedError as error:
                refused[len(rows) + len(refused)] = error
        return rows

    def _read(self, value: bytes) -> Any:  # a struct made from the spec
        if len(value) > self._spec.record_bytes_max:
            raise _RefusedError(why.RECORD_TOO_LARGE, f"{len(value)} bytes, at most {self._spec.record_bytes_max}")
        return self._decoder.decode(value)

    def _fields(self, rows: list[Any]) -> dict[str, Sequence[Any]]:
        """The structs' fields, under our names, as columns."""
        if not rows:
            return defaultdict(tuple)  # a spec that only a table can be read with has no fields at all
        return dict(zip(self._names, zip(*map(attrgetter(*self._names), rows), strict=True), strict=True))

    def _amounts(self, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
        if not self._spec.amount:
            return np.ones(len(columns["tx_id"]))
        return np.array(columns["amount"], np.float64) / self._spec.amount_divisor

    def _suspects(
        self,
        records: Sequence[Record],
        columns: Mapping[str, Sequence[Any]],
        event_time: NDArray[np.int64],
        amount: NDArray[np.float64],
    ) -> NDArray[np.intp]:
        """The rows that have to be looked at one by one: all that are wrong, and a few that aren't."""
        timestamp = np.array([record.timestamp for record in records], np.int64)
        suspect = ~((event_time > 0) & (event_time < timestamp + FUTURE_MS))
        suspect |= ~((amount >= 0) & (amount <= self._spec.amount_max))
        for name in ("tx_id", "e0"):
            if "" in columns[name] or None in columns[name]:
                suspect |= np.array([value is None or value == "" for value in columns[name]])
        values = [record.value or b"" for record in records]
        digits = np.empty(len(values), np.bool_)
        find_long_numbers(
            np.frombuffer(b"".join(values), np.uint8), np.cumsum([len(v) for v in values], dtype=np.int64), digits
        )
        return np.flatnonzero(suspect | digits)

    def _check(self, row: Any, record: Record) -> None:
        spec = self._spec
        if row.tx_id == "":
            raise _RefusedError(why.ID_MISSING, spec.tx_id)
        if spec.amount:
            self._check_amount(row.amount / spec.amount_divisor)
        if row.e0 is None or row.e0 == "":
            raise _RefusedError(why.ENTITY_MISSING, next(iter(spec.entities)))
        try:
            event_time = self._times.one(row.event_time)
        except (ValueError, OverflowError) as error:
            raise _RefusedError(why.EVENT_TIME_INVALID, spec.event_time) from error
        _refuse_time(event_time, record, spec.event_time)
        if _DIGITS.search(record.value or b""):
            self._refuse_cards(record)

    def _check_amount(self, amount: float) -> None:
        if not math.isfinite(amount):
            raise _RefusedError(why.NOT_FINITE, self._spec.amount)
        if amount < 0:
            raise _RefusedError(why.AMOUNT_NEGATIVE, self._spec.amount)
        if amount > self._spec.amount_max:
            raise _RefusedError(why.AMOUNT_TOO_LARGE, self._spec.amount)

    def _refuse_cards(self, record: Record) -> None:
        """Only the rare record with 13 digits in a row comes here: look at each text of it."""
        declared, value = set(self._spec.card_numbers), record.value or b""
        try:
            texts = _texts(msgspec.json.decode(value))
        except _UNREADABLE as error:  # in a field that the spec doesn't name: whether it has a card, nobody can tell
            raise _unreadable(value, error) from error
        for name, text in texts:
            if name not in declared and name != self._spec.event_time and find_card_number(text):
                raise _RefusedError(why.CARD_NUMBER, name)

    def _columns(
        self,
        records: Sequence[Record],
        columns: Mapping[str, Sequence[Any]],
        event_time: NDArray[np.int64],
        amount: NDArray[np.float64],
    ) -> Transactions:
        spec = self._spec
        tx_ids = [t if type(t) is str else str(t) for t in columns["tx_id"]]
        of_entities = [self._texts(columns[f"e{j}"], field) for j, field in enumerate(spec.entities.values())]
        entities = np.empty((len(tx_ids), len(of_entities)), np.uint64)
        for j, texts in enumerate(of_entities):
            entities[:, j] = entity_keys(texts)
        return Transactions(
            tx_id=tx_ids,
            tx_hash=entity_keys(tx_ids),
            key=[str(t).encode() for texts in of_entities[:1] for t in texts],
            event_time=event_time,
            amount=amount,
            entities=entities,
            categorical={f: self._texts(columns[f"c{j}"], f) for j, f in enumerate(categories(spec))},
            numeric={
                f: np.array([math.nan if v is None else v for v in columns[f"n{j}"]], np.float64)
                for j, f in enumerate(spec.numeric)
            },
            partition=np.array([r.partition for r in records], np.int32),
            offset=np.array([r.offset for r in records], np.int64),
        )

    def _texts(self, values: Sequence[Any], field: str) -> list[str | None]:
        """A field as texts: identifiers may be numbers, card numbers become tokens."""
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
                good.append((record, self._read(record)))
            except _RefusedError as refused:
                dead.append(DeadLetter(record, refused.reason, refused.detail))
        labels = [label for _, label in good]
        return Labels(
            tx_id=[label.tx_id for label in labels],
            tx_hash=entity_keys([label.tx_id for label in labels]),
            event_time=np.array([label.event_time for label in labels], np.int64),
            is_fraud=np.array([label.is_fraud for label in labels], np.bool_),
            source=[label.source for label in labels],
            partition=np.array([r.partition for r, _ in good], np.int32),
            offset=np.array([r.offset for r, _ in good], np.int64),
        ), dead

    def _read(self, record: Record) -> Label:
        value = record.value or b""
        try:
            label = self._decoder.decode(value)
        except _UNREADABLE as error:
            raise _unreadable(value, error) from error
        _refuse_time(label.event_time, record, "event_time")
        return label


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


def _left(items: Sequence[T], refused: Container[int]) -> Sequence[T]:
    """Those whose place isn't among the refused."""
    return [item for i, item in enumerate(items) if i not in refused] if refused else items


def _texts(value: object, name: str = "") -> list[tuple[str, str]]:
    """Every text and whole number within a decoded record, with the name of its field."""
    if isinstance(value, dict):
        return [found for k, v in value.items() for found in _texts(v, str(k))]
    if isinstance(value, list):
        return [found for v in value for found in _texts(v, name)]
    return [(name, str(value))] if isinstance(value, str | int) and not isinstance(value, bool) else []

"""The stream spec: which field of the user's records is what (TOML)."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.durations import parse_duration
from streams.errors import SpecError, StreamsError
from streams.features.spec import WindowSpec


class TableSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a table of past transactions is read; the live service needs none of it."""

    label: str = "is_fraud"
    """Column with the truth; a missing value is one that nobody knows."""
    fraud: tuple[str, ...] = ()
    """Values of it that mean fraud. Alone: every other value is genuine. Neither list: 1, true, t, yes, y are fraud."""
    genuine: tuple[str, ...] = ()
    """Values of it that mean genuine. Alone: every other value is a fraud. Both lists: another value is unknown."""
    time_every: str = ""
    """How long one step of `event_time` lasts, where it counts steps; how long a row lasts, where there is no time."""
    time_start: str = "2000-01-01"
    """The moment at which those steps begin, UTC; also what step 0, or the first row, stands for."""
    time_format: str = ""
    """How `event_time` is written where it isn't ISO 8601, e.g. `%d/%m/%Y %H:%M`."""


class StreamSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the user's transactions look like."""

    tx_id: str
    """Field with the transaction's id; empty: the row's number, for tables only."""
    event_time: str
    """Field with the time at which it happened; empty: the order of rows, for tables only."""
    event_time_unit: Literal["ms", "s", "us", "iso8601"] = "ms"
    """Unit of that field; numbers count from 1970 in UTC."""
    amount: str
    """Field with the amount; empty: every amount is 1, and costs count transactions."""
    amount_divisor: Annotated[float, Meta(gt=0, le=1e9)] = 1.0
    """What the amount is divided by: 100 where it counts cents."""
    amount_max: Annotated[float, Meta(gt=0, le=1e12)] = 1e9
    """Largest amount that is taken for real, in the stream's currency."""
    currency: str = ""
    """Field with the currency, kept as a category; none when empty."""
    entities: dict[str, str]
    """Entity name to field; the first one is the key of the topics. None: no windows, for tables only."""
    categorical: tuple[str, ...] = ()
    """Fields that name something: merchant category, country, channel."""
    numeric: tuple[str, ...] = ()
    """Fields that count or measure something."""
    calendar: bool = True
    """Hour, weekend and night of the event time (UTC) as features; false where the time of day means nothing."""
    card_numbers: tuple[str, ...] = ()
    """Fields that hold card numbers; each is replaced by a keyed hash before anything else sees it."""
    hmac_key_env: str = ""
    """Environment variable with the key of that hash."""
    hmac_key_file: str = ""
    """File with the key of that hash."""
    record_bytes_max: Annotated[int, Meta(ge=256, le=16_777_216)] = 262_144
    """Larger records are refused."""
    lateness_max: str = "1d"
    """How far behind its partition's event time a transaction may be."""
    ahead_max: str = "7d"
    """How far before its partition's event time a transaction may jump."""
    windows: WindowSpec = WindowSpec()
    """Windows over event time."""
    table: TableSpec = TableSpec()
    """How a table is read."""

    @property
    def label_delay_ms(self) -> int:
        """D in milliseconds: after so long a transaction without a fraud label counts as genuine."""
        return parse_duration(self.windows.label_delay)

    @property
    def lateness_max_ms(self) -> int:
        """Allowed lateness in milliseconds."""
        return parse_duration(self.lateness_max)

    @property
    def ahead_max_ms(self) -> int:
        """Allowed jump in milliseconds."""
        return parse_duration(self.ahead_max)

    def hmac_key(self) -> bytes | None:
        """The key for card numbers, None where the spec declares none.

        Raises:
            SpecError: card numbers without a key.
        """
        if not self.card_numbers:
            return None
        if self.hmac_key_env and os.environ.get(self.hmac_key_env):
            return os.environ[self.hmac_key_env].encode()
        if self.hmac_key_file and Path(self.hmac_key_file).is_file():
            return Path(self.hmac_key_file).read_bytes().strip()
        raise SpecError("card_numbers", list(self.card_numbers), "a key in hmac_key_env or hmac_key_file")


def load_spec(path: Path) -> StreamSpec:
    """Read and check a stream spec.

    Raises:
        SpecError: unreadable, an unknown key, a value out of bounds, no entity.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise SpecError(str(path), error.strerror, "a readable TOML file") from error
    return parse_spec(text, str(path))


def parse_spec(text: str, where: str, *, needs_key: bool = True) -> StreamSpec:
    """TOML to a checked spec.

    Args:
        text: TOML.
        where: for errors.
        needs_key: the key for declared card numbers has to be there.

    Raises:
        SpecError: with the key, what was found, what is allowed.
    """
    try:
        spec = msgspec.toml.decode(text, type=StreamSpec)
    except msgspec.ValidationError as error:
        raise _readable(error, where) from error
    except msgspec.DecodeError as error:
        raise SpecError(where, str(error), "TOML") from error
    for key, duration in (("lateness_max", spec.lateness_max), ("ahead_max", spec.ahead_max)):
        _check_duration(f"{where} {key}", duration)
    _refuse_a_field_twice(spec, where)
    _check_table(spec, where)
    if needs_key:
        spec.hmac_key()
    return spec


def refuse_tables_only(spec: StreamSpec, where: str) -> None:
    """Refuse a spec that only a table can be read with: records on a topic have ids, times and a key of their own.

    Raises:
        SpecError: with the key, what was found, what is allowed.
    """
    needed = (
        ("tx_id", spec.tx_id, "a field with an id: row numbers are for `rlfa backtest` only"),
        ("event_time", spec.event_time, "a field with a time: the order of rows is for `rlfa backtest` only"),
        ("entities", spec.entities, "at least one: the key of the topics"),
    )
    for key, found, allowed in needed:
        if not found:
            raise SpecError(f"{where} {key}", found, allowed)
    for key, found in (("time_every", spec.table.time_every), ("time_format", spec.table.time_format)):
        if found:
            raise SpecError(f"{where} table.{key}", found, "none: live records carry a time of `event_time_unit`")


def _check_duration(where: str, text: str) -> None:
    try:
        parse_duration(text)
    except StreamsError as error:
        raise SpecError(where, text, "a duration such as 36h or 7d") from error


def _refuse_a_field_twice(spec: StreamSpec, where: str) -> None:
    named = [spec.tx_id, spec.event_time, spec.amount, spec.currency, *spec.entities.values()]
    fields = [f for f in (*named, *spec.categorical, *spec.numeric) if f]
    for field in fields:
        if fields.count(field) > 1:
            raise SpecError(f"{where} {field}", "a field named twice", "each field in one place")


def _check_table(spec: StreamSpec, where: str) -> None:
    """Times and label values that fit each other."""
    table = spec.table
    if table.time_every:
        _check_duration(f"{where} table.time_every", table.time_every)
    if not spec.event_time and not table.time_every:
        raise SpecError(f"{where} event_time", "", "a field, or `[table] time_every`: how long a row lasts")
    if table.time_every and table.time_format:
        raise SpecError(f"{where} table.time_format", table.time_format, "none beside time_every: steps are numbers")
    try:
        datetime.fromisoformat(table.time_start)
    except ValueError as error:
        raise SpecError(f"{where} table.time_start", table.time_start, "a time such as 2024-05-01") from error
    both = sorted(set(table.fraud) & set(table.genuine))
    if both:
        raise SpecError(f"{where} table.fraud", both, "values that aren't in table.genuine")


def _readable(error: msgspec.ValidationError, where: str) -> SpecError:
    match = re.match(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>.*)`)?$", str(error))
    assert match is not None
    unknown = re.match(r"Object contains unknown field `(?P<name>.*)`", match["what"])
    key = match["path"] or ""
    if unknown:
        name = f"{key}.{unknown['name']}".lstrip(".")
        return SpecError(f"{where} {name}", unknown["name"], "a key of docs/reference/configuration.md")
    return SpecError(f"{where} {key}".strip(), match["what"], "see docs/reference/configuration.md")

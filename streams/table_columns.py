"""Columns of a table as the codec would read the same values from records: texts, keys, numbers, times, labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.cards import card_token, find_card_number, is_card_number
from streams.durations import parse_duration
from streams.event_times import iso_ms
from streams.history import FRAUD, GENUINE, UNKNOWN
from streams.keys import entity_key
from streams.spec import StreamSpec, TableSpec

YES = ("1", "true", "t", "yes", "y")
NO = ("0", "false", "f", "no", "n")
CARD_DIGITS_MIN = 13
NUMBER_OF_CARD_MIN = 10**13  # a whole number of 13 digits is rather a time in milliseconds
NO_TIME = 0
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


def texts(column: pa.Array) -> tuple[list[str | None], NDArray[np.int64]]:
    """Every text of a column once, and int64[n] which of them each row has; -1 where it is missing.

    Whole numbers are written without a point, whatever their type: an identifier is no measurement.
    """
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    places = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return [_text(v) for v in encoded.dictionary.to_pylist()], places


def _text(value: object) -> str | None:
    if isinstance(value, float):
        if not np.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return value if value is None or isinstance(value, str) else str(value)


def keys(column: pa.Array, hmac_key: bytes | None) -> NDArray[np.uint64]:
    """uint64[n] `entity_key`s, of card tokens where there is a key; 0 where it is missing."""
    words, places = texts(column)
    if hmac_key is not None:
        words = [None if w is None else card_token(w, hmac_key) for w in words]
    return np.array([*(0 if w is None else entity_key(w) for w in words), 0], np.uint64)[places]


def holds_card_number(column: pa.Array, *, is_number: bool) -> NDArray[np.bool_]:
    """bool[n]: a card number stands in a text, or a whole number of 14 digits or more is one.

    Args:
        column: of any type.
        is_number: a field that is measured or counted: its texts hold a card number only as a whole.
    """
    suspects = np.flatnonzero(_may_hold_card(column, is_number))
    found = np.zeros(len(column), np.bool_)
    for row, value in zip(suspects.tolist(), column.take(pa.array(suspects)).to_pylist(), strict=True):
        text = str(value)
        found[row] = is_card_number(text) if is_number else find_card_number(text) is not None
    return found


def _may_hold_card(column: pa.Array, is_number: bool) -> NDArray[np.bool_]:
    """bool[n]: long enough to be worth Luhn's test."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_int64(plain.type) or pa.types.is_uint64(plain.type):
        long = pc.greater_equal(plain, NUMBER_OF_CARD_MIN)
    elif _is_text(plain.type):
        long = pc.greater_equal(pc.binary_length(plain), CARD_DIGITS_MIN)
        if is_number and pc.any(long).as_py():
            long = pc.match_substring_regex(plain, r"^\d{14,19}$")
    else:
        return np.zeros(len(column), np.bool_)
    suspects: NDArray[np.bool_] = long.fill_null(False).to_numpy(zero_copy_only=False)
    return suspects


def numbers(column: pa.Array) -> NDArray[np.float64]:
    """float64[n]; NaN where a number is missing, infinite, or no number at all."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_boolean(plain.type):
        plain = plain.cast(pa.uint8())
    if _is_text(plain.type):
        plain = _parsed(plain)
    values = plain.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, np.nan)


def _parsed(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(column, NUMBER)
        return pc.if_else(is_number, pc.utf8_trim_whitespace(column), None).cast(pa.float64())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def times(column: pa.Array | None, spec: StreamSpec, first_row: int, rows: int) -> NDArray[np.int64]:
    """int64[n] ms UTC, `NO_TIME` where it can't be read.

    Args:
        column: of the time; None where the order of rows is all there is.
        spec: of the stream.
        first_row: number of the first of these rows in the table.
        rows: n.
    """
    table = spec.table
    if table.time_every:
        every, start = parse_duration(table.time_every), iso_ms(table.time_start)
        if column is None:
            return start + every * np.arange(first_row, first_row + rows, dtype=np.int64)
        return _whole(numbers(column), lambda steps: start + np.floor(steps * every))
    assert column is not None  # the spec's check: no time without time_every
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if table.time_format and not pa.types.is_temporal(plain.type):
        plain = pc.strptime(plain.cast(pa.string()), format=table.time_format, unit="us", error_is_null=True)
    if pa.types.is_temporal(plain.type):
        return _of_timestamps(plain)
    if spec.event_time_unit == "iso8601":
        words, places = texts(plain)
        return np.array([*(NO_TIME if w is None else _iso(w) for w in words), NO_TIME], np.int64)[places]
    factor = {"ms": 1.0, "s": 1000.0, "us": 0.001}[spec.event_time_unit]
    return _whole(numbers(plain), lambda values: np.floor(values * factor))


def _whole(values: NDArray[np.float64], ms: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.int64]:
    there = np.isfinite(values)
    found = np.full(len(values), NO_TIME, np.int64)
    found[there] = np.clip(ms(values[there]), -1, 2**62).astype(np.int64)
    return found


def _of_timestamps(column: pa.Array) -> NDArray[np.int64]:
    """As the codec rounds the same moment in ISO 8601: through seconds in double precision."""
    zone = getattr(column.type, "tz", None)
    micros = column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    there = micros.is_valid().to_numpy(zero_copy_only=False)
    values = micros.fill_null(0).to_numpy(zero_copy_only=False)
    return np.where(there, np.rint(values / 1e6 * 1000.0), NO_TIME).astype(np.int64)


def _iso(text: str) -> int:
    try:
        return iso_ms(text)
    except (ValueError, OverflowError):
        return NO_TIME


def labels(column: pa.Array, table: TableSpec) -> NDArray[np.int8]:
    """int8[n]: `FRAUD`, `GENUINE` or `UNKNOWN`."""
    words, places = texts(column)
    truth = [UNKNOWN if w is None else label_of(w, table) for w in words]
    return np.array([*truth, UNKNOWN], np.int8)[places]


def label_of(value: str, table: TableSpec) -> int:
    """`FRAUD`, `GENUINE` or `UNKNOWN`."""
    is_plain = not table.fraud and not table.genuine
    word = value.strip().lower() if is_plain else value
    fraud, genuine = (YES, NO) if is_plain else (table.fraud, table.genuine)
    if word in fraud:
        return FRAUD
    if word in genuine:
        return GENUINE
    if is_plain or (fraud and genuine):
        return UNKNOWN
    return GENUINE if fraud else FRAUD

"""A CSV or Parquet table to the columns of a history, through a stream spec."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streams import dead_letters as why
from streams.cards import card_token
from streams.codec import CATEGORY_BITS, categories, entity_key, raw_matrix
from streams.history import FRAUD, GENUINE, UNKNOWN, History, HistoryError
from streams.spec import StreamSpec


def read_history(path: Path, spec: StreamSpec, label: str = "is_fraud") -> History:
    """Read a CSV or Parquet table.

    Args:
        path: of the table; a row per transaction.
        spec: says which column is what.
        label: column with 1 or true for fraud, 0 or false for genuine; missing where nobody knows.

    Raises:
        HistoryError: unreadable, or a column is missing.
    """
    return history_of(read_columns(path), spec, label, str(path))


def history_of(table: pa.Table, spec: StreamSpec, label: str, where: str = "table") -> History:
    """A table's rows in the order of event time, those that can't be read left out and counted.

    Args:
        table: a row per transaction.
        spec: says which column is what.
        label: column of the truth.
        where: for errors.

    Raises:
        HistoryError: a column is missing.
    """
    wanted = {spec.tx_id, spec.event_time, spec.amount, label, *spec.entities.values(), *spec.numeric}
    missing = sorted((wanted | set(categories(spec))) - set(table.column_names))
    if missing:
        raise HistoryError(where, f"no column {', '.join(missing)}", f"one of {', '.join(table.column_names)}")
    time, has_time = _times(table[spec.event_time], spec)
    amount = _floats(table[spec.amount])
    texts = {name: _texts(table[name], name, spec) for name in (spec.tx_id, *spec.entities.values())}
    first = next(iter(spec.entities.values()))
    reasons = {
        why.ID_MISSING: _is_missing(texts[spec.tx_id]),
        why.EVENT_TIME_INVALID: ~has_time | (time <= 0),
        why.NOT_FINITE: ~np.isfinite(amount),
        why.AMOUNT_NEGATIVE: amount < 0,
        why.AMOUNT_TOO_LARGE: amount > spec.amount_max,
        why.ENTITY_MISSING: _is_missing(texts[first]),
    }
    bad = np.logical_or.reduce(list(reasons.values()))
    kept = np.flatnonzero(~bad)
    kept = kept[np.argsort(time[kept], kind="stable")]
    numbers = [_floats(table[name])[kept] for name in spec.numeric]
    codes = [_codes(_texts(table[name], name, spec))[kept] for name in categories(spec)]
    return History(
        tx_id=texts[spec.tx_id].take(pa.array(kept)).to_pylist(),
        tx_hash=_keys(texts[spec.tx_id])[kept],
        event_time=time[kept],
        amount=amount[kept],
        entities=np.column_stack([_keys(texts[name])[kept] for name in spec.entities.values()]),
        raw=raw_matrix(time[kept], amount[kept], [*numbers, *codes]),
        label=_labels(table[label])[kept],
        label_time=time[kept] + spec.label_delay_ms,
        refused=_counts(reasons),
    )


def read_columns(path: Path) -> pa.Table:
    """A table as it lies in its file, by its suffix.

    Raises:
        HistoryError: unreadable, or neither CSV nor Parquet.
    """
    readers = {".parquet": pq.read_table, ".csv": pa_csv.read_csv}
    if path.suffix not in readers:
        raise HistoryError(str(path), f"suffix {path.suffix!r}", ".csv or .parquet")
    try:
        table: pa.Table = readers[path.suffix](path)
    except (OSError, pa.ArrowInvalid) as error:
        raise HistoryError(str(path), str(error), "a readable table") from error
    return table


def _counts(reasons: Mapping[str, NDArray[np.bool_]]) -> dict[str, int]:
    """Each row counts for its first reason."""
    counts, seen = dict[str, int](), np.zeros(len(next(iter(reasons.values()))), np.bool_)
    for reason, rows in reasons.items():
        if (rows & ~seen).any():
            counts[reason] = int((rows & ~seen).sum())
        seen |= rows
    return counts


def _times(column: pa.ChunkedArray, spec: StreamSpec) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """int64[n] ms UTC, and bool[n]: there is one."""
    there = column.is_valid().to_numpy()
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).fill_null(0).to_numpy(), there
    if spec.event_time_unit == "iso8601":
        texts = column.cast(pa.string()).to_pylist()
        return np.array([0 if t is None else _iso_ms(t) for t in texts], np.int64), there
    factor = {"ms": 1.0, "s": 1000.0, "us": 0.001}[spec.event_time_unit]
    numbers = column.cast(pa.float64()).fill_null(0.0).to_numpy()
    return np.floor(numbers * factor).astype(np.int64), there


def _iso_ms(text: str) -> int:
    """As the codec reads it; 0 for what is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64()).fill_null(float("nan")).to_numpy()
    return values


def _labels(column: pa.ChunkedArray) -> NDArray[np.int8]:
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column.cast(pa.float64())
    found = values.fill_null(UNKNOWN).to_numpy()
    return np.where(found == FRAUD, FRAUD, np.where(found == GENUINE, GENUINE, UNKNOWN)).astype(np.int8)


def _texts(column: pa.ChunkedArray, name: str, spec: StreamSpec) -> pa.DictionaryArray:
    """A column as texts, each once: identifiers may be numbers, card numbers become tokens."""
    plain = column.cast(pa.string()) if not pa.types.is_dictionary(column.type) else column
    encoded = (
        plain.combine_chunks() if pa.types.is_dictionary(plain.type) else plain.combine_chunks().dictionary_encode()
    )
    if name not in spec.card_numbers:
        return encoded
    key = spec.hmac_key() or b""
    tokens = [None if t is None else card_token(t, key) for t in encoded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(tokens, pa.string()))


def _is_missing(texts: pa.DictionaryArray) -> NDArray[np.bool_]:
    """bool[n]: null or empty."""
    there: NDArray[np.bool_] = pc.not_equal(texts.cast(pa.string()), "").fill_null(False).to_numpy(zero_copy_only=False)
    return ~there


def _keys(texts: pa.DictionaryArray) -> NDArray[np.uint64]:
    """uint64[n]; 0 where it is missing."""
    keys = np.array([*(0 if t is None else entity_key(t) for t in texts.dictionary.to_pylist()), 0], np.uint64)
    return keys[_places(texts)]


def _codes(texts: pa.DictionaryArray) -> NDArray[np.float32]:
    """float32[n], as `streams.codec.category_codes`."""
    words = texts.dictionary.to_pylist()
    codes = np.array([*(0 if t is None else (entity_key(t) & CATEGORY_BITS) or 1 for t in words), 0], np.float32)
    return codes[_places(texts)]


def _places(texts: pa.DictionaryArray) -> NDArray[np.int64]:
    """int64[n], which entry of the dictionary; the one behind the last where it is missing."""
    places: NDArray[np.int64] = texts.indices.cast(pa.int64()).fill_null(len(texts.dictionary)).to_numpy()
    return places

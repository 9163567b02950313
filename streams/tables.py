"""A CSV or Parquet table to the columns of a history, through a stream spec.

The rows come in batches, and the features are the one thing kept for all of them: 600,000 rows of 400 columns are 1 GB
in single precision, and there is no second copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams import dead_letters as why
from streams.codec import calendar, categories, raw_feature_names
from streams.history import History, HistoryError
from streams.keys import codes_of, entity_key
from streams.spec import StreamSpec
from streams.table_columns import NO_TIME, holds_card_number, keys, labels, numbers, texts, times
from streams.table_files import BATCH, open_table

REASONS = (  # in the order in which the codec looks
    why.ID_MISSING,
    why.NOT_FINITE,
    why.AMOUNT_NEGATIVE,
    why.AMOUNT_TOO_LARGE,
    why.ENTITY_MISSING,
    why.EVENT_TIME_INVALID,
    why.CARD_NUMBER,
)
GOOD = len(REASONS)


def read_history(path: Path, spec: StreamSpec, label: str | None = None) -> History:
    """Read a CSV or Parquet table.

    Args:
        path: of the table; a row per transaction.
        spec: says which column is what.
        label: column of the truth, in place of the spec's.

    Raises:
        HistoryError: unreadable, or a column is missing.
    """
    table = open_table(path)
    wanted = columns_of(spec, label)
    _refuse_missing(wanted, table.names, str(path))
    return _history(table.batches(wanted), spec, label, table.rows)


def history_of(table: pa.Table, spec: StreamSpec, label: str | None = None, where: str = "table") -> History:
    """A table's rows in the order of event time, those that can't be read left out and counted.

    Args:
        table: a row per transaction.
        spec: says which column is what.
        label: column of the truth, in place of the spec's.
        where: for errors.

    Raises:
        HistoryError: a column is missing.
    """
    wanted = columns_of(spec, label)
    _refuse_missing(wanted, table.column_names, where)
    return _history(table.select(wanted).to_batches(BATCH), spec, label, len(table))


def columns_of(spec: StreamSpec, label: str | None = None) -> list[str]:
    """The columns that a spec needs of a table."""
    named = (spec.tx_id, spec.event_time, spec.amount, *spec.entities.values(), *spec.numeric, *categories(spec))
    return [*dict.fromkeys(name for name in (*named, label or spec.table.label) if name)]


def _refuse_missing(wanted: Iterable[str], names: Iterable[str], where: str) -> None:
    missing = sorted(set(wanted) - set(names))
    if missing:
        raise HistoryError(where, f"no column {', '.join(missing)}", f"one of {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class _Narrow:
    """All of a batch but its features: see `History`; `verdict` uint8[n] is the place of a row's reason, or GOOD."""

    tx_id: list[str]
    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    entities: NDArray[np.uint64]
    label: NDArray[np.int8]
    verdict: NDArray[np.uint8]


class _Growing:
    """float32[n, r] that grows in place: room for more is asked of the system, not copied."""

    def __init__(self, rows: int, columns: int) -> None:
        self._matrix = np.empty((rows, columns), np.float32)
        self.rows = 0

    def room(self, rows: int) -> NDArray[np.float32]:
        """The next rows, to be filled."""
        self.rows += rows
        if self.rows > len(self._matrix):
            self._matrix.resize((self.rows + self.rows // 4, self._matrix.shape[1]), refcheck=False)
        return self._matrix[self.rows - rows : self.rows]

    def take(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The matrix with these rows only, in this order; column by column, within its own memory."""
        if len(rows) < self.rows or (np.diff(rows) != 1).any():
            for j in range(self._matrix.shape[1]):
                self._matrix[: len(rows), j] = self._matrix[rows, j]
        self._matrix.resize((len(rows), self._matrix.shape[1]), refcheck=False)
        return self._matrix


def _history(batches: Iterable[pa.RecordBatch], spec: StreamSpec, label: str | None, rows: int | None) -> History:
    raw = _Growing(BATCH if rows is None else rows, len(raw_feature_names(spec)))
    parts: list[_Narrow] = []
    hmac_key = spec.hmac_key()
    for batch in batches:
        part = _narrow(batch, spec, label, raw.rows, hmac_key)
        with np.errstate(over="ignore"):  # an infinity is a missing value to agents
            _fill(raw.room(batch.num_rows), batch, part, spec, hmac_key)
        parts.append(part)
    parts = parts or [_nothing(spec)]
    verdict = np.concatenate([p.verdict for p in parts])
    time = np.concatenate([p.event_time for p in parts])
    kept = np.flatnonzero(verdict == GOOD)
    kept = kept[np.argsort(time[kept], kind="stable")]
    ids = [i for p in parts for i in p.tx_id]
    return History(
        tx_id=[ids[row] for row in kept.tolist()],
        tx_hash=np.concatenate([p.tx_hash for p in parts])[kept],
        event_time=time[kept],
        amount=np.concatenate([p.amount for p in parts])[kept],
        entities=np.concatenate([p.entities for p in parts])[kept],
        raw=raw.take(kept),
        label=np.concatenate([p.label for p in parts])[kept],
        label_time=time[kept] + spec.label_delay_ms,
        refused=_counts(verdict),
    )


def _counts(verdict: NDArray[np.uint8]) -> Mapping[str, int]:
    found = np.bincount(verdict, minlength=GOOD + 1)
    return {reason: int(n) for reason, n in zip(REASONS, found[:GOOD], strict=True) if n}


def _nothing(spec: StreamSpec) -> _Narrow:
    none = np.zeros(0, np.uint64)
    entities = np.zeros((0, len(spec.entities)), np.uint64)
    return _Narrow(
        [], none, none.astype(np.int64), none.astype(np.float64), entities, none.astype(np.int8), none.astype(np.uint8)
    )


def _narrow(
    batch: pa.RecordBatch, spec: StreamSpec, label: str | None, first_row: int, hmac_key: bytes | None
) -> _Narrow:
    n = batch.num_rows
    tx_id = _ids(batch, spec, first_row)
    time = times(batch[spec.event_time] if spec.event_time else None, spec, first_row, n)
    amount = numbers(batch[spec.amount]) / spec.amount_divisor if spec.amount else np.ones(n)
    entities = np.zeros((n, len(spec.entities)), np.uint64)
    for j, field in enumerate(spec.entities.values()):
        entities[:, j] = keys(batch[field], hmac_key if field in spec.card_numbers else None)
    first = next(iter(spec.entities.values()), None)
    bad = {
        why.ID_MISSING: np.array([not i for i in tx_id], np.bool_),
        why.NOT_FINITE: ~np.isfinite(amount),
        why.AMOUNT_NEGATIVE: amount < 0,
        why.AMOUNT_TOO_LARGE: amount > spec.amount_max,
        why.ENTITY_MISSING: np.zeros(n, np.bool_) if first is None else _is_missing(entities[:, 0]),
        why.EVENT_TIME_INVALID: time <= NO_TIME,
        why.CARD_NUMBER: _cards(batch, spec),
    }
    verdict = np.full(n, GOOD, np.uint8)
    for place in reversed(range(GOOD)):
        verdict[bad[REASONS[place]]] = place
    return _Narrow(
        tx_id=tx_id,
        tx_hash=np.array([entity_key(i) for i in tx_id], np.uint64),
        event_time=time,
        amount=amount,
        entities=entities,
        label=labels(batch[label or spec.table.label], spec.table),
        verdict=verdict,
    )


def _ids(batch: pa.RecordBatch, spec: StreamSpec, first_row: int) -> list[str]:
    """n ids, "" where it is missing."""
    if not spec.tx_id:
        return [str(row) for row in range(first_row, first_row + batch.num_rows)]
    words, places = texts(batch[spec.tx_id])
    found = [w or "" for w in [*words, None]]
    return [found[place] for place in places.tolist()]


def _is_missing(entity: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """bool[n]: null, or an empty text."""
    return np.isin(entity, np.array([0, entity_key("")], np.uint64))


def _cards(batch: pa.RecordBatch, spec: StreamSpec) -> NDArray[np.bool_]:
    """bool[n]: a card number where the spec declares none."""
    found = np.zeros(batch.num_rows, np.bool_)
    declared = {spec.event_time, *spec.card_numbers}
    for name in (spec.tx_id, *spec.entities.values(), *categories(spec), *spec.numeric):
        if name and name not in declared:
            found |= holds_card_number(batch[name], is_number=name in spec.numeric)
    return found


def _fill(
    raw: NDArray[np.float32], batch: pa.RecordBatch, part: _Narrow, spec: StreamSpec, hmac_key: bytes | None
) -> None:
    """The features of a batch, columns as `raw_feature_names`."""
    ours = [part.amount, *(calendar(part.event_time) if spec.calendar else ())]
    for j, column in enumerate(ours):
        raw[:, j] = column
    for j, field in enumerate(spec.numeric, len(ours)):
        raw[:, j] = numbers(batch[field])
    for j, field in enumerate(categories(spec), len(ours) + len(spec.numeric)):
        raw[:, j] = codes_of(keys(batch[field], hmac_key if field in spec.card_numbers else None))

"""Enough rows of a table to judge its columns by, and single columns as a whole where a sample would mislead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.history import HistoryError
from streams.table_columns import numbers
from streams.table_files import TableFile

CELLS_MAX = 20_000_000
ROWS_MIN, ROWS_MAX = 20_000, 200_000
COLUMNS_MAX = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """Batches of a table, evenly spread over it.

    Attributes:
        file: that they are from.
        table: their rows in order.
        rows: of the whole table.
    """

    file: TableFile
    table: pa.Table
    rows: int

    @property
    def is_whole(self) -> bool:
        """Every row is in it."""
        return len(self.table) == self.rows

    def whole(self, column: str) -> pa.Array:
        """A column with all of its rows."""
        if self.is_whole:
            return joined(self.table[column])
        return joined(pa.chunked_array([batch[column] for batch in self.file.batches([column])]))

    def is_unique(self, column: str) -> bool:
        """No value of it comes twice, in all of the table."""
        if distinct(joined(self.table[column])) < len(self.table):
            return False
        return self.is_whole or distinct(self.whole(column)) == self.rows


def draw(file: TableFile) -> Sample:
    """Read a table once and keep batches evenly spread over it.

    Raises:
        HistoryError: unreadable, empty, or too wide.
    """
    if len(file.names) > COLUMNS_MAX:
        raise HistoryError(str(file.path), f"{len(file.names)} columns", f"at most {COLUMNS_MAX}")
    wanted = min(ROWS_MAX, max(ROWS_MIN, CELLS_MAX // len(file.names)))
    kept: list[pa.RecordBatch] = []
    rows = 0
    every = 1
    for number, batch in enumerate(file.batches(file.names)):
        rows += batch.num_rows
        if number % every == 0:
            kept.append(batch)
        if sum(b.num_rows for b in kept) > wanted:
            # As many again may come: from here on half as often.
            kept, every = kept[::2], every * 2
    if not rows:
        raise HistoryError(str(file.path), "no rows", "at least one")
    return Sample(file, pa.Table.from_batches(kept), rows)


def joined(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; dictionaries of several pieces become one."""
    return column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def distinct(values: pa.Array) -> int:
    """How many values there are, missing ones apart."""
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    found: int = pc.count_distinct(plain).as_py()
    return found


def rising_share(values: NDArray[np.float64]) -> float:
    """Share of the steps from row to row that don't go back."""
    steps = np.diff(values[np.isfinite(values)])
    return float((steps >= 0).mean()) if len(steps) else 0.0


def whole_numbers(sample: Sample, column: str) -> NDArray[np.float64]:
    """float64[n] of all rows."""
    return numbers(sample.whole(column))

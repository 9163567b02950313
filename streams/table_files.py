"""CSV and Parquet files as batches of columns, never as a whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from streams.history import HistoryError

BATCH = 16_384  # rows; of 400 columns in single precision, as much as a processor's cache holds
CSV_BLOCK = 8 << 20  # bytes
DELIMITERS = ",;\t|"
CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.zst")
PARQUET_SUFFIXES = (".parquet", ".pq")
NULLS = ("", "NaN", "nan", "NULL", "null", "None", "N/A", "#N/A")  # not NA: a country


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table on disk.

    Attributes:
        path: of the file.
        schema: names and types of its columns; every column of a CSV is text.
        rows: how many, None where only reading tells.
        delimiter: between a CSV's cells; empty for Parquet.
    """

    path: Path
    schema: pa.Schema
    rows: int | None
    delimiter: str

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(self.schema.names)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """These columns, some thousand rows at a time.

        Raises:
            HistoryError: the file is broken.
        """
        try:
            for batch in self._parquet(columns) if not self.delimiter else self._csv(columns):
                for begin in range(0, batch.num_rows, BATCH):
                    yield batch.slice(begin, BATCH)
        except (OSError, pa.ArrowInvalid) as error:
            raise HistoryError(str(self.path), str(error), "a readable table") from error

    def _parquet(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in pq.ParquetFile(self.path).iter_batches(BATCH, columns=list(columns)):
            # A name with a dot may bring its namesakes along.
            yield batch.select(list(columns))

    def _csv(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from pa_csv.open_csv(
            self.path,
            read_options=pa_csv.ReadOptions(block_size=CSV_BLOCK),
            parse_options=pa_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=list(NULLS),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )


def open_table(path: Path) -> TableFile:
    """Look at a file's columns.

    Raises:
        HistoryError: unreadable, neither CSV nor Parquet, or its columns have no names.
    """
    name = path.name.lower()
    try:
        if name.endswith(PARQUET_SUFFIXES):
            file = pq.ParquetFile(path)
            table = TableFile(path, file.schema_arrow, file.metadata.num_rows, "")
        elif name.endswith(CSV_SUFFIXES):
            table = _open_csv(path)
        else:
            raise HistoryError(str(path), f"suffix {path.suffix!r}", ".csv or .parquet")
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise HistoryError(str(path), str(error), "a readable table") from error
    twice = sorted({n for n in table.names if table.names.count(n) > 1})
    if twice:
        raise HistoryError(str(path), f"{', '.join(twice)} more than once", "columns with names of their own")
    return table


def _open_csv(path: Path) -> TableFile:
    with pa.input_stream(path, compression="detect") as stream:
        line = stream.read(1 << 20).split(b"\n", 1)[0].decode("utf-8-sig").rstrip("\r")
    delimiter = max(DELIMITERS, key=line.count)
    names = next(csv.reader([line], delimiter=delimiter), [])
    if not names or 2 * sum(map(_is_number, names)) > len(names):
        raise HistoryError(f"{path} line 1", line[:60], "the names of the columns")
    # A column without a name is the row number that whoever wrote the file left in it.
    return TableFile(path, pa.schema([(n, pa.string()) for n in names if n]), None, delimiter)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

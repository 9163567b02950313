"""Arrow tables to the bytes of Kafka messages: JSON values, keys of the primary entity."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

LABEL_FIELDS = ("tx_id", "is_fraud", "event_time", "source")


@dataclass(frozen=True, slots=True)
class Messages:
    """`n` messages of one topic, in order of event time."""

    time: NDArray[np.int64]  # [n], event time, ms UTC
    key: list[bytes]
    value: list[bytes]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.key)


def transaction_messages(table: pa.Table, *, time: str, key: str, hidden: tuple[str, ...] = ()) -> Messages:
    """A JSON object for each row.

    Args:
        table: rows in order of event time; its columns are the record's fields.
        time: column of the event time, ms UTC.
        key: column of the primary entity, strings.
        hidden: columns that no record shows.
    """
    fields = tuple(name for name in table.column_names if name not in hidden)
    return _messages(table, fields, time, key)


def label_messages(table: pa.Table, *, key: str) -> Messages:
    """A label of the contract for each row; keyed like its transaction, so that both meet in one partition.

    Args:
        table: rows in the order in which they became known, with the columns `LABEL_FIELDS` and the key's.
        key: column of the primary entity, strings.
    """
    return _messages(table, LABEL_FIELDS, "event_time", key)


def _messages(table: pa.Table, fields: tuple[str, ...], time: str, key: str) -> Messages:
    keys: list[bytes] = table.column(key).cast(pa.binary()).to_numpy().tolist()
    return Messages(
        time=table.column(time).to_numpy(),
        key=keys,
        value=json_rows({name: plain(table.column(name)) for name in fields}),
    )


def json_rows(columns: dict[str, list[object]]) -> list[bytes]:
    """Columns to a JSON object per row; a struct type made for them is the fastest way through msgspec."""
    row = _row_type(tuple(columns))
    return list(map(msgspec.json.Encoder().encode, map(row, *columns.values())))


@functools.lru_cache(maxsize=16)
def _row_type(names: tuple[str, ...]) -> type[msgspec.Struct]:
    fields = {f"f{number}": name for number, name in enumerate(names)}  # any text may name a field of JSON
    return msgspec.defstruct("Row", list(fields), rename=fields, gc=False)


def plain(column: pa.ChunkedArray) -> list[object]:
    """Python values of a column; missing ones are None."""
    if pa.types.is_string(column.type) or not column.null_count:
        values: list[object] = column.to_numpy().tolist()
        return values
    found: list[object] = column.to_pylist()
    return found

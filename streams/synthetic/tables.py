"""Days as Arrow tables, and as two Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TRANSACTIONS = pa.schema(
    [
        ("tx_id", pa.string()),
        ("event_time", pa.int64()),
        ("customer_id", pa.string()),
        ("card_id", pa.string()),
        ("terminal_id", pa.string()),
        ("device_id", pa.string()),
        ("amount", pa.float64()),
        ("currency", pa.string()),
        ("category", pa.string()),
        ("channel", pa.string()),
        ("country", pa.string()),
        ("is_fraud", pa.bool_()),
        ("campaign", pa.string()),
    ]
)
LABELS = pa.schema(
    [
        ("tx_id", pa.string()),
        ("is_fraud", pa.bool_()),
        ("event_time", pa.int64()),
        ("source", pa.string()),
        ("customer_id", pa.string()),
    ]
)
TRUTH = ("is_fraud", "campaign")  # columns that no record of the stream may show
ROW_GROUP = 1 << 18


@dataclass(frozen=True, slots=True)
class Day:
    """One day of event time."""

    number: int
    transactions: pa.RecordBatch  # schema TRANSACTIONS, in order of event time
    labels: pa.RecordBatch  # schema LABELS: of this day's transactions, in the order in which they become known


def write_parquet(days: Iterable[Day], folder: Path) -> tuple[Path, Path]:
    """Write `transactions.parquet` and `labels.parquet`; equal days give equal bytes.

    Returns:
        The two paths. Labels are in the order in which they become known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    transactions, labels = folder / "transactions.parquet", folder / "labels.parquet"
    known: list[pa.RecordBatch] = []
    with pq.ParquetWriter(transactions, TRANSACTIONS) as writer:
        waiting: list[pa.RecordBatch] = []
        for day in days:
            known.append(day.labels)
            waiting.append(day.transactions)
            if sum(batch.num_rows for batch in waiting) >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(waiting, TRANSACTIONS), ROW_GROUP)
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, TRANSACTIONS), ROW_GROUP)
    pq.write_table(in_order(pa.Table.from_batches(known, LABELS)), labels)
    return transactions, labels


def in_order(labels: pa.Table) -> pa.Table:
    """Labels by the time at which they become known, then by transaction."""
    return labels.take(pc.sort_indices(labels, [("event_time", "ascending"), ("tx_id", "ascending")]))

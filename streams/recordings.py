"""Recorded streams as Parquet folders: the handbook's transactions, and what `rlfa simulate --out` wrote."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streams.errors import QUOTED, NotAllowedError
from streams.messages import label_messages, transaction_messages
from streams.replay import Chunk

DAY_MS = 86_400_000
HANDBOOK_START_MS = 1_522_540_800_000  # 2018-04-01 00:00 UTC, second 0 of TX_TIME_SECONDS
HANDBOOK_SPEC = Path(__file__).parent / "handbook.toml"
SIMULATOR_SPEC = Path(__file__).parent / "synthetic" / "simulator.toml"
TRUTH = ("is_fraud", "campaign")  # columns of a simulated recording that no record shows


class RecordingError(NotAllowedError):
    """A folder that can't be replayed."""

    template = QUOTED


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded stream in memory."""

    transactions: pa.Table  # in order of event time; the columns are the record's fields, and TRUTH
    labels: pa.Table  # in the order in which they became known; the label's fields and the key's
    time: str  # column of the event time, ms UTC
    key: str  # column of the primary entity
    spec: Path  # stream spec of its records

    def between(self, first: dt.date | None, days: int | None) -> Recording:
        """The transactions of some days, and their labels.

        Args:
            first: day of the first transaction, UTC; the recording's first when missing.
            days: how many; all that follow when missing.

        Raises:
            RecordingError: no transaction lies in these days.
        """
        time = self.transactions.column(self.time).to_numpy()
        begin = _midnight(first) if first else int(time[0]) // DAY_MS * DAY_MS
        end = begin + days * DAY_MS if days else int(time[-1]) + 1
        low, high = np.searchsorted(time, [begin, end])
        if low == high:
            recorded = f"{_date(int(time[0]))} to {_date(int(time[-1]))}"
            raise RecordingError("days", f"{_date(begin)} to {_date(end - 1)}", recorded)
        chosen = self.transactions.slice(low, high - low)
        mine = pc.is_in(self.labels.column("tx_id"), chosen.column(self._id).combine_chunks())
        return Recording(chosen, self.labels.filter(mine), self.time, self.key, self.spec)

    def chunks(self) -> Iterator[Chunk]:
        """Its days, ready to be merged and published."""
        time = self.transactions.column(self.time).to_numpy()
        known = self.labels.column("event_time").to_numpy()
        midnights = np.arange(int(time[0]) // DAY_MS, int(time[-1]) // DAY_MS + 2) * DAY_MS
        rows, labels = np.searchsorted(time, midnights), np.searchsorted(known, midnights)
        labels[0], labels[-1] = 0, len(known)
        for day in range(len(midnights) - 1):
            yield Chunk(
                transaction_messages(_part(self.transactions, rows, day), time=self.time, key=self.key, hidden=TRUTH),
                label_messages(_part(self.labels, labels, day), key=self.key),
            )

    @property
    def _id(self) -> str:
        name: str = self.transactions.column_names[0]
        return name


def read_recording(folder: Path, label_delay_ms: int | None = None) -> Recording:
    """Read a folder, whichever of the known kinds it is.

    Args:
        folder: holds `transactions.parquet`, and `labels.parquet` if it was simulated.
        label_delay_ms: every fraud is reported so late; needed where the folder has no labels of its own,
            and replaces them where it has.

    Raises:
        RecordingError: the folder isn't one of these, or the delay is missing.
    """
    path = folder / "transactions.parquet"
    if not path.is_file():
        raise RecordingError(str(folder), "no transactions.parquet", "the handbook's data or `rlfa simulate --out`")
    names = set(pq.read_schema(path).names)
    for needed, reader in READERS.items():
        if needed in names:
            return reader(folder, label_delay_ms)
    raise RecordingError(str(path), sorted(names), f"a column {' or '.join(READERS)}")


def _handbook(folder: Path, label_delay_ms: int | None) -> Recording:
    if label_delay_ms is None:
        raise RecordingError(str(folder), "no labels and no label delay", "a delay such as 7d")
    raw = pq.read_table(folder / "transactions.parquet")
    time = HANDBOOK_START_MS + raw.column("TX_TIME_SECONDS").to_numpy().astype(np.int64) * 1000
    order = np.argsort(time, kind="stable")
    raw, time = raw.take(order), time[order]
    transactions = pa.table(
        {
            "TRANSACTION_ID": raw.column("TRANSACTION_ID").cast(pa.string()),
            "TX_TIME_MS": time,
            "CUSTOMER_ID": raw.column("CUSTOMER_ID").cast(pa.string()),
            "TERMINAL_ID": raw.column("TERMINAL_ID").cast(pa.string()),
            "TX_AMOUNT": raw.column("AMOUNT_CENTS").to_numpy() / 100,
        }
    )
    fraud = raw.column("TX_FRAUD").to_numpy() == 1
    labels = _late(transactions, fraud, label_delay_ms, time="TX_TIME_MS", key="CUSTOMER_ID")
    return Recording(transactions, labels, "TX_TIME_MS", "CUSTOMER_ID", HANDBOOK_SPEC)


def _simulated(folder: Path, label_delay_ms: int | None) -> Recording:
    transactions = pq.read_table(folder / "transactions.parquet")
    time, key = "event_time", "customer_id"
    if label_delay_ms is not None:
        fraud = transactions.column("is_fraud").to_numpy()
        labels = _late(transactions, fraud, label_delay_ms, time=time, key=key)
    else:
        labels = pq.read_table(folder / "labels.parquet")
    return Recording(transactions, labels, time, key, SIMULATOR_SPEC)


READERS: dict[str, Callable[[Path, int | None], Recording]] = {
    "TRANSACTION_ID": _handbook,
    "tx_id": _simulated,
}


def _late(transactions: pa.Table, fraud: NDArray[np.bool_], delay_ms: int, *, time: str, key: str) -> pa.Table:
    """A chargeback for each fraud, all after the same delay."""
    frauds = transactions.filter(pa.array(fraud))
    return pa.table(
        {
            "tx_id": frauds.column(0),
            "is_fraud": pa.repeat(True, len(frauds)),
            "event_time": pc.add(frauds.column(time), delay_ms),
            "source": pa.repeat("chargeback", len(frauds)),
            key: frauds.column(key),
        }
    )


def _part(table: pa.Table, edges: NDArray[np.intp], number: int) -> pa.Table:
    return table.slice(edges[number], edges[number + 1] - edges[number])


def _midnight(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * DAY_MS


def _date(time: int) -> str:
    return dt.datetime.fromtimestamp(time / 1000, dt.UTC).date().isoformat()

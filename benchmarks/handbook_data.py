"""The handbook's transactions and window features, through our own feature state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState

DAY_MS = 86_400_000
START_MS = 1_522_540_800_000  # 2018-04-01
LABEL_DELAY_DAYS = 7
BATCH = 2048
SPEC = WindowSpec(
    windows=("1d", "7d", "30d"),
    label_delay=f"{LABEL_DELAY_DAYS}d",
    entities={"customer": ("count", "mean"), "terminal": ("delayed_count", "fraud_share")},
)
ENTITIES = ("customer", "terminal")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in event-time order: id, event_time ms, day since the start, customer, terminal, amount, fraud."""

    tx: NDArray[np.int64]
    event_time: NDArray[np.int64]
    day: NDArray[np.int64]
    customer: NDArray[np.int64]
    terminal: NDArray[np.int64]
    amount: NDArray[np.float64]
    fraud: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tx)


def read(folder: Path) -> Table:
    """Everything, in the order of event time.

    Two payments of one customer within one second come in descending order of their ids: that is how the published
    features took the only such pair of their week.
    """
    table = pq.read_table(folder / "transactions.parquet")
    tx = table["TRANSACTION_ID"].to_numpy().astype(np.int64)
    event_time = table["TX_TIME_SECONDS"].to_numpy().astype(np.int64) * 1000 + START_MS
    order = np.lexsort((-tx, event_time))
    return Table(
        tx=tx[order],
        event_time=event_time[order],
        day=(event_time[order] - START_MS) // DAY_MS,
        customer=table["CUSTOMER_ID"].to_numpy().astype(np.int64)[order],
        terminal=table["TERMINAL_ID"].to_numpy().astype(np.int64)[order],
        amount=table["AMOUNT_CENTS"].to_numpy()[order] / 100,
        fraud=table["TX_FRAUD"].to_numpy().astype(bool)[order],
    )


def window_features(
    table: Table, spec: WindowSpec, until: int | None = None
) -> tuple[FeatureState, NDArray[np.float64]]:
    """The features of the first rows, each fraud known exactly `LABEL_DELAY_DAYS` after it happened.

    Args:
        table: rows.
        spec: windows.
        until: rows to go through; all when missing.

    Returns:
        The state after them, and float64[until, d].
    """
    n = len(table) if until is None else until
    state = FeatureState(spec, ENTITIES)
    entities = np.stack([table.customer, table.terminal], axis=1).astype(np.uint64) + np.uint64(1)
    ids = table.tx.astype(np.uint64) + np.uint64(1)
    frauds = np.flatnonzero(table.fraud)
    known_at = table.event_time[frauds] + LABEL_DELAY_DAYS * DAY_MS
    out = np.empty((n, len(state.names)))
    told = 0
    for begin in range(0, n, BATCH):
        rows = slice(begin, min(begin + BATCH, n))
        due = int(np.searchsorted(known_at, table.event_time[rows.stop - 1], side="right"))
        if due > told:
            new = frauds[told:due]
            state.label(ids[new], known_at[told:due], np.ones(len(new), np.bool_))
            told = due
        out[rows] = state.update(ids[rows], table.event_time[rows], table.amount[rows], entities[rows]).features
    return state, out


def model_inputs(table: Table, windows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Amount, weekend, night, and the window features: the published protocol's inputs, unscaled."""
    n = len(windows)
    weekend = (table.event_time[:n] // DAY_MS + 3) % 7 >= 5
    night = (table.event_time[:n] % DAY_MS) // 3_600_000 <= 6
    return np.column_stack([table.amount[:n], weekend, night, windows]).astype(np.float32)


def protocol(table: Table, train_from: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows of a training week, and those of the test week that begins 14 days after it did.

    Cards with a fraud in the training week, or more than the delay before a test day, are known by then and left out.

    Source: Fraud Detection Handbook, chapter 3, `get_train_test_set`.
    """
    test_from = train_from + 7 + LABEL_DELAY_DAYS
    train = (table.day >= train_from) & (table.day < train_from + 7)
    known = set(table.customer[train & table.fraud].tolist())
    test = np.zeros(len(table), np.bool_)
    for day in range(test_from, test_from + 7):
        known |= set(table.customer[(table.day == day - LABEL_DELAY_DAYS - 1) & table.fraud].tolist())
        test |= (table.day == day) & ~np.isin(table.customer, list(known))
    return train, test

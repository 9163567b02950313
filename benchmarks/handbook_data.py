"""The handbook's transactions and window features, through our own feature state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState, LabelEvents

DAY_MS = 86_400_000
START_MS = 1_522_540_800_000  # 2018-04-01
LABEL_DELAY_DAYS = 7
BATCH = 2048
LATENESS_MS = 8 * DAY_MS
CENT = 0.01
SPEC = WindowSpec(
    windows=("1d", "7d", "30d"),
    label_delay=f"{LABEL_DELAY_DAYS}d",
    entities={"customer": ("count", "mean"), "terminal": ("delayed_count", "fraud_share")},
)
EXTENDED = WindowSpec(
    windows=SPEC.windows,
    label_delay=SPEC.label_delay,
    entities={"customer": ("count", "mean"), "terminal": ("mean", "delayed_count", "fraud_share")},
)
ENTITIES = ("customer", "terminal")


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows as `FeatureState.update` takes them, in the order of event time."""

    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    entities: NDArray[np.uint64]
    labels: LabelEvents  # a fraud is known exactly `LABEL_DELAY_DAYS` after it happened

    def __len__(self) -> int:
        return len(self.tx_hash)


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


def read(path: Path, *, ties_as_published: bool = True) -> Table:
    """All rows; those of one customer within one second in the order of `published_order`, or of their ids."""
    table = pq.read_table(path)
    event_time = table["TX_TIME_SECONDS"].to_numpy().astype(np.int64) * 1000 + START_MS
    if ties_as_published:
        order = published_order(table["CUSTOMER_ID"].to_numpy(), event_time)
        table, event_time = table.take(order), event_time[order]
    return Table(
        tx=table["TRANSACTION_ID"].to_numpy().astype(np.int64),
        event_time=event_time,
        day=(event_time - START_MS) // DAY_MS,
        customer=table["CUSTOMER_ID"].to_numpy().astype(np.int64),
        terminal=table["TERMINAL_ID"].to_numpy().astype(np.int64),
        amount=table["AMOUNT_CENTS"].to_numpy() / 100,
        fraud=table["TX_FRAUD"].to_numpy().astype(bool),
    )


def published_order(customer: NDArray[np.int64], event_time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in order of time and id, but where one customer paid twice in a second as the published features took them.

    They were computed over each customer's rows after pandas' `sort_values("TX_DATETIME")`, a quicksort that may
    exchange rows of equal times: numpy's for datetimes leaves them in the same order. Two pairs of the published week
    are concerned, and one of them is exchanged.

    Source: Fraud Detection Handbook, chapter 3, `get_customer_spending_behaviour_features`.
    """
    order = np.arange(len(customer))
    by_customer = np.lexsort((order, customer))
    tied = (np.diff(customer[by_customer]) == 0) & (np.diff(event_time[by_customer]) == 0)
    for one in np.unique(customer[by_customer][1:][tied]):
        rows = np.flatnonzero(customer == one)
        order[rows] = rows[np.argsort(event_time[rows].view("M8[ms]"), kind="quicksort")]
    return order


def stream_of(table: Table) -> Stream:
    """The rows for the feature state, each fraud known exactly `LABEL_DELAY_DAYS` after it happened."""
    tx_hash = scattered(table.tx)
    known_at = table.event_time[table.fraud] + LABEL_DELAY_DAYS * DAY_MS
    return Stream(
        tx_hash=tx_hash,
        event_time=table.event_time,
        amount=table.amount,
        entities=np.column_stack([scattered(table.customer), scattered(table.terminal)]),
        labels=LabelEvents(tx_hash[table.fraud], known_at, np.ones(len(known_at), np.bool_)),
    )


def scattered(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Ids spread over 64 bits as the codec's hashes are, still one to one and never 0."""
    return (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1342543DE82EF95)


def window_features(stream: Stream, spec: WindowSpec, n: int) -> tuple[FeatureState, NDArray[np.float64]]:
    """The features of the first n rows, labels told with the batch in which they become known."""
    state = FeatureState(spec, ENTITIES, lateness_ms=LATENESS_MS)
    out = np.empty((n, len(state.names)))
    labels, told = stream.labels, 0
    for begin in range(0, n, BATCH):
        rows = slice(begin, min(begin + BATCH, n))
        due = int(np.searchsorted(labels.event_time, stream.event_time[rows.stop - 1], side="right"))
        new = LabelEvents(labels.tx_hash[told:due], labels.event_time[told:due], labels.is_fraud[told:due])
        told = due
        out[rows] = state.update(
            stream.tx_hash[rows], stream.event_time[rows], stream.amount[rows], stream.entities[rows], new
        ).features
    return state, out


def model_inputs(table: Table, windows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Amount, weekend, night, and the window features: the published protocol's inputs, unscaled."""
    n = len(windows)
    weekend = (table.event_time[:n] // DAY_MS + 3) % 7 >= 5
    night = (table.event_time[:n] % DAY_MS) // 3_600_000 <= 6
    return np.column_stack([table.amount[:n], weekend, night, windows]).astype(np.float32)


def derived(names: tuple[str, ...], x: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """What else the same windows say: the amount beside its usual, and how many of a terminal's frauds are how old.

    Args:
        names: of the columns, those of `EXTENDED` among them.
        x: float32[n, d].
    """

    def column(name: str) -> NDArray[np.float64]:
        return x[:, names.index(name)].astype(np.float64)

    seen = {w: column(f"terminal_delayed_count_{w}") for w in SPEC.windows}
    frauds = {w: seen[w] * column(f"terminal_fraud_share_{w}") for w in SPEC.windows}
    usual = ("customer_mean_7d", "customer_mean_30d", "terminal_mean_30d")
    return {
        **{f"amount_to_{mean}": column("amount") / np.maximum(column(mean), CENT) for mean in usual},
        "customer_count_1d_to_30d": column("customer_count_1d") / column("customer_count_30d"),
        **{f"terminal_frauds_{w}": frauds[w] for w in SPEC.windows},
        "terminal_fraud_share_before_7d": (frauds["30d"] - frauds["7d"]) / np.maximum(seen["30d"] - seen["7d"], 1.0),
    }


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

"""Are the windows exact, and how fast are they? Against the handbook's published features, on one core."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.handbook_data import BATCH, DAY_MS, ENTITIES, LABEL_DELAY_DAYS, SPEC, START_MS
from benchmarks.harness import Report, arguments, need_data
from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState, LabelEvents

PUBLISHED = "features_2018-08-08_2018-08-14.parquet"
OURS = {
    "CUSTOMER_ID_NB_TX": "customer_count",
    "CUSTOMER_ID_AVG_AMOUNT": "customer_mean",
    "TERMINAL_ID_NB_TX": "terminal_delayed_count",
    "TERMINAL_ID_RISK": "terminal_fraud_share",
}
LATENESS_MS = 8 * DAY_MS
RUNS = 5
WARM_UP_ROWS = 20_000


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


def main() -> None:
    args = arguments("features", __doc__ or "").parse_args()
    folder = need_data(args, "handbook")
    columns = ("windows", "features", "transactions", "transactions a second", "slowest of runs", "state MiB")
    report = Report("features", args, columns)
    stream = read(report.uses(folder / "transactions.parquet"))
    features, speed = timed(report, "handbook: 1d 7d 30d, delay 7d", stream, SPEC)
    timed(report, "default: 1h 1d 7d 30d, all aggregates", stream, WindowSpec())
    published = report.uses(folder / PUBLISHED)
    exact, means = differences(published, stream, features)
    report.notes |= {"batch": BATCH, "runs": RUNS, "differences in order of ids": in_order_of_ids(folder)}
    report.claim("largest difference of counts and shares", exact, "== 0")
    report.claim("largest difference of averages", means, "< 1e-9")
    report.claim("transactions a second", speed, ">= 200000")
    report.finish()


def read(path: Path, *, ties_as_published: bool = True) -> Stream:
    """All rows; those of one customer within one second in the order of `published_order`, or of their ids."""
    table = pq.read_table(path)
    event_time = table["TX_TIME_SECONDS"].to_numpy().astype(np.int64) * 1000 + START_MS
    if ties_as_published:
        table = table.take(published_order(table["CUSTOMER_ID"].to_numpy(), event_time))
    tx_hash = scattered(table["TRANSACTION_ID"].to_numpy())
    frauds = table["TX_FRAUD"].to_numpy().astype(bool)
    keys = [scattered(table[name].to_numpy()) for name in ("CUSTOMER_ID", "TERMINAL_ID")]
    known_at = event_time[frauds] + LABEL_DELAY_DAYS * DAY_MS
    return Stream(
        tx_hash=tx_hash,
        event_time=event_time,
        amount=table["AMOUNT_CENTS"].to_numpy() / 100,
        entities=np.column_stack(keys),
        labels=LabelEvents(tx_hash[frauds], known_at, np.ones(len(known_at), np.bool_)),
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


def timed(report: Report, name: str, stream: Stream, spec: WindowSpec) -> tuple[NDArray[np.float64], float]:
    """Run a few times after a warm-up, report the median speed, and hand back features and speed."""
    window_features(stream, spec, WARM_UP_ROWS)  # compiles the kernels, or loads them
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        state, features = window_features(stream, spec, len(stream))
        seconds.append(time.perf_counter() - begin)
    speed = len(stream) / float(np.median(seconds))
    report.row(
        **{
            "windows": name,
            "features": len(state.names),
            "transactions": len(stream),
            "transactions a second": speed,
            "slowest of runs": len(stream) / max(seconds),
            "state MiB": state.memory_bytes / 2**20,
        }
    )
    return features, speed


def in_order_of_ids(folder: Path) -> tuple[float, float]:
    """The differences when rows of equal times come in the order of their ids: two rows of the week, then."""
    stream = read(folder / "transactions.parquet", ties_as_published=False)
    return differences(folder / PUBLISHED, stream, window_features(stream, SPEC, len(stream))[1])


def differences(path: Path, stream: Stream, features: NDArray[np.float64]) -> tuple[float, float]:
    """Largest difference of counts and shares, and of averages, over the published week."""
    published = pq.read_table(path)
    names = FeatureState(SPEC, ENTITIES).names
    by_hash = np.argsort(stream.tx_hash)
    wanted = scattered(published["TRANSACTION_ID"].to_numpy())
    rows = by_hash[np.searchsorted(stream.tx_hash, wanted, sorter=by_hash)]
    exact, means, compared = 0.0, 0.0, 0
    for theirs in published.schema.names:
        for prefix, ours in OURS.items():
            if theirs.startswith(prefix):
                window = theirs.removeprefix(prefix + "_").removesuffix("DAY_WINDOW")
                column = features[rows, names.index(f"{ours}_{window}d")]
                largest = float(np.abs(column - published[theirs].to_numpy()).max())
                exact, means = (exact, max(means, largest)) if "AVG" in theirs else (max(exact, largest), means)
                compared += 1
    assert compared == len(names), "every feature has its published column"
    return exact, means


if __name__ == "__main__":
    main()

"""Are the windows exact, and how fast are they? Against the handbook's published features, on one core."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.handbook_data import BATCH, ENTITIES, SPEC, Stream, read, scattered, stream_of, window_features
from benchmarks.harness import Report, arguments, need_data
from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState

PUBLISHED = "features_2018-08-08_2018-08-14.parquet"
OURS = {
    "CUSTOMER_ID_NB_TX": "customer_count",
    "CUSTOMER_ID_AVG_AMOUNT": "customer_mean",
    "TERMINAL_ID_NB_TX": "terminal_delayed_count",
    "TERMINAL_ID_RISK": "terminal_fraud_share",
}
RUNS = 5
WARM_UP_ROWS = 20_000


def main() -> None:
    args = arguments("features", __doc__ or "").parse_args()
    folder = need_data(args, "handbook")
    columns = ("windows", "features", "transactions", "transactions a second", "slowest of runs", "state MiB")
    report = Report("features", args, columns)
    stream = stream_of(read(report.uses(folder / "transactions.parquet")))
    features, speed = timed(report, "handbook: 1d 7d 30d, delay 7d", stream, SPEC)
    timed(report, "default: 1h 1d 7d 30d, all aggregates", stream, WindowSpec())
    published = report.uses(folder / PUBLISHED)
    exact, means = differences(published, stream, features)
    report.notes |= {"batch": BATCH, "runs": RUNS, "differences in order of ids": in_order_of_ids(folder)}
    report.claim("largest difference of counts and shares", exact, "== 0")
    report.claim("largest difference of averages", means, "< 1e-9")
    report.claim("transactions a second", speed, ">= 200000")
    report.finish()


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
    stream = stream_of(read(folder / "transactions.parquet", ties_as_published=False))
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

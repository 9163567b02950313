"""Are the windows exact, and how fast are they? Against the handbook's published features, on one core."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.handbook_data import SPEC, Table, read, window_features
from benchmarks.harness import Report, arguments, need_data
from streams.features.spec import WindowSpec

PUBLISHED = "features_2018-08-08_2018-08-14.parquet"
OURS = {
    "CUSTOMER_ID_NB_TX": "customer_count",
    "CUSTOMER_ID_AVG_AMOUNT": "customer_mean",
    "TERMINAL_ID_NB_TX": "terminal_delayed_count",
    "TERMINAL_ID_RISK": "terminal_fraud_share",
}
WARM_UP_ROWS = 10_000


def main() -> None:
    args = arguments("features", __doc__ or "").parse_args()
    folder = need_data(args, "handbook")
    report = Report("features", args, ("windows", "features", "transactions", "transactions a second", "state MiB"))
    table = read(report.uses(folder / "transactions.parquet").parent)
    window_features(table, SPEC, WARM_UP_ROWS)  # compiles the kernels
    features = _timed(report, "handbook: 1d 7d 30d, delay 7d", table, SPEC)
    _timed(report, "default: 1h 1d 7d 30d, all aggregates", table, WindowSpec())
    exact, means = _differences(report.uses(folder / PUBLISHED), table, features)
    report.claim("largest difference of counts and shares", exact, "== 0")
    report.claim("largest difference of averages", means, "< 1e-9")
    report.claim("transactions a second", float(report.rows[0]["transactions a second"]), ">= 200000")  # type: ignore[arg-type]
    report.finish()


def _timed(report: Report, name: str, table: Table, spec: WindowSpec) -> np.ndarray:
    begin = time.perf_counter()
    state, features = window_features(table, spec)
    seconds = time.perf_counter() - begin
    report.row(
        **{
            "windows": name,
            "features": len(state.names),
            "transactions": len(table),
            "transactions a second": len(table) / seconds,
            "state MiB": state.memory_bytes / 2**20,
        }
    )
    return features


def _differences(path: Path, table: Table, features: np.ndarray) -> tuple[float, float]:
    """Largest difference of counts and shares, and of averages, over the published week."""
    published = pq.read_table(path)
    names = list(window_features(table, SPEC, 1)[0].names)
    place = np.full(int(table.tx.max()) + 1, -1)
    place[table.tx] = np.arange(len(table))
    rows = place[published["TRANSACTION_ID"].to_numpy()]
    exact, means = 0.0, 0.0
    for theirs in published.schema.names:
        for prefix, ours in OURS.items():
            if theirs.startswith(prefix):
                window = theirs.removeprefix(prefix + "_").removesuffix("DAY_WINDOW")
                column = features[rows, names.index(f"{ours}_{window}d")]
                largest = float(np.abs(column - published[theirs].to_numpy()).max())
                exact, means = (exact, max(means, largest)) if "AVG" in theirs else (max(exact, largest), means)
    return exact, means


if __name__ == "__main__":
    main()

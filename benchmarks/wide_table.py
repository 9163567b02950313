"""How long a wide table takes to become a spec and a history, and how much memory: mixed types, missing values.

`write_wide_table` makes it; other benchmarks call that too.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.harness import Report, arguments

ROWS, COLUMNS = 600_000, 400
CHUNK = 20_000  # rows
DAYS = 180
BEGIN_MS = 1_704_067_200_000  # 2024-01-01
DAY_MS = 86_400_000
FIXED = 6  # columns of their own: id, time, amount, customer, terminal, label
CUSTOMERS, TERMINALS = 20_000, 2_000
INFORMATIVE = 20  # numbers that know a little of the fraud


def write_wide_table(path: Path, *, rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> Path:
    """A table of payments with a chain of frauds on some customers, written as Parquet or CSV, by the path's suffix.

    Of the columns beside id, time, amount, customer, terminal and label, six in ten are floats, two whole numbers, one
    texts of 5 to 500 values, one flags; a tenth of all values is missing. The first few floats know a little of the
    fraud, and change what they know after half of the days.

    Args:
        path: to write.
        rows: of the table.
        columns: of the table, the label among them.
        seed: the same seed gives the same table.

    Returns:
        The path.
    """
    chunks = _chunks(rows, columns, seed)
    first = next(chunks)
    is_csv = path.suffix == ".csv"
    writer = pa_csv.CSVWriter(path, first.schema) if is_csv else pq.ParquetWriter(path, first.schema)
    with writer:
        writer.write_batch(first)
        for chunk in chunks:
            writer.write_batch(chunk)
    return path


def _chunks(rows: int, columns: int, seed: int) -> Iterator[pa.RecordBatch]:
    for begin in range(0, rows, CHUNK):
        n = min(CHUNK, rows - begin)
        random = np.random.default_rng([seed, begin])
        time_ms = BEGIN_MS + np.sort(
            random.integers(begin * DAYS * DAY_MS // rows, (begin + n) * DAYS * DAY_MS // rows, n)
        )
        customer = random.integers(0, CUSTOMERS, n)
        # A twentieth of the customers are robbed, each in three weeks of its own.
        robbed = (customer % 20 == 0) & ((time_ms - BEGIN_MS) // (21 * DAY_MS) == customer // 20 % 9)
        fraud = random.random(n) < np.where(robbed, 0.8, 0.001)
        fields = {
            "transaction_id": pa.array(np.arange(begin, begin + n)).cast(pa.string()),
            "event_time": pa.array(time_ms, pa.timestamp("ms")),
            "amount": pa.array(np.round(random.lognormal(3 + fraud, 1), 2)),
            "customer_id": pa.array(customer),
            "terminal_id": pa.array(random.integers(0, TERMINALS, n)),
            "is_fraud": pa.array(fraud.astype(np.int8)),
        }
        late = time_ms - BEGIN_MS > DAYS * DAY_MS // 2
        for j in range(columns - FIXED):
            fields[f"{KINDS[j % len(KINDS)]}_{j}"] = _column(random, j, n, fraud, late)
        yield pa.RecordBatch.from_pydict(fields)


KINDS = ("float", "float", "float", "whole", "float", "text", "float", "whole", "float", "flag")


def _column(random: np.random.Generator, j: int, n: int, fraud: np.ndarray, late: np.ndarray) -> pa.Array:
    missing = random.random(n) < 0.1
    match KINDS[j % len(KINDS)]:
        case "float":
            values = random.standard_normal(n, np.float32)
            if j < INFORMATIVE:
                values += np.where(fraud & (late == (j % 2 == 1)), np.float32(0.8), np.float32(0))
            return pa.array(values, mask=missing)
        case "whole":
            return pa.array(random.poisson(1 + j % 50, n).astype(np.int32), mask=missing)
        case "text":
            words = pa.array([f"v{k}" for k in range(5 + (j * 37) % 496)])
            places = pa.array(random.integers(0, len(words), n), mask=missing)
            return words.take(places)
        case _:
            return pa.array(random.random(n) < 0.3, mask=missing)


def _alone(what: Callable[[Path, str], object], path: Path, text: str) -> tuple[object, float, float]:
    """What a step gives, its seconds, and the peak memory of a fresh process that did it, in GiB."""
    with mp.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (what, path, text))


def _measured(what: Callable[[Path, str], object], path: Path, text: str) -> tuple[object, float, float]:
    pa.set_cpu_count(2)
    begin = time.perf_counter()
    found = what(path, text)
    return found, time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def inferred(path: Path, _: str) -> str:
    from streams.infer import Answers, infer, toml_of

    return toml_of(infer(path, Answers()))


def read(path: Path, spec: str) -> tuple[int, int]:
    from streams.spec import parse_spec
    from streams.tables import read_history

    rows, columns = read_history(path, parse_spec(spec, "inferred")).raw.shape
    return rows, columns


def _options() -> argparse.Namespace:
    parser = arguments("wide_table", __doc__ or "")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--csv", action="store_true", help="also as CSV, which is four times as large")
    return parser.parse_args()


def main() -> None:
    args = _options()
    report = Report("wide_table", args, ("file", "step", "seconds", "peak GiB", "file GiB"))
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("parquet", "csv") if args.csv else ("parquet",):
            path = write_wide_table(
                Path(folder) / f"wide.{suffix}", rows=args.rows, columns=args.columns, seed=args.seed
            )
            size = path.stat().st_size / 2**30
            spec, seconds, peak = _alone(inferred, path, "")
            report.row(**{"file": suffix, "step": "infer", "seconds": seconds, "peak GiB": peak, "file GiB": size})
            shape, seconds_read, peak_read = _alone(read, path, str(spec))
            report.row(
                **{"file": suffix, "step": "read", "seconds": seconds_read, "peak GiB": peak_read, "file GiB": size}
            )
            report.notes[f"{suffix} rows and features"] = shape
            report.claim(f"minutes to infer and read {suffix}", (seconds + seconds_read) / 60, "<= 5")
            report.claim(f"peak GiB, {suffix}", max(peak, peak_read), "<= 4")
            path.unlink()
    report.finish()


if __name__ == "__main__":
    main()

"""How fast a portfolio is simulated on one core, and whether a seed gives the same files twice."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow as pa

from benchmarks.harness import Report, arguments
from streams.replay import Topics, in_event_time_order, publish
from streams.synthetic import DEMO_DAYS, Scenario, Simulator, demo_scenario, write_parquet
from streams.synthetic.messages import chunks

RUNS = 5
SIZES = {"demo, 6,000 a day": (demo_scenario(), DEMO_DAYS), "500,000 a day": (Scenario().scaled(500_000), 2)}


class Nowhere:
    """A producer that takes messages and drops them."""

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        """Take one."""

    def flush(self) -> None:
        """Nothing waits."""


def columns(scenario: Scenario, seed: int, days: int) -> int:
    return sum(day.transactions.num_rows for day in Simulator(scenario, seed).days(0, days))


def messages(scenario: Scenario, seed: int, days: int) -> int:
    stretches = in_event_time_order(chunks(Simulator(scenario, seed), 0, days))
    return publish(stretches, Nowhere(), Topics()).transactions


def checksum(scenario: Scenario, seed: int, days: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        paths = write_parquet(Simulator(scenario, seed).days(0, days), Path(folder))
        return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def speeds(make: Callable[[Scenario, int, int], int], scenario: Scenario, seed: int, days: int) -> list[float]:
    make(scenario, seed, 1)  # warm-up
    found = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        rows = make(scenario, seed, days)
        found.append(rows / (time.perf_counter() - begin))
    return sorted(found)


def main() -> None:
    args = arguments("simulator", __doc__ or "").parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    report = Report("simulator", args, ("size", "what", "transactions/s", "slowest", "fastest"))
    slowest = []
    for size, (scenario, days) in SIZES.items():
        for what, make in (("columns", columns), ("messages, encoded and merged", messages)):
            found = speeds(make, scenario, args.seed, days)
            report.row(
                **{
                    "size": size,
                    "what": what,
                    "transactions/s": median(found),
                    "slowest": found[0],
                    "fastest": found[-1],
                }
            )
            slowest += [median(found)] if make is columns else []
    report.claim("transactions generated a second, one core", min(slowest), ">= 200000")
    first, second = (checksum(demo_scenario(), args.seed, 20) for _ in range(2))
    report.notes["sha256"] = first
    report.claim("two runs with a seed give the same Parquet files", float(first == second), "== 1")
    report.finish()


if __name__ == "__main__":
    main()

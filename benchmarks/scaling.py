"""The same stream on 1, 2, 4 and 8 lanes: the same decisions, and the work that each transaction takes.

The simulator's transactions and labels lie in the topics, eight partitions each, before anything starts. One lane alone
keeps all windows itself; several share the terminals' by shards. All read in the order of the records' timestamps. Work
is processor time of lanes and shards, from the first decisions to the last, the broker's and the manager's left out.
The alert budget isn't enforced: lanes share its hard stop by their partitions, so that on a day that meets the stop the
alerts would depend on the number of lanes. The manager is stopped at the begin: epochs would come when they come.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.harness import Report, arguments
from benchmarks.serving.brokers import broker_arguments, broker_of
from benchmarks.serving.service import trained
from rlfa.cluster import RunningService, cluster, start_service
from rlfa.config import Service
from rlfa.metrics.reports import LaneReport
from rlfa.telemetry import configure_logs
from streams.kafka.audit import read_values
from streams.kafka.embedded import ApacheKafka, EmbeddedBroker
from streams.kafka.producer import Producer
from streams.synthetic import DEMO_HISTORY_DAYS, Simulator, demo_scenario
from streams.synthetic.messages import chunks

LANES = (1, 2, 4, 8)
PARTITIONS = 8
BEYOND = (8, 64, 512)  # cores
SETTINGS = {
    "in_order": True,
    "in_order_wait_s": 60,
    "shard_wait_s": 120,
    "turn_limit_s": 240,
    "snapshot_every_s": 3600,
    "latency_target_ms": 1000,
}
MORE = f"partitions = {PARTITIONS}\n\n[free_agency.alerts]\nenforced = false\n"
COLUMNS = ("lanes", "shards", "transactions", "a second", "µs of work each", "of one lane's", "different decisions")
SCORE_OFF = 1e-6
DAY_MS = 86_400_000
SQUEEZED = 100


class Decided(msgspec.Struct, frozen=True):
    """What is compared of a decision."""

    tx_id: str
    score: float
    action: str
    propensity: float


def main() -> None:
    parser = arguments("scaling", __doc__ or "")
    broker_arguments(parser)
    parser.add_argument("--lanes", type=int, nargs="+", default=LANES)
    parser.add_argument("--per-day", type=int, default=20_000, help="transactions a day of the simulator")
    parser.add_argument("--days", type=int, default=6)
    args = parser.parse_args()
    configure_logs("error")
    report = Report("scaling", args, COLUMNS)
    with tempfile.TemporaryDirectory() as scratch, broker_of(args, Path(scratch)) as broker:
        run(report, args, Path(scratch) / "services", broker)
    report.finish()


def run(report: Report, args: argparse.Namespace, work: Path, broker: EmbeddedBroker | ApacheKafka) -> None:
    """A row for each number of lanes, the claims, and what more cores would do."""
    ready = trained(work / "trained", broker.bootstrap_servers, args.seed, args.per_day)
    shutil.rmtree(ready.folder / "state" / "snapshots")  # cold windows: history's were made for one lane
    simulator = Simulator(demo_scenario().scaled(args.per_day), args.seed)
    runs: list[Run] = []
    for lanes in args.lanes:
        settings = SETTINGS | {"count": lanes, "shards": shards_of(lanes)}
        service = ready.copied(f"lanes-{lanes}", broker.bootstrap_servers, settings, MORE)
        publish(service, simulator, args.days, time.time_ns() // 1_000_000)
        runs.append(played(service, lanes))
        one, this = runs[0], runs[-1]
        report.row(
            **{
                "lanes": lanes,
                "shards": shards_of(lanes),
                "transactions": len(this.decided),
                "a second": this.per_second,
                "µs of work each": this.work_us,
                "of one lane's": this.work_us / one.work_us,
                "different decisions": different(one.decided, this.decided),
            }
        )
    report.claim("decisions that differ", sum(different(runs[0].decided, run.decided) for run in runs), "== 0")
    most = max(run.work_us for run in runs) / runs[0].work_us
    report.claim("work of a transaction, of the worst number of lanes to one lane's", most, "<= 1.15")
    beyond(report, runs)


@dataclass(frozen=True, slots=True)
class Run:
    """One number of lanes.

    Attributes:
        lanes: so many.
        per_second: transactions decided a second.
        work_us: processor time of lanes and shards for a transaction, in microseconds.
        decided: every decision.
    """

    lanes: int
    per_second: float
    work_us: float
    decided: dict[str, Decided]


def shards_of(lanes: int) -> int:
    """One lane keeps everything itself; of more, each two share one."""
    return 0 if lanes == 1 else lanes // 2


def publish(service: Service, simulator: Simulator, days: int, now_ms: int) -> None:
    """Days of the stream, with timestamps in the order of their events that no broker finds too old to keep."""
    producer, topics = Producer(service.settings.kafka), service.settings.topics
    end = simulator.scenario.start_ms + (DEMO_HISTORY_DAYS + days + 60) * DAY_MS  # labels come weeks later
    for chunk in chunks(simulator, DEMO_HISTORY_DAYS, DEMO_HISTORY_DAYS + days):
        for topic, messages in ((topics.transactions, chunk.transactions), (topics.labels, chunk.labels)):
            for at, key, value in zip(messages.time.tolist(), messages.key, messages.value, strict=True):
                producer.produce(topic, key, value, timestamp=now_ms - (end - at) // SQUEEZED)
    producer.flush()
    producer.close()


def played(service: Service, lanes: int) -> Run:
    """Work the waiting records off; measured from the first quarter on."""
    kafka, topics = service.settings.kafka, service.settings.topics
    total = sum(1 for _ in read_values(kafka, topics.transactions))
    with cluster(service.state):
        running = start_service(service)
        try:
            running.manager.stop.remote()
            begin = standing_after(running, total // 4)
            end = standing_after(running, total)
        finally:
            running.stop()
    decisions = [msgspec.json.decode(value, type=Decided) for value in read_values(kafka, topics.decisions)]
    decided = {decision.tx_id: decision for decision in decisions}
    assert len(decided) == len(decisions) == total, (len(decided), len(decisions), total)
    count = end.decided - begin.decided
    return Run(lanes, count / (end.at_s - begin.at_s), (end.cpu_s - begin.cpu_s) / count * 1e6, decided)


class Standing(NamedTuple):
    """How far a service has come."""

    decided: int
    at_s: float
    cpu_s: float


def standing_after(running: RunningService, decided: int) -> Standing:
    """Once so many are decided."""
    while True:
        failure = running.failure()
        assert failure is None, failure
        reports = running.reports(wait_s=30.0)
        found = sum(lane.status.decided for lane in reports.lanes.values() if lane and lane.status)
        if found >= decided:
            everybody = [*reports.lanes.values(), *reports.others.values()]
            spent = [r.process if isinstance(r, LaneReport) else r for r in everybody]
            return Standing(found, time.monotonic(), sum(process.cpu_seconds for process in spent if process))
        time.sleep(0.2)


def different(one: Mapping[str, Decided], other: Mapping[str, Decided]) -> int:
    """Decisions that aren't the same: the action, its propensity, or the score beyond float32's rounding of batches."""
    return len(one.keys() ^ other.keys()) + sum(
        (mine.action, mine.propensity) != (other[tx].action, other[tx].propensity)
        or abs(mine.score - other[tx].score) > SCORE_OFF
        for tx, mine in one.items()
        if tx in other
    )


def beyond(report: Report, runs: Sequence[Run]) -> None:
    """A line through the work at several lanes, over the shards that each batch asks."""
    several = [run for run in runs if run.lanes > 1]
    if len(several) < 2:
        return
    shards = np.array([shards_of(run.lanes) for run in several], float)
    per_shard, base = np.polyfit(shards, [run.work_us for run in several], 1)
    section = report.section("what more cores would do", ("cores", "lanes", "shards", "µs of work each", "a second"))
    for cores in BEYOND:
        lanes = max(2, cores * 2 // 3)
        work_us = base + max(per_shard, 0.0) * shards_of(lanes)
        section.row(
            **{
                "cores": cores,
                "lanes": lanes,
                "shards": shards_of(lanes),
                "µs of work each": work_us,
                "a second": cores / work_us * 1e6,
            }
        )
    report.notes |= {
        "model": f"work = {base:.1f} us + {max(per_shard, 0.0):.2f} us a shard, the line through the rows above; cores "
        "are busy with nothing else, keys spread evenly, batches stay as large, and the broker keeps up"
    }


if __name__ == "__main__":
    main()

"""How long a decision takes: open loop, from the broker's timestamp of a transaction to a reader that holds the answer.

Arrivals don't wait for answers. The reader is `read_committed`, as whoever acts on decisions must be. Each mode runs
at several rates with nothing beside it, and then once more at 1,000/s while something else goes on: swaps, snapshots,
the outcome log of a whole day, trainings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil

from benchmarks.harness import RESULTS, Report, arguments
from benchmarks.serving.brokers import broker_arguments, broker_of
from benchmarks.serving.load import Heard, Load, offer, records
from benchmarks.serving.service import DAY_MS, KEY, Trained, trained
from rlfa.cluster import RunningService, cluster
from rlfa.config import Service
from rlfa.lineup.plan import Plan, read_plan
from rlfa.lineup.slots import AgentId, Epoch
from rlfa.outcomes import log
from rlfa.trainers.orders import Order, fulfil
from streams.kafka.producer import Producer

MODES: dict[str, dict[str, object]] = {
    "exactly-once": {"delivery": "exactly-once"},
    "at-least-once": {"delivery": "at-least-once", "commit_interval_ms": 100},
}
BESIDE_RATE = 1_000
WARM_UP_S = 15.0  # a broker on a JVM is slow until it has compiled what it does
CHUNK = 20_000  # of a burst, made and sent at once
BURST_LIMIT_S = 1200.0
SWAP_EVERY_S = 2.0
SNAPSHOT_EVERY_S = 2.0
WANTED = {("at-least-once", 1_000): 20, ("exactly-once", 1_000): 30, ("exactly-once", 5_000): 60}  # p99, ms
COLUMNS = ("broker", "delivery", "per second", "beside it", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "sent", "decided")


@dataclass(slots=True)
class Stream:
    """One service's stream: loads after one another, on an event clock that goes on."""

    trained: Trained
    service: Service
    clock: int
    loads: int = 0

    def offer(
        self,
        rate: int,
        seconds: float,
        meanwhile: Callable[[float], None] = lambda _seconds: None,
        jumps_ms: tuple[tuple[float, int], ...] = (),
    ) -> Heard:
        """One load, from warm-up to its last decision."""
        self.loads += 1
        load = Load(f"x{self.loads}", rate, seconds, self.clock, jumps_ms)
        self.clock = load.last_time
        topics = self.service.settings.topics
        messages = records(self.trained.samples, load, KEY)
        names = (topics.transactions, topics.decisions)
        return offer(self.service.settings.kafka, names, load, messages, lambda: meanwhile(seconds))


def swaps(running: RunningService, plan: Plan, seconds: float) -> None:
    """A new incumbent in the first slot every two seconds, its weights loaded from the disk each time."""
    end, epoch = time.monotonic() + seconds - SWAP_EVERY_S, plan.lineup.epoch
    while time.monotonic() < end:
        time.sleep(SWAP_EVERY_S)
        epoch = Epoch(epoch + 1)
        for lane in running.lanes:
            lane.set_plan.remote(_with_another_incumbent(plan, epoch))


def _with_another_incumbent(plan: Plan, epoch: Epoch) -> Plan:
    first, *rest = plan.lineup.slots
    ref = next(ref for ref in plan.refs if ref.id == first.incumbent)
    another = AgentId(f"{first.incumbent}-{epoch}")
    slots = (msgspec.structs.replace(first, incumbent=another), *rest)
    lineup = msgspec.structs.replace(plan.lineup, epoch=epoch, slots=slots)
    return Plan(lineup=lineup, refs=(*plan.refs, msgspec.structs.replace(ref, id=another)), rules=plan.rules)


def trainings(service: Service, plan: Plan, seconds: float) -> None:
    """One training after another, as the manager orders them, until the time is up."""
    slot = plan.lineup.slots[0]
    family = service.settings.slots[slot.id]
    order = Order(
        request="latency/training",
        slot=slot.id,
        family=family,
        genome=service.settings.genomes[family],
        incumbent=next(ref for ref in plan.refs if ref.id == slot.incumbent),
        days=tuple(log.closed_days(service.outcomes)),
    )
    training = get_context("spawn").Process(target=_train_on_and_on, args=(service, order), daemon=True)
    training.start()
    training.join(seconds)
    training.kill()


def _train_on_and_on(service: Service, order: Order) -> None:
    os.nice(type(service.settings.trainers)().niceness)  # the demo's own is for its few minutes
    while True:
        fulfil(service, order)


def main() -> None:
    parser = arguments("latency", __doc__)
    broker_arguments(parser)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row")
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000, 5_000])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--alone", action="store_true", help="without the rows of what else goes on")
    parser.add_argument("--burst", type=int, default=2_000_000, help="transactions that wait at the start; 0 for none")
    parser.add_argument("--transactions-per-day", type=int, default=6_000, help="of the history")
    args = parser.parse_args()
    if args.broker == "kafka" and args.json is None:
        args.json = RESULTS / "latency_kafka.json"
    report = Report("latency", args, COLUMNS)
    with TemporaryDirectory() as scratch, broker_of(args, Path(scratch)) as broker:
        servers = broker.bootstrap_servers
        begun = trained(Path(scratch) / "trained", servers, args.seed, args.transactions_per_day)
        with cluster(Path(scratch)):
            for mode in args.modes:
                _measure(report, begun, servers, mode)
            if args.burst:
                _burst(report, begun, servers, args.burst)
    report.finish()


def _measure(report: Report, begun: Trained, servers: str, mode: str) -> None:
    args = report.args
    with begun.started(f"{mode}-alone", servers, MODES[mode]) as (service, running):
        stream = Stream(begun, service, begun.begins_at)
        stream.offer(BESIDE_RATE, WARM_UP_S)
        for rate in args.rates:
            _row(report, mode, rate, "", stream.offer(rate, args.seconds))
        if args.alone:
            return
        plan = read_plan(service.lineup_file)
        beside: dict[str, Callable[[float], None]] = {
            "a swap every 2 s": partial(swaps, running, plan),
            "trainings": partial(trainings, service, plan),
        }
        for name, disturb in beside.items():
            _row(report, mode, BESIDE_RATE, name, stream.offer(BESIDE_RATE, args.seconds, disturb))
        days = service.spec.label_delay_ms + DAY_MS
        _row(
            report, mode, BESIDE_RATE, "outcome log of a day",
            stream.offer(BESIDE_RATE, args.seconds, jumps_ms=((0.25, days),)),
        )  # fmt: skip
    lanes = MODES[mode] | {"snapshot_every_s": SNAPSHOT_EVERY_S}
    with begun.started(f"{mode}-snapshots", servers, lanes) as (service, _):
        stream = Stream(begun, service, begun.begins_at)
        stream.offer(BESIDE_RATE, WARM_UP_S)
        _row(report, mode, BESIDE_RATE, "a snapshot every 2 s", stream.offer(BESIDE_RATE, args.seconds))


def _burst(report: Report, begun: Trained, servers: str, count: int) -> None:
    """So many transactions wait when the service starts; how fast they are worked off, and in how much memory."""
    section = report.section("a burst that waits", ("waiting", "decided", "seconds", "per second", "lane's peak MiB"))

    def publish(service: Service) -> None:
        producer = Producer(service.settings.kafka)
        for first in range(0, count, CHUNK):
            load = Load(f"w{first}", CHUNK, min(CHUNK, count - first) / CHUNK, begun.begins_at + first)
            for key, value in records(begun.samples, load, KEY):
                producer.produce(service.settings.topics.transactions, key, value)
        producer.flush()
        producer.close()

    with begun.started("burst", servers, MODES["exactly-once"], publish) as (_, running):
        first = began = time.monotonic()
        decided = 0
        while decided < count and time.monotonic() - began < BURST_LIMIT_S:
            time.sleep(0.1)
            decided = sum(status.decided for status in running.statuses() if status)
            first = first if decided else time.monotonic()
        took = time.monotonic() - first
        peak = _lanes_peak_mib()
    cells: dict[str, object] = {"waiting": count, "decided": decided, "seconds": took, "per second": decided / took}
    section.row(**cells, **{"lane's peak MiB": peak})
    report.claim(f"{report.args.broker}: burst, transactions without a decision", count - decided, "== 0")


def _lanes_peak_mib() -> float:
    """The largest resident memory that a lane's process has had."""
    peaks = [0.0]
    for process in psutil.Process().children(recursive=True):
        if "LaneActor" in process.name() or any("LaneActor" in part for part in process.cmdline()):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    return max(peaks)


def _row(report: Report, mode: str, rate: int, beside: str, heard: Heard) -> None:
    p50, p99, p999, most = (heard.percentile(q) for q in (50, 99, 99.9, 100))
    figures = {"p50 ms": p50, "p99 ms": p99, "p99.9 ms": p999, "max ms": most}
    cells = {"broker": report.args.broker, "delivery": mode, "per second": rate, "beside it": beside}
    report.row(**cells, **figures, sent=heard.sent, decided=heard.decisions)
    name = f"{report.args.broker}, {mode}, {rate:,}/s{', ' if beside else ''}{beside}"
    if (mode, rate) in WANTED:
        report.claim(f"{name}: p99 ms", p99, f"<= {WANTED[mode, rate]}")
    report.claim(f"{name}: transactions without a decision", heard.sent - heard.decisions, "== 0")


if __name__ == "__main__":
    main()

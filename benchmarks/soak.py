"""Does anything grow? A service under a steady load for half an hour, with a swap every minute.

Event time runs so much faster than the wall clock that transactions leave the windows, and days are closed, from the
first third of the run on; the last third is then set beside the one before it. Memory is that of the lane's and of the
manager's process; what the ledger takes on disk grows by its entries, and only by these.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import msgspec
import psutil

from agents.genome import Genome
from benchmarks.harness import Report, arguments
from benchmarks.serving.brokers import broker_arguments, broker_of
from benchmarks.serving.service import DAY_MS, KEY, Trained, trained
from rlfa.cluster import RunningService, cluster
from rlfa.config import Service
from rlfa.free_agency.manual import Command, Verb
from rlfa.lineup.plan import read_plan
from rlfa.lineup.slots import AgentId, SlotId
from rlfa.outcomes import log
from rlfa.store.agents import Agents
from rlfa.store.commands import Commands
from rlfa.store.database import Store
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.training import keep, train_on
from streams.codec import categorical_features
from streams.durations import parse_duration
from streams.kafka.producer import Producer
from streams.spec import StreamSpec

THIRDS = ("first", "second", "last")
PER_DAY = 1_500  # of the history
SWAPS = 30  # in the run: one a minute in half an hour
FILLED_AT = 0.25  # of the run: the windows are full, and hold as much as they ever will
FRAUD_EVERY = 40
LABEL_DELAY_MS = DAY_MS
TICK_S = 0.02
LOOK_EVERY_S = 1.0
GROWTH_MAX = 0.02
CALM_SHARE = 0.1  # of a second's transactions: by so much the lag may differ
COLUMNS = (
    "third", "seconds", "lane MiB", "manager MiB", "lane files", "manager files", "database files", "database KiB",
    "lag", "lag max", "days closed", "swaps",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """One second of the run."""

    at_s: float
    lane_mib: float
    manager_mib: float
    lane_files: int
    manager_files: int
    database_files: int
    database_kib: float
    lag: int
    day: int
    epoch: int


@dataclass(slots=True)
class Load:
    """A steady stream on an event clock of its own, with a label for some transactions a day of event time later.

    Args:
        service: where to.
        begun: whose transactions are sent again and again, with ids and times of their own.
        rate: transactions a second.
        speed: event time against the wall clock.
    """

    service: Service
    begun: Trained
    rate: float
    speed: float
    sent: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Send until stopped."""
        producer, topics = Producer(self.service.settings.kafka), self.service.settings.topics
        encode, due = msgspec.json.Encoder().encode, deque[tuple[int, bytes, str]]()
        began = time.monotonic()
        while not self.stopped.wait(TICK_S):
            elapsed = time.monotonic() - began
            for number in range(self.sent, int(elapsed * self.rate)):
                now = self.begun.begins_at + int(number / self.rate * 1000 * self.speed)
                sample = self.begun.samples[number % len(self.begun.samples)]
                key, tx_id = str(sample[KEY]).encode(), f"soak-{number}"
                producer.produce(topics.transactions, key, encode(sample | {"tx_id": tx_id, "event_time": now}))
                if number % FRAUD_EVERY == 0:
                    due.append((now + LABEL_DELAY_MS, key, tx_id))
                while due and due[0][0] <= now:
                    known, key, tx_id = due.popleft()
                    label = {"tx_id": tx_id, "is_fraud": True, "event_time": known, "source": "analyst"}
                    producer.produce(topics.labels, key, encode(label))
            self.sent = max(self.sent, int(elapsed * self.rate))
        producer.flush()
        producer.close()


def main() -> None:
    parser = arguments("soak", __doc__ or "")
    broker_arguments(parser)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=300.0, help="transactions a second")
    args = parser.parse_args()
    with TemporaryDirectory() as scratch, broker_of(args, Path(scratch)) as broker:
        begun = trained(Path(scratch) / "trained", broker.bootstrap_servers, args.seed, PER_DAY)
        with cluster(Path(scratch)), begun.started("soak", broker.bootstrap_servers, {}) as (service, running):
            looks = _run(args, service, running, begun)
    _report(args, looks)


def _run(args: argparse.Namespace, service: Service, running: RunningService, begun: Trained) -> list[Look]:
    seconds = args.minutes * 60
    load = Load(service, begun, args.rate, _horizon_ms(service.spec) / (1000 * seconds * FILLED_AT))
    sender = threading.Thread(target=load.run, daemon=True)
    looks: list[Look] = []
    slot = read_plan(service.lineup_file).lineup.slots[0]
    pair = (_newcomer(service, slot.id), slot.incumbent)
    _ask(service, "sign", slot.id, pair[0])
    sender.start()
    began, swaps = time.monotonic(), 0
    while (at := time.monotonic() - began) < seconds:
        if failure := running.failure():
            raise RuntimeError(failure)
        if at > (swaps + 1) * seconds / (SWAPS + 1):
            _ask(service, "promote", slot.id, pair[swaps % 2])
            swaps += 1
        looks += _look(at, service, running, load)
        time.sleep(max(0.0, LOOK_EVERY_S - (time.monotonic() - began - at)))
    load.stopped.set()
    sender.join()
    return looks


def _look(at: float, service: Service, running: RunningService, load: Load) -> Iterator[Look]:
    """What the processes hold now; nothing while one of them doesn't answer."""
    import ray  # after `rlfa.cluster`, whose settings Ray reads when it is imported

    lane_status, manager_status = running.statuses()[0], running.manager_status()
    if lane_status is None or manager_status is None:
        return
    lane, manager = (psutil.Process(ray.get(actor.pid.remote())) for actor in (running.lanes[0], running.manager))
    database = service.state / "rlfa.db"
    yield Look(
        at_s=at,
        lane_mib=lane.memory_info().rss / 2**20,
        manager_mib=manager.memory_info().rss / 2**20,
        lane_files=lane.num_fds(),
        manager_files=manager.num_fds(),
        database_files=sum(Path(f.path).name.startswith(database.name) for f in manager.open_files()),
        database_kib=sum(f.stat().st_size for f in database.parent.glob(f"{database.name}*")) / 2**10,
        lag=load.sent - lane_status.decided - sum(lane_status.dead_letters.values()),
        day=manager_status.day,
        epoch=manager_status.epoch,
    )


def _horizon_ms(spec: StreamSpec) -> int:
    """Event time after which a transaction is out of the feature state."""
    longest = max(parse_duration(window) for window in spec.windows.windows)
    return longest + spec.label_delay_ms + spec.lateness_max_ms + spec.ahead_max_ms


def _newcomer(service: Service, slot: SlotId) -> AgentId:
    """Another agent for a slot, in the store."""
    genome = Genome(expert="logistic", experts=2, epochs_max=1, genuine_per_fraud=5, seed=9)
    days, categorical = log.closed_days(service.outcomes), categorical_features(service.spec)
    ref = keep(
        train_on(service.outcomes, days, genome, categorical, service.settings.free_agency.costs), service.agents
    )
    store = Store.open(service.database)
    with store.transaction() as session:
        Agents(session).add(stored(ref, service.settings.slots[slot], 1))
    store.close()
    return ref.id


def _ask(service: Service, verb: Verb, slot: SlotId, agent: AgentId) -> None:
    store = Store.open(service.database)
    with store.transaction() as session:
        command = Command(id=0, verb=verb, by="soak", why="a swap every minute", slot=slot, agent=agent)
        Commands(session).add(command, time.time_ns() // 1_000_000)
    store.close()


def _report(args: argparse.Namespace, looks: list[Look]) -> None:
    report = Report("soak", args, COLUMNS)
    third_s = args.minutes * 20
    thirds = [[look for look in looks if i * third_s <= look.at_s < (i + 1) * third_s] for i in range(3)]
    for name, mine in zip(THIRDS, thirds, strict=True):
        report.row(
            third=name,
            seconds=third_s,
            lag=median(look.lag for look in mine),
            swaps=mine[-1].epoch - mine[0].epoch,
            **{
                "lane MiB": fmean(look.lane_mib for look in mine),
                "manager MiB": fmean(look.manager_mib for look in mine),
                "lane files": max(look.lane_files for look in mine),
                "manager files": max(look.manager_files for look in mine),
                "database files": max(look.database_files for look in mine),
                "database KiB": mine[-1].database_kib,
                "lag max": max(look.lag for look in mine),
                "days closed": mine[-1].day - mine[0].day,
            },
        )
    _, before, last = report.rows
    for process in ("lane", "manager"):
        growth = float(str(last[f"{process} MiB"])) / float(str(before[f"{process} MiB"])) - 1
        report.claim(f"memory of the {process}, last third over the one before, growth", growth, f"<= {GROWTH_MAX}")
    for what in ("lane files", "manager files", "database files"):
        report.claim(f"{what}, more in the last third", int(str(last[what])) - int(str(before[what])), "<= 0")
    more = float(str(last["lag"])) - float(str(before["lag"]))
    report.claim("lag, more in the last third, transactions", more, f"<= {CALM_SHARE * args.rate:g}")
    report.claim("swaps", looks[-1].epoch - looks[0].epoch, f">= {SWAPS - 2}")
    report.notes["database KiB a day closed"] = (looks[-1].database_kib - looks[0].database_kib) / max(
        looks[-1].day - looks[0].day, 1
    )
    report.finish()


if __name__ == "__main__":
    main()

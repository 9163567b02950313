"""One lane's life with one set of clients: recover, then poll, step, journal, commit.

The order within a turn is what makes it exact: the journal first (a second try is there twice, the last counts), then
decisions, dead letters and input offsets in one Kafka transaction. Whatever goes wrong in between, the clients are
closed and made anew with the same ids, which fences the old ones, and the lane goes on from the committed offsets.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, repeat
from pathlib import Path

import msgspec

from rlfa.config import Service
from rlfa.hosts.scoring import AgentRef, Host
from rlfa.lanes.intake import Absorbed, Intake
from rlfa.lanes.pace import TurnCost, batch_limit, waits_s
from rlfa.lanes.reading import Reader
from rlfa.lanes.recovery import RecoveryError, reached, read_between, route
from rlfa.lanes.snapshots import SnapshotWriter
from rlfa.lanes.step import columns_of, decide
from rlfa.lineup.budget import Ration, Share
from rlfa.lineup.plan import Plan
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import EventTime, Lineup, date_of, day_of
from rlfa.metrics.batches import BatchLog, sent_because
from rlfa.metrics.lane import LaneMeter
from rlfa.metrics.traces import BatchTracer
from rlfa.outcomes.journal import Journal
from rlfa.outcomes.raised import alerts_raised, declined_by_rules
from rlfa.rules.deciding import RuleBook, Ruled, Used
from rlfa.telemetry import logger
from streams.dead_letters import encode_dead_letter
from streams.features.snapshot import load_snapshot, read_offsets, save_snapshot
from streams.kafka.sink import Message, Sink
from streams.kafka.source import Place, Record, Source, next_offsets

MIB = 2**20


class LaneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane says of itself.

    `event_time` is the event time up to which every transaction that the broker had is decided, ms UTC; `lineup` is who
    decides and watches from the next batch on.
    """

    lane: int
    decided: int
    dead_letters: dict[str, int]
    epoch: int
    lineup: Lineup
    event_time: int | None
    labels_waiting: int
    state_bytes: int


@dataclass(slots=True)
class Clients:
    """A lane's Kafka clients; they live and die together."""

    transactions: Source
    labels: Source
    producers: Sequence[Sink]

    def close(self) -> None:
        """Close all; what was open in a transaction is aborted by the broker or fenced by the next clients."""
        for producer in self.producers:
            producer.close()
        self.transactions.close()
        self.labels.close()


@dataclass(slots=True)
class Session:
    """A lane between two (re)connections.

    Args:
        service: settings.
        lane: its number.
        intake: fresh, to be filled by `recover`.
        host: holds the agents of every plan that is handed in.
        journal: of this lane.
        plan: the lineup to begin with.
        clients: fresh: their producers' `init` has fenced every older one before the committed offsets are read.
        wall_ms: wall clock, ms UTC.
        meter: counts what the lane does, over all its sessions.
        tracer: makes a span of each batch, where that is wanted.
    """

    service: Service
    lane: int
    intake: Intake
    host: Host
    journal: Journal
    plan: Plan
    clients: Clients
    wall_ms: Callable[[], int]
    meter: LaneMeter = field(default_factory=LaneMeter)
    tracer: BatchTracer | None = None
    decided: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    positions: dict[Place, int] = field(default_factory=dict)
    reader: Reader = field(init=False)
    """Begins where `recover` ends."""
    ration: Ration = field(init=False)
    """Of alerts; counted again by `recover`."""
    book: RuleBook = field(init=False)
    """Of the user's rules; their declines are counted again by `recover`."""
    _cost: TurnCost = field(default_factory=TurnCost)
    _limit: int = field(init=False)
    writer: SnapshotWriter = field(default_factory=SnapshotWriter)

    def __post_init__(self) -> None:
        self._limit = self.service.settings.lanes.batch_max

    def recover(self, alive: Callable[[], None]) -> None:
        """Bring the feature state to the committed offsets, without emitting anything.

        Args:
            alive: called after each answer of the broker, so that a call that never returns can be told from a long
                replay.

        Raises:
            RecoveryError: the broker no longer has what that needs.
        """
        if self.intake.shared:
            self.intake.shared.open()
        snapshot = self._load_snapshot()
        alive()
        tx, labels = self._places()
        committed = {**self.clients.transactions.committed(tx), **self.clients.labels.committed(labels)}
        retained = {
            **{place: self.clients.transactions.retained(place) for place in tx},
            **{place: self.clients.labels.retained(place) for place in labels},
        }
        found = route(snapshot=snapshot, committed=committed, retained=retained)
        label_records = read_between(self.clients.labels, _only(found.start, labels), _only(found.live, labels))
        for records in label_records:
            alive()
            if records:
                self.intake.absorb([], records)
        replayed = 0
        for records in read_between(self.clients.transactions, _only(found.start, tx), _only(found.live, tx)):
            alive()
            if records:
                self.intake.absorb(records, [])
                replayed += len(records)
        self.positions = dict(found.live)
        self._count_again()
        self.clients.transactions.assign(_only(found.live, tx))
        self.clients.labels.assign(_only(found.live, labels))
        self.reader = Reader(self.service, self.lane, self.clients.transactions, self.clients.labels)
        self.journal.set_columns(columns_of(self.intake, self.plan.lineup, self.plan.rules))
        self.meter.recoveries += 1
        logger().info("lane_recovered", lane=self.lane, replayed=replayed, epoch=self.plan.lineup.epoch)

    def turn(self, producer: Sink) -> int:
        """Poll a batch, as large as the pace allows, and see it through to the commit.

        Returns:
            Records taken in.

        Raises:
            streams.errors.StreamsError: the outcome is unknown or the broker is away: make the clients anew.
        """
        settings, batch = self.service.settings.lanes, BatchLog()
        was_idle = self.reader.is_idle
        records, labels, order = self.reader.poll(self._limit, with_labels=self._takes_labels())
        began = time.monotonic()
        if self.reader.is_idle and not was_idle:
            self.intake.idle(self.lane)
        if not records and not labels:
            producer.settle(self.clients.transactions, wait=False)
            return 0
        batch("consume")
        if self.tracer:
            self.tracer.begin(batch)
        absorbed = self.intake.absorb(records, labels, batch, order)
        messages = [*self._decide(absorbed, batch), *self._dead_letters(absorbed)]
        batch("encode")
        if labels:
            self.journal.append_labels(absorbed.labels)
            batch("journal")
        offsets = next_offsets([*records, *labels])
        producer.commit(messages, offsets, self.clients.transactions, batch)
        self.positions.update(offsets)
        because = sent_because(len(records), self._limit, settings.batch_max)
        self.meter.committed(batch, records, len(labels), absorbed.dead, because=because, now=self.wall_ms())
        if self.tracer:
            self.tracer.end(batch, len(records))
        self.decided += len(absorbed.transactions.tx_id)
        self.dead.update(letter.reason for letter in absorbed.dead)
        if dead := absorbed.dead:
            logger().warning("records_refused", lane=self.lane, dead_lettered=len(dead), reason=dead[0].reason)
        self._keep_pace(records, began)
        return len(records) + len(labels)

    def use(self, plan: Plan) -> None:
        """Play by a new lineup from the next batch on; its agents are loaded already."""
        self.host.load(plan.refs)
        self.plan = plan
        self.journal.set_columns(columns_of(self.intake, plan.lineup, plan.rules))
        self.book = self._book(plan, self.book.share, self.book.used)
        logger().info("lineup_taken", lane=self.lane, epoch=plan.lineup.epoch)

    def snapshot(self, *, beside: bool = False) -> None:
        """Write the feature state with the offsets that it stands for, once all of these are committed.

        With `beside` a child writes while the lane goes on, unless an earlier one is still at it.

        With shards it counts once their own snapshots hold as much: a lane never begins behind what a shard has lost.

        Raises:
            streams.errors.StreamsError: the broker doesn't confirm them: make the clients anew.
        """
        if not beside:
            self.writer.finish()
        elif self.writer.is_busy:
            return
        for producer in self.clients.producers:
            producer.settle(self.clients.transactions, wait=True)
        topic = self.service.settings.topics.labels
        offsets = dict(self.positions)
        for partition, offset in self.intake.queue.first_offsets().items():
            offsets[topic, partition] = min(offset, offsets.get((topic, partition), offset))
        path, shared = self.service.snapshot(self.lane), self.intake.shared
        if shared:
            path = awaiting(path)
            if path.exists() and shared.keep(read_offsets(path)):
                path.replace(self.service.snapshot(self.lane))
            shared.note(offsets)
        marks = self.intake.watermarks.by_partition
        save = partial(save_snapshot, path, self.intake.state, offsets=offsets, watermarks=marks)
        self.writer.write(save) if beside else save()

    def status(self) -> LaneStatus:
        """Counts and event time, for the manager and for people."""
        return LaneStatus(
            lane=self.lane,
            decided=self.decided,
            dead_letters=dict(self.dead),
            epoch=self.plan.lineup.epoch,
            lineup=self.plan.lineup,
            event_time=self.intake.watermarks.newest(),
            labels_waiting=len(self.intake.queue),
            state_bytes=self.intake.state.memory_bytes,
        )

    def reached(self) -> dict[Place, int]:
        """The first offset of each partition that isn't through; where all is, the one after its end and markers."""
        sources = (self.clients.transactions, self.clients.labels)
        return reached(dict(self.positions), [(source.positions(), source.ends()) for source in sources])

    def _keep_pace(self, records: Sequence[Record], began: float) -> None:
        """Learn from the turn how large the next batch may be, and let transactions gather until it is time for it."""
        settings, took = self.service.settings.lanes, time.monotonic() - began
        self._cost = self._cost.after(len(records), took)
        oldest_ms = self.wall_ms() - took * 1000 - min((r.timestamp for r in records), default=self.wall_ms())
        target_s = settings.latency_target_ms / 1000
        self._limit = batch_limit(self._cost, target_s=target_s, oldest_s=oldest_ms / 1000, most=settings.batch_max)
        interval_s = settings.commit_interval_ms / 1000
        time.sleep(waits_s(since_last_s=took, interval_s=interval_s, delivery=settings.delivery))

    def _takes_labels(self) -> bool:
        """Whether there is room for more; else event time has to catch up first."""
        queue, settings = self.intake.queue, self.service.settings.lanes
        return len(queue) < settings.labels_waiting_max and queue.bytes < settings.labels_waiting_mib * MIB

    def _decide(self, absorbed: Absorbed, batch: BatchLog) -> list[Message]:
        tx = absorbed.transactions
        if not tx.tx_id:
            return []
        decided = decide(
            absorbed,
            self.service.spec,
            self.intake.feature_names,
            self.plan.lineup,
            self.host,
            self.service.settings.free_agency.costs,
            self.service.settings.free_agency.exploration,
            self.ration,
            self.wall_ms(),
            self.book,
            batch,
        )
        batch("decide")
        self.ration, self.book = decided.ration, decided.ruled.book
        self._warn_of_suspended(decided.ruled)
        self.journal.append_decisions(decided.rows)
        batch("journal")
        batch.rows, batch.suspended = decided.rows, tuple(rule.name for rule, _ in decided.ruled.suspended)
        topic = self.service.settings.topics.decisions
        return list(map(Message, repeat(topic), tx.key, decided.values))

    def _dead_letters(self, absorbed: Absorbed) -> list[Message]:
        topic = self.service.settings.topics.dead_letters
        return [Message(topic, letter.record.key, encode_dead_letter(letter)) for letter in absorbed.dead]

    def _count_again(self) -> None:
        """The lane's share of the alert budget and of rules' bounds, less what its committed decisions have used."""
        topic, count = self.service.settings.topics.transactions, self.service.settings.lanes.count
        lanes = sorted(p % count for p in self.clients.transactions.partitions(topic))
        share = Share(bisect_left(lanes, self.lane), lanes.count(self.lane), len(lanes))
        committed = {p: offset for (name, p), offset in self.positions.items() if name == topic}
        marks = self.intake.watermarks.by_partition.values()
        oldest = day_of(EventTime(min(marks, default=0) - self.service.spec.lateness_max_ms))
        root = self.service.journals
        raised = alerts_raised(root, oldest, committed) if marks else {}
        used = declined_by_rules(root, oldest, committed, self.plan.rules) if marks else {}
        self.ration = Ration(self.service.settings.free_agency.alerts, share, raised)
        self.book = self._book(self.plan, share, used)

    def _book(self, plan: Plan, share: Share, used: Used) -> RuleBook:
        self.meter.suspensions.update(dict.fromkeys((r.name for r in plan.rules.rules if r.action == "decline"), 0))
        return RuleBook.of(plan.rules, fields_of(self.service.spec, self.intake.feature_names), share, used)

    def _warn_of_suspended(self, ruled: Ruled) -> None:
        for rule, day in ruled.suspended:
            logger().error(
                "rule_suspended", rule=rule.name, day=date_of(day), lane=self.lane, count=ruled.book.part(rule)
            )

    def _places(self) -> tuple[list[Place], list[Place]]:
        """This lane's partitions of both topics: the same numbers, since both are keyed alike."""
        topics, count = self.service.settings.topics, self.service.settings.lanes.count
        mine = [
            [(topic, p) for p in source.partitions(topic) if p % count == self.lane]
            for topic, source in (
                (topics.transactions, self.clients.transactions),
                (topics.labels, self.clients.labels),
            )
        ]
        return mine[0], mine[1]

    def _load_snapshot(self) -> Mapping[Place, int]:
        newest, shared = self.service.snapshot(self.lane), self.intake.shared
        if shared and (later := awaiting(newest)).exists():
            if shared.have(read_offsets(later)):
                later.replace(newest)
            later.unlink(missing_ok=True)
        if not newest.exists():
            return {}
        loaded = load_snapshot(newest, self.intake.state)
        if shared and not shared.have(loaded.offsets):
            raise RecoveryError(
                str(newest.parent),
                f"a snapshot of lane {self.lane} that is ahead of the shards",
                "the shards' snapshots of lanes.shards as it was; or remove the folder to rebuild all from the topics",
            )
        self.intake.watermarks.by_partition = dict(loaded.watermarks)
        return loaded.offsets


def awaiting(snapshot: Path) -> Path:
    """Where a lane's newest snapshot waits for those of the shards."""
    return snapshot.with_suffix(".awaiting")


def turns(session: Session, *, stopped: Callable[[], bool], between: Callable[[int], None]) -> None:
    """Turn after turn, producers in turn, until told to stop; `between` runs after each with its record count."""
    producers = cycle(session.clients.producers)
    while not stopped():
        between(session.turn(next(producers)))


def held(plan: Plan, following: Plan) -> tuple[AgentRef, ...]:
    """The agents of both plans: loaded before the change, so that no batch waits for weights."""
    return tuple({ref.id: ref for ref in (*plan.refs, *following.refs)}.values())


def _only(offsets: Mapping[Place, int], places: Sequence[Place]) -> dict[Place, int]:
    return {place: offsets[place] for place in places}

"""One trial: a stream, a fault at some moment of it, and a look at everything that came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from random import Random

from benchmarks.chaos.faults import Fault
from benchmarks.chaos.operator import end_hanging_transactions
from benchmarks.chaos.stage import PARTITIONS, Stage
from streams.kafka.embedded import ApacheKafka

QUIET_S = (0.5, 2.0)  # of stream before the fault
STREAM_ON_S = 10.0  # after the fault, at most
LIMIT_S = 180.0
HANGING_AFTER_S = 60.0
EQUAL_WAIT_S = 30.0
CHECK_S = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one trial found.

    Attributes:
        lost: transactions without a decision, and records without the dead letter that was due, after `LIMIT_S`.
        doubled: transactions with more than one, dead letters likewise.
        different: lanes whose state isn't that of a run without faults, to the bit.
        other_scores: decisions with a probability that such a run doesn't have.
        first_decision_s: from the fault to the first decision made after it, of the partition that waited longest.
    """

    fault: str
    transactions: int
    lost: int
    doubled: int
    different: int
    other_scores: int
    first_decision_s: float

    @property
    def is_clean(self) -> bool:
        """Whether it went as it should."""
        return not (self.lost or self.doubled or self.different or self.other_scores)


def trial(stage: Stage, fault: Fault, rng: Random) -> Outcome:
    """Let the stream go on, strike, and count when all is decided.

    Raises:
        ServiceFailedError: the service has ended by itself.
    """
    before = stage.publisher.published
    stage.publisher.start()
    _wait(stage, lambda: _decided(stage) > before, LIMIT_S)  # all before it are decided: the service is up
    time.sleep(rng.uniform(*QUIET_S))  # the moment of the fault, from the seed
    struck_at = time.time_ns() // 1_000_000
    heard_before = len(stage.reader.heard)
    fault.strike(stage, rng)
    first: dict[int, int] = {}

    def goes_on() -> bool:
        """Every partition has a decision that was made after the fault."""
        for heard in stage.reader.heard[heard_before:]:
            if heard.decided_at > struck_at:
                first.setdefault(heard.partition, heard.arrived_at)
        return len(first) == PARTITIONS

    _wait(stage, goes_on, STREAM_ON_S)
    stage.publisher.stop()
    _settle(stage, goes_on)
    _settle(stage, lambda: _decided(stage) >= stage.publisher.published)
    stage.truth.catch_up()
    different = _different(stage)
    reader, truth = stage.reader, stage.truth
    missing = {*(truth.scores.keys() - reader.decided.keys()), *(truth.dead - reader.dead.keys())}
    twice = {what for counts in (reader.decided, reader.dead) for what, n in counts.items() if n > 1}
    return Outcome(
        fault=fault.name,
        transactions=stage.publisher.published - before,
        lost=_new(stage, "lost", missing),
        doubled=_new(stage, "doubled", twice),
        different=different,
        other_scores=_new(stage, "other score", truth.other_scores(reader.said)),
        first_decision_s=(max(first.values(), default=struck_at) - struck_at) / 1000,
    )


def _new(stage: Stage, wrong: str, found: Set[object]) -> int:
    """How many are wrong that weren't in an earlier trial."""
    fresh = {(wrong, what) for what in found} - stage.blamed
    stage.blamed |= fresh
    return len(fresh)


def _settle(stage: Stage, done: Callable[[], bool]) -> None:
    """Wait for the service, at most so long as it may take; on the way do what an operator would."""
    if not _wait(stage, done, HANGING_AFTER_S):
        _operate(stage)
        _wait(stage, done, LIMIT_S)


def _operate(stage: Stage) -> None:
    """Do by hand what no service can: only Apache Kafka has the means, and the trouble."""
    if isinstance(stage.broker, ApacheKafka):
        topics = stage.service.settings.topics
        places = [(topic, p) for topic in (topics.decisions, topics.dead_letters) for p in range(PARTITIONS)]
        end_hanging_transactions(stage.broker, places)


def _decided(stage: Stage) -> int:
    return len(stage.reader.decided)


def _different(stage: Stage) -> int:
    """Lanes whose snapshot hasn't become equal to the truth within a time: they write one every second."""
    lanes = set(range(stage.lanes))
    deadline = time.monotonic() + EQUAL_WAIT_S
    while lanes and time.monotonic() < deadline:
        lanes = {lane for lane in lanes if not stage.truth.equals(lane, stage.lanes)}
        time.sleep(CHECK_S)
    return len(lanes)


def _wait(stage: Stage, done: Callable[[], bool], limit_s: float) -> bool:
    """Poll what other processes do, with an end."""
    deadline = time.monotonic() + limit_s
    while not done():
        stage.process.refuse_failed()
        if time.monotonic() > deadline:
            return False
        time.sleep(CHECK_S)
    return True

"""The faults, each from outside: nothing in the service knows that it is being tried."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from benchmarks.chaos.proxy import Trap
from benchmarks.chaos.stage import COMMIT_TIMEOUT_S, PARTITIONS, Stage
from benchmarks.serving.process import owner_of
from streams.kafka.embedded import ApacheKafka

COMMIT_WAIT_S = 60.0
LANE, HOST, MANAGER = "LaneActor", "RemoteHost", "ManagerActor"  # Ray names processes by their actor's class


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble.

    Attributes:
        name: what is done.
        strike: does it, and returns once it has begun to act.
        needs_kafka: a broker that keeps its records when it is killed.
    """

    name: str
    strike: Callable[[Stage, Random], None]
    needs_kafka: bool = False


def kill_one(kind: str) -> Callable[[Stage, Random], None]:
    """`kill -9` of one of the actors of a class."""

    def strike(stage: Stage, rng: Random) -> None:
        rng.choice(stage.process.actors(kind)).kill()

    return strike


def kill_at_commit(*, before: bool) -> Callable[[Stage, Random], None]:
    """`kill -9` of a lane when its offsets are sent and its commit is not, or is and nobody has told it so."""

    def strike(stage: Stage, _rng: Random) -> None:
        def kill_owner(port: int) -> None:
            owner = owner_of(port, stage.process.actors(LANE))
            if owner is not None:
                owner.kill()

        _spring(stage, Trap(before=before, act=kill_owner))

    return strike


def commit(*, before: bool, hold_s: float = 0.0) -> Callable[[Stage, Random], None]:
    """A commit, or its answer, lost with its connection or late."""
    return lambda stage, _rng: _spring(stage, Trap(before=before, hold_s=hold_s))


def kill_service(stage: Stage, _rng: Random) -> None:
    """`kill -9` of every process of the service, and a new start."""
    stage.process.kill()
    stage.restart(stage.lanes)


def change_lanes(stage: Stage, rng: Random) -> None:
    """The service stopped, and started with another number of lanes."""
    stage.process.stop()
    stage.restart(rng.choice([n for n in range(1, PARTITIONS) if n != stage.lanes]))


def kill_broker(stage: Stage, rng: Random) -> None:
    """`kill -9` of the broker, and a new start a little later."""
    assert isinstance(stage.broker, ApacheKafka)
    stage.broker.kill()
    time.sleep(rng.uniform(0.0, 3.0))
    stage.broker.start()


def _spring(stage: Stage, trap: Trap) -> None:
    stage.proxy.trap(trap)
    if not stage.proxy.sprung(COMMIT_WAIT_S):
        raise TimeoutError("no lane committed anything")


FAULTS = (
    Fault("a lane killed", kill_one(LANE)),
    Fault("a lane killed between sending offsets and committing", kill_at_commit(before=True)),
    Fault("a lane killed between the commit and its answer", kill_at_commit(before=False)),
    Fault("the remote host killed", kill_one(HOST)),
    Fault("the manager killed", kill_one(MANAGER)),
    Fault("the whole service killed", kill_service),
    Fault("connections reset", lambda stage, _rng: stage.proxy.reset()),
    Fault("connections cut", lambda stage, rng: stage.proxy.cut(rng.uniform(0.5, 6.0))),
    Fault("connections held", lambda stage, rng: stage.proxy.hold(rng.uniform(1.0, 12.0))),
    Fault("requests and answers delayed", lambda stage, rng: stage.proxy.delay(rng.uniform(0.05, 1.5), 5.0)),
    Fault("an answer truncated", lambda stage, _rng: stage.proxy.truncate()),
    Fault("a commit lost", commit(before=True)),
    Fault("a commit late", commit(before=True, hold_s=COMMIT_TIMEOUT_S + 1.0)),
    Fault("a commit's answer lost", commit(before=False)),
    Fault("a commit's answer late", commit(before=False, hold_s=COMMIT_TIMEOUT_S + 1.0)),
    Fault("the service stopped and started with other lanes", change_lanes),
    Fault("the broker killed", kill_broker, needs_kafka=True),
)


def fault_named(name: str) -> Fault:
    """One of `FAULTS`."""
    return next(fault for fault in FAULTS if fault.name == name)

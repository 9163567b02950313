"""Ray: a shard as an actor that is started again when it dies, and a lane's way to it."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from rlfa.config import Service
from rlfa.metrics.process import ProcessReport, process_report
from rlfa.shards.shard import Ask, Shard
from rlfa.shards.split import shard_state
from rlfa.shards.windows import Answer, ShardError, Standing
from rlfa.telemetry import configure_logs, logger
from streams.features.snapshot import load_snapshot, save_snapshot


@ray.remote(max_restarts=-1, num_cpus=0)
class ShardActor:
    """A share of the entities that lanes have in common, with a snapshot of its own.

    Args:
        service: settings and paths.
        number: of the shard, 0 to count - 1.
    """

    def __init__(self, service: Service, number: int) -> None:
        configure_logs(service.settings.log_level, relay=True)
        self._path = service.shard_snapshot(number)
        self._every_s = service.settings.lanes.snapshot_every_s
        self._shard = Shard(shard_state(service.spec))
        if self._path.exists():
            found = load_snapshot(self._path, self._shard.state)
            self._shard.reached = dict(found.offsets)
        self._life = uuid.uuid4().hex
        self._kept, self._kept_at = dict(self._shard.reached), time.monotonic()
        logger().info("shard_started", shard=number, rows=self._shard.state.events)

    def take(self, life: str, ask: Ask) -> Answer | None:
        """See `Shard.take`; None where the lane means another life."""
        if life != self._life:
            return None
        return Answer(self._shard.take(ask), self.standing())

    def standing(self) -> Standing:
        """How far it has come; writes a snapshot when it is time."""
        if self._kept != self._shard.reached and time.monotonic() - self._kept_at >= self._every_s:
            self.keep()
        return Standing(self._life, dict(self._shard.reached), self._kept)

    def keep(self) -> None:
        """Write a snapshot."""
        save_snapshot(self._path, self._shard.state, offsets=self._shard.reached, watermarks={})
        self._kept, self._kept_at = dict(self._shard.reached), time.monotonic()

    def report(self) -> ProcessReport:
        """What it takes of its machine."""
        return process_report(self._shard.state.memory_bytes)

    def pid(self) -> int:
        """For tests that kill it."""
        return os.getpid()


@dataclass(frozen=True, slots=True)
class ActorPort:
    """The way to a `ShardActor`.

    Args:
        actor: its handle.
        wait_s: for an answer.
    """

    actor: Any  # a Ray handle, untyped by Ray
    wait_s: float

    def ask(self, life: str, ask: Ask) -> object:
        """Send it, without waiting."""
        return self.actor.take.remote(life, ask)

    def answer(self, ticket: object) -> Answer:
        """See `Port`."""
        found: Answer | None = self._get(ticket)
        if found is None:
            raise ShardError("a shard began anew")
        return found

    def standing(self) -> Standing:
        """See `Port`."""
        found: Standing = self._get(self.actor.standing.remote())
        return found

    def _get(self, ticket: object) -> Any:
        try:
            return ray.get(ticket, timeout=self.wait_s)
        except (RayActorError, GetTimeoutError) as error:
            raise ShardError(f"a shard is away: {type(error).__name__}") from error

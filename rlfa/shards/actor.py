"""Ray: a shard as an actor that is started again when it dies, and a lane's way to it."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import GetTimeoutError, RayActorError

from rlfa.config import Service
from rlfa.metrics.process import ProcessReport, process_report
from rlfa.shards.alignment import Alignment
from rlfa.shards.shard import Ask, Order, Shard
from rlfa.shards.split import shard_state
from rlfa.shards.windows import Answer, ShardError, SharedWindows, Standing
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
        self._alignment = Alignment(self._shard, service.settings.lanes.count)
        self._turns: dict[int, asyncio.Event] = {}
        self._patience_s = service.settings.lanes.in_order_wait_s
        self._life = uuid.uuid4().hex
        self._kept, self._kept_at = dict(self._shard.reached), time.monotonic()
        logger().info("shard_started", shard=number, rows=self._shard.state.events)

    async def take(self, life: str, ask: Ask, order: Order | None = None) -> Answer | None:
        """See `Shard.take` and `Alignment`; None where the lane means another life."""
        if life != self._life:
            return None
        features = self._shard.take(ask) if order is None else await self._in_turn(ask, order)
        return Answer(features, await self.standing())

    async def _in_turn(self, ask: Ask, order: Order) -> NDArray[np.float32]:
        """Wait until every lane has come as far, or has stayed away for too long."""
        pending = self._alignment.offer(ask, order)
        self._turns[order.lane] = turn = asyncio.Event()
        while True:
            for done in self._alignment.advance():
                self._turns[done.order.lane].set()
            if turn.is_set() or pending.is_given_up:
                return pending.features
            try:
                await asyncio.wait_for(turn.wait(), self._patience_s)
            except TimeoutError:
                absent = self._alignment.wait_no_longer()
                logger().warning("shard_goes_on_without_lanes", lanes=absent, waited_s=self._patience_s)

    async def standing(self) -> Standing:
        """How far it has come; writes a snapshot when it is time."""
        if self._kept != self._shard.reached and time.monotonic() - self._kept_at >= self._every_s:
            await self.keep()
        return Standing(self._life, dict(self._shard.reached), self._kept)

    async def keep(self) -> None:
        """Write a snapshot."""
        save_snapshot(self._path, self._shard.state, offsets=self._shard.reached, watermarks={})
        self._kept, self._kept_at = dict(self._shard.reached), time.monotonic()

    async def report(self) -> ProcessReport:
        """What it takes of its machine."""
        return process_report(self._shard.state.memory_bytes)

    async def pid(self) -> int:
        """For tests that kill it."""
        return os.getpid()


def shard_names(service: Service) -> list[str]:
    """Of the service's shards: lanes find them by these."""
    return [f"{service.settings.name}-shard-{i}" for i in range(service.settings.lanes.shards)]


def shared_windows(service: Service) -> SharedWindows | None:
    """A lane's side of the service's shards, where it has some."""
    ports = [ActorPort(ray.get_actor(name), service.settings.lanes.shard_wait_s) for name in shard_names(service)]
    return SharedWindows(service.spec, ports) if ports else None


@dataclass(frozen=True, slots=True)
class ActorPort:
    """The way to a `ShardActor`.

    Args:
        actor: its handle.
        wait_s: for an answer.
    """

    actor: Any  # a Ray handle, untyped by Ray
    wait_s: float

    def ask(self, life: str, ask: Ask, order: Order | None = None) -> object:
        """Send it, without waiting."""
        return self.actor.take.remote(life, ask, order)

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

"""Ray: a remote host, for a GPU that lanes share or for isolation, and the lane's side of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import GetTimeoutError, RayActorError

from rlfa.hosts.scoring import AgentRef, Features, InlineHost, Logits, Reasoning
from rlfa.hosts.sealed import SealRules
from rlfa.lineup.slots import AgentId
from rlfa.metrics.lane import HostCall
from rlfa.metrics.process import ProcessReport, process_report
from rlfa.telemetry import configure_logs, logger

REMOTE = "remote"


class Scored(NamedTuple):
    """A remote host's answer to a batch, and how long it worked on it."""

    logits: Logits
    seconds: float


@ray.remote(max_restarts=-1, num_cpus=0)
class RemoteHost:
    """Agents in an actor of their own; Ray starts it again when it dies, and it loads what its lane asks for."""

    def __init__(self, feature_names: tuple[str, ...], threads: int, seal: SealRules, log_level: str) -> None:
        import torch

        torch.set_num_threads(threads)
        configure_logs(log_level, relay=True)
        has_gpu = bool(ray.get_gpu_ids()) and torch.cuda.is_available()
        self._host = InlineHost(feature_names, seal, stacked_on="cuda" if has_gpu else "")
        self._held: frozenset[AgentId] = frozenset()

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents."""
        self._host.load(refs)
        self._held = frozenset(ref.id for ref in refs)

    def score(self, agents: Sequence[AgentId], features: Features) -> Scored | None:
        """Logits float32[n, k], or None from a fresh actor that has no agents yet."""
        if not self._held.issuperset(agents):
            return None
        began = time.perf_counter()
        logits = self._host.score(agents, features)
        return Scored(logits, time.perf_counter() - began)

    def reasons(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Reasoning | None:
        """See `Host.reasons`; None from a fresh actor."""
        return self._host.reasons(agents, weights, features) if self._held.issuperset(agents) else None

    def report(self) -> ProcessReport:
        """What it takes of its machine."""
        return process_report()

    def pid(self) -> int:
        """For tests that kill it."""
        return os.getpid()


@dataclass(slots=True)
class RemoteHostClient:
    """The lane's side: asks the actor, and gives NaN for its agents when no answer comes in time.

    Args:
        actor: a `RemoteHost`.
        wait_s: for one batch, restarts of the actor included; then its agents are left out of the batch.
        called: told of every batch that was sent.
    """

    actor: Any  # a Ray handle, untyped by Ray
    wait_s: float
    called: Callable[[HostCall], object] = bool
    _refs: Sequence[AgentRef] = field(default_factory=tuple)

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents, now and after each restart of the actor."""
        self._refs = tuple(refs)
        ray.get(self.actor.load.remote(self._refs))

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """Logits float32[n, k], all NaN when the host stayed away."""
        began = time.perf_counter()
        answer: Scored | None = self._ask("score", agents, features)
        waited_s = time.perf_counter() - began - (answer.seconds if answer else 0.0)
        rows, is_answered = len(features), answer is not None
        self.called(HostCall(host=REMOTE, agents=len(agents), rows=rows, waited_s=waited_s, answered=is_answered))
        return np.full((rows, len(agents)), np.nan, np.float32) if answer is None else answer.logits

    def reasons(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Reasoning:
        """See `Host.reasons`; none when the host stayed away."""
        answer: Reasoning | None = self._ask("reasons", agents, weights, features)
        return Reasoning.none(features) if answer is None else answer

    def _ask(self, method: str, *args: object) -> Any:
        """The answer to one batch, tried again on a restarted actor until the time is up."""
        deadline = time.monotonic() + self.wait_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                answer = ray.get(getattr(self.actor, method).remote(*args), timeout=left)
            except GetTimeoutError:
                break
            except RayActorError:
                continue  # each try waits for Ray's own restart; the deadline bounds them all
            if answer is not None:
                return answer
            self.actor.load.remote(self._refs)  # a restarted actor: the next try queues behind the load
        logger().warning("host_stayed_away", host=REMOTE, waited_s=self.wait_s)
        return None


@dataclass(slots=True)
class SplitHost:
    """Some agents inline, some remote: the lineup's rest decides while the remote host is away.

    Args:
        inline: for agents that `is_remote` doesn't name.
        remote: for those that it names.
        remote_agents: ids now held remotely; set by the lane with each lineup.
    """

    inline: InlineHost
    remote: RemoteHostClient
    remote_agents: frozenset[AgentId] = frozenset()

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents, each where it belongs."""
        self.inline.load([ref for ref in refs if ref.id not in self.remote_agents])
        self.remote.load([ref for ref in refs if ref.id in self.remote_agents])

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """Logits float32[n, k]."""
        logits = self.inline.score(agents, features)
        there = [j for j, agent in enumerate(agents) if agent in self.remote_agents]
        if there:
            logits[:, there] = self.remote.score([agents[j] for j in there], features)
        return logits

    def reasons(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Reasoning:
        """See `Host.reasons`, over both; what is usual is as the heavier side knows it."""
        there = np.array([agent in self.remote_agents for agent in agents])
        if not there.any():
            return self.inline.reasons(agents, weights, features)
        sides = [
            (weights[mine].sum() / weights.sum(), host.reasons(names, weights[mine], features))
            for host, mine in ((self.inline, ~there), (self.remote, there))
            if (names := [agent for agent, is_mine in zip(agents, mine, strict=True) if is_mine])
        ]
        sides.sort(key=lambda side: -side[0])
        usual = [found.usual for _, found in sides]
        return Reasoning(
            np.asarray(sum(share * found.contributions for share, found in sides), np.float32),
            np.where(np.isnan(usual[0]), usual[-1], usual[0]),
            {agent: voices for _, found in sides for agent, voices in found.voices.items()},
        )

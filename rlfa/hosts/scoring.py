"""Agents in memory, a batch in, logits out: what an inline and a remote host both do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.model import Agent
from agents.weights import load_agent
from rlfa.errors import RlfaError
from rlfa.lineup.slots import AgentId

Features = NDArray[np.float32]  # [n, d]
Logits = NDArray[np.float32]  # [n, k], NaN where an agent gave none


class HostError(RlfaError):
    """An agent that can't be held, or a host that can't answer."""


class AgentRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where an agent's weights lie and what they must hash to."""

    id: AgentId
    folder: str
    checksum: str


class Host(Protocol):
    """What a lane asks of whoever holds the agents."""

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents; slow, never called between two batches."""

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """Logits float32[n, k] of these agents, NaN where one gave none."""

    def contributions(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Features:
        """What each feature adds to the agents' weighted mean logit: float32[n, d]."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """A loaded agent, and where its features are in the service's matrix."""

    agent: Agent
    columns: NDArray[np.intp]


@dataclass(slots=True)
class InlineHost:
    """Agents in this process.

    Args:
        feature_names: columns of the matrices to come.
    """

    feature_names: tuple[str, ...]
    _seats: Mapping[AgentId, _Seat] = field(default_factory=dict)

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents; the change is one assignment, so a batch in another thread sees old or new."""
        self._seats = {ref.id: self._seats.get(ref.id) or self._seat(ref) for ref in refs}

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """Logits float32[n, k]; a value that isn't finite counts as none."""
        logits = np.full((len(features), len(agents)), np.nan, np.float32)
        seats = self._seats
        for j, agent in enumerate(agents):
            if agent in seats:
                logits[:, j] = seats[agent].agent.logits(features[:, seats[agent].columns])
        logits[~np.isfinite(logits)] = np.nan
        return logits

    def contributions(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Features:
        """The agents' own contributions, weighted and put back into the service's columns."""
        total = np.zeros(features.shape, np.float32)
        seats = self._seats
        there = [(w, seats[a]) for a, w in zip(agents, weights, strict=True) if a in seats]
        share = sum(w for w, _ in there) or 1.0
        for weight, seat in there:
            total[:, seat.columns] += weight / share * seat.agent.contributions(features[:, seat.columns])
        return total

    def _seat(self, ref: AgentRef) -> _Seat:
        agent = load_agent(Path(ref.folder), ref.checksum)
        places = {name: j for j, name in enumerate(self.feature_names)}
        missing = [name for name in agent.feature_names if name not in places]
        if missing:
            raise HostError(f"agent {ref.id}: wants the features {missing}, which this stream doesn't have")
        return _Seat(agent, np.array([places[name] for name in agent.feature_names], np.intp))

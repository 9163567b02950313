"""Agents in memory, a batch in, logits out: what an inline and a remote host both do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.weights import load_agent, read_card
from rlfa.errors import RlfaError
from rlfa.hosts.sealed import SealedAgent, SealRules
from rlfa.lineup.slots import AgentId

Features = NDArray[np.float32]  # [n, d]
Logits = NDArray[np.float32]  # [n, k], NaN where an agent gave none
UNKNOWN_CODE = -1.0  # of a category: none is negative; a missing number becomes the median of the agent's training


class HostError(RlfaError):
    """An agent that can't be held, or a host that can't answer."""


class AgentRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where an agent's weights lie and what they must hash to."""

    id: AgentId
    folder: str
    checksum: str
    sealed: bool = False
    """In a process of its own, without files, network or other agents' scores."""
    visible: tuple[str, ...] = ()
    """Features that it may see; all when empty. The others are as if unknown."""


class Scorer(Protocol):
    """An agent here, or the near side of one in a sealed process."""

    def logits(self, x: Features, /) -> NDArray[np.float32]:
        """float32[n] of float32[n, d]."""

    def contributions(self, x: Features, /) -> NDArray[np.float32]:
        """float32[n, d] of float32[n, d]."""


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

    agent: Scorer
    columns: NDArray[np.intp]
    hidden: NDArray[np.bool_]
    """Of its columns those that it may not see."""
    blank: Features
    """float32[d], what it sees in their place."""

    def see(self, features: Features) -> Features:
        """Its columns, the hidden ones blank: they never reach it."""
        mine = features[:, self.columns]
        return np.where(self.hidden, self.blank, mine) if self.hidden.any() else mine

    def close(self) -> None:
        """End its process, where it has one."""
        if isinstance(self.agent, SealedAgent):
            self.agent.close()


@dataclass(slots=True)
class InlineHost:
    """Agents in this process.

    Args:
        feature_names: columns of the matrices to come.
        seal: how agents from outside are held.
    """

    feature_names: tuple[str, ...]
    seal: SealRules = field(default_factory=SealRules)
    _seats: Mapping[AgentId, _Seat] = field(default_factory=dict)

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents; the change is one assignment, so a batch in another thread sees old or new."""
        before = self._seats
        self._seats = {ref.id: before.get(ref.id) or self._seat(ref) for ref in refs}
        for agent in before.keys() - self._seats.keys():
            before[agent].close()

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """Logits float32[n, k]; a value that isn't finite counts as none."""
        logits = np.full((len(features), len(agents)), np.nan, np.float32)
        seats = self._seats
        for j, agent in enumerate(agents):
            if agent in seats:
                logits[:, j] = seats[agent].agent.logits(seats[agent].see(features))
        logits[~np.isfinite(logits)] = np.nan
        return logits

    def contributions(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Features:
        """The agents' own contributions, weighted and put back into the service's columns."""
        total = np.zeros(features.shape, np.float32)
        seats = self._seats
        there = [(w, seats[a]) for a, w in zip(agents, weights, strict=True) if a in seats]
        share = sum(w for w, _ in there) or 1.0
        for weight, seat in there:
            own = seat.agent.contributions(seat.see(features))
            total[:, seat.columns] += weight / share * np.where(seat.hidden, np.float32(0.0), own)
        return total

    def _seat(self, ref: AgentRef) -> _Seat:
        agent: Scorer
        if ref.sealed:
            card = read_card(Path(ref.folder))
            agent = SealedAgent.start(ref.id, ref.folder, ref.checksum, self.seal)
        else:
            loaded = load_agent(Path(ref.folder), ref.checksum)
            agent, card = loaded, loaded.card
        names = card.feature_names
        places = {name: j for j, name in enumerate(self.feature_names)}
        missing = [name for name in names if name not in places]
        if missing:
            raise HostError(f"agent {ref.id}: wants the features {missing}, which this stream doesn't have")
        columns = np.array([places[name] for name in names], np.intp)
        hidden = np.array([bool(ref.visible) and name not in ref.visible for name in names])
        blank = np.array([UNKNOWN_CODE if name in card.categorical else np.nan for name in names], np.float32)
        return _Seat(agent, columns, hidden, blank)

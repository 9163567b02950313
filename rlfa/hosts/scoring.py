"""Agents in memory, a batch in, logits out: what an inline and a remote host both do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.data_card import DataCard
from agents.model import Agent, Voices
from agents.stacked import StackedAgents, shape_of
from agents.weights import load_scorer, read_card
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


@runtime_checkable
class Gated(Protocol):
    """An agent whose gate can be asked; a sealed one's can't."""

    def voices(self, x: Features, /) -> Voices:
        """How much each expert counted for float32[n, d], and who spoke."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Why agents say what they say of n rows.

    Attributes:
        contributions: float32[n, d], what each feature adds to the agents' weighted mean logit against typical rows.
        usual: float32[d], each feature's value in a typical genuine row; NaN where nobody knows it.
        voices: of the agents whose gate can be asked.
    """

    contributions: Features
    usual: NDArray[np.float32]
    voices: Mapping[AgentId, Voices]

    @classmethod
    def none(cls, features: Features) -> Reasoning:
        """Of a host that stayed away."""
        return cls(np.zeros(features.shape, np.float32), np.full(features.shape[1], np.nan, np.float32), {})


class Host(Protocol):
    """What a lane asks of whoever holds the agents."""

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents; slow, never called between two batches."""

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """Logits float32[n, k] of these agents, NaN where one gave none."""

    def reasons(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Reasoning:
        """Why these agents, each with its weight, say what they say: for alerts, not for the stream."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """A loaded agent, and where its features are in the service's matrix."""

    agent: Scorer
    columns: NDArray[np.intp]
    hidden: NDArray[np.bool_]
    """Of its columns those that it may not see."""
    blank: Features
    """float32[d], what it sees in their place."""
    usual: NDArray[np.float32]
    """float32[d], its typical genuine row."""

    def see(self, features: Features) -> Features:
        """Its columns, the hidden ones blank: they never reach it."""
        mine = features[:, self.columns]
        return np.where(self.hidden, self.blank, mine) if self.hidden.any() else mine

    def close(self) -> None:
        """End its process, where it has one."""
        if isinstance(self.agent, SealedAgent):
            self.agent.close()


@dataclass(frozen=True, slots=True)
class _Stack:
    """Loaded agents of one shape that see the same columns, as one."""

    ids: tuple[AgentId, ...]
    scorer: StackedAgents
    columns: NDArray[np.intp]


@dataclass(slots=True)
class InlineHost:
    """Agents in this process.

    Args:
        feature_names: columns of the matrices to come.
        seal: how agents from outside are held.
        stacked_on: torch's name of a device, on which agents of one shape are scored as a stack; empty: each agent by
            itself, which is faster on a CPU.
    """

    feature_names: tuple[str, ...]
    seal: SealRules = field(default_factory=SealRules)
    stacked_on: str = ""
    _seats: Mapping[AgentId, _Seat] = field(default_factory=dict)
    _stacks: tuple[_Stack, ...] = ()

    def load(self, refs: Sequence[AgentRef]) -> None:
        """Hold exactly these agents; the change is one assignment, so a batch in another thread sees old or new."""
        before = self._seats
        seats = {ref.id: before.get(ref.id) or self._seat(ref) for ref in refs}
        if self.stacked_on and seats.keys() != before.keys():
            self._stacks = _stacks_of(seats, self.stacked_on)
        self._seats = seats
        for agent in before.keys() - self._seats.keys():
            before[agent].close()

    def score(self, agents: Sequence[AgentId], features: Features) -> Logits:
        """Logits float32[n, k]; a value that isn't finite counts as none."""
        logits = np.full((len(features), len(agents)), np.nan, np.float32)
        seats, done = self._seats, set[AgentId]()
        for stack in self._stacks:
            if mine := [(j, stack.ids.index(agent)) for j, agent in enumerate(agents) if agent in stack.ids]:
                found = stack.scorer.logits(features[:, stack.columns])
                for j, k in mine:
                    logits[:, j] = found[:, k]
                done.update(stack.ids)
        for j, agent in enumerate(agents):
            if agent in seats and agent not in done:
                logits[:, j] = seats[agent].agent.logits(seats[agent].see(features))
        logits[~np.isfinite(logits)] = np.nan
        return logits

    def reasons(self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: Features) -> Reasoning:
        """The agents' own contributions, weighted and put back into the service's columns.

        What is usual is as the agent with the most weight was trained, and as others were where it doesn't know.
        """
        found = Reasoning.none(features)
        voices, seats = dict[AgentId, Voices](), self._seats
        there = [(w, a, seats[a]) for a, w in zip(agents, weights, strict=True) if a in seats]
        share = sum(w for w, _, _ in there) or 1.0
        for weight, agent, seat in sorted(there, key=lambda each: -each[0]):
            seen = seat.see(features)
            own = np.where(seat.hidden, np.float32(0.0), seat.agent.contributions(seen))
            found.contributions[:, seat.columns] += weight / share * own
            known = found.usual[seat.columns]
            found.usual[seat.columns] = np.where(np.isnan(known), seat.usual, known)
            if isinstance(seat.agent, Gated):
                voices[agent] = seat.agent.voices(seen)
        return Reasoning(found.contributions, found.usual, voices)

    def _seat(self, ref: AgentRef) -> _Seat:
        agent: Scorer
        if ref.sealed:
            card = read_card(Path(ref.folder))
            agent = SealedAgent.start(ref.id, ref.folder, ref.checksum, self.seal)
        else:
            loaded = load_scorer(Path(ref.folder), ref.checksum)
            agent, card = loaded, loaded.card
        names = card.feature_names
        places = {name: j for j, name in enumerate(self.feature_names)}
        missing = [name for name in names if name not in places]
        if missing:
            raise HostError(f"agent {ref.id}: wants the features {missing}, which this stream doesn't have")
        columns = np.array([places[name] for name in names], np.intp)
        hidden = np.array([bool(ref.visible) and name not in ref.visible for name in names])
        blank = np.array([UNKNOWN_CODE if name in card.categorical else np.nan for name in names], np.float32)
        return _Seat(agent, columns, hidden, blank, _usual(card))


def _stacks_of(seats: Mapping[AgentId, _Seat], device: str) -> tuple[_Stack, ...]:
    """Of the agents that can be stacked and see everything, those of one shape together."""
    groups: dict[object, list[AgentId]] = {}
    for agent, seat in seats.items():
        if isinstance(seat.agent, Agent) and not seat.hidden.any() and (shape := shape_of(seat.agent)) is not None:
            groups.setdefault(shape, []).append(agent)
    return tuple(
        _Stack(
            tuple(ids),
            StackedAgents([a for i in ids if isinstance(a := seats[i].agent, Agent)], device),
            seats[ids[0]].columns,
        )
        for ids in groups.values()
    )


def _usual(card: DataCard) -> NDArray[np.float32]:
    """float32[d], NaN where the card doesn't tell."""
    told = card.typical or (None,) * len(card.feature_names)
    return np.array([np.nan if value is None else value for value in told], np.float32)

"""Slots, epochs and the lineup: who decides, who decides for a share, and who only watches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NewType

import msgspec
import numpy as np

from rlfa.errors import QUOTED, NotAllowedError

AgentId = NewType("AgentId", str)
SlotId = NewType("SlotId", str)
Epoch = NewType("Epoch", int)  # 1, 2, 3 …; every change of who decides makes a new one
EventTime = NewType("EventTime", int)  # milliseconds UTC
Day = NewType("Day", int)  # days since 1970-01-01 UTC

DAY_MS = 86_400_000


class LineupError(NotAllowedError):
    """A lineup that can't play: where, found, allowed."""

    template = QUOTED


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A position in the lineup and the agent that holds it."""

    id: SlotId
    incumbent: AgentId
    weight: float = 1.0
    """Share in the lineup's score, positive; the lineup divides by the sum."""
    segment: str = ""
    """Expression over the stream's fields; empty: all of it."""


class Shadow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An agent that scores a slot's traffic and decides nothing: on probation, or on the bench."""

    slot: SlotId
    agent: AgentId


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A challenger that votes in place of a slot's incumbent on a small random share of its transactions."""

    slot: SlotId
    agent: AgentId
    share: float
    """Of the slot's transactions, above 0 and at most 1."""


class AlertFloor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an alert has to be worth more than from a day on, so that about the alert budget is raised a day."""

    from_day: Day
    value: float | None
    """In what the costs rank by; None: anything that pays is enough."""
    best: float | None
    """What those have to be worth that get the budget's reserve."""
    rule: str
    """Budget and ranking that it stands for: under another rule it means nothing."""


class Played(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The version that an agent which learns plays as."""

    agent: AgentId
    version: AgentId
    """Its id among the stored agents, and that of the weights in a host."""


class Lineup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who plays at one moment.

    Shadows may come and go within an epoch: they don't change who decides. A trial's start and end do, and so does a
    new version of an agent that decides.

    Raises:
        LineupError: no slot, none that plays everything, a slot or an incumbent twice, a weight that isn't positive,
            an incumbent as a shadow or on trial, a trial in no slot or without a share.
    """

    epoch: Epoch
    slots: tuple[Slot, ...]
    shadows: tuple[Shadow, ...] = ()
    trials: tuple[Trial, ...] = ()
    """Of each slot the one that began first comes first."""
    floors: tuple[AlertFloor, ...] = ()
    """Of the alert budget, by the day from which each is in force; a new one is no new epoch."""
    rules: str = ""
    """Id of the user's rule set that acts around the slots; empty: none."""
    versions: tuple[Played, ...] = ()
    """Of the agents that have learned since they were signed; the others play as what their id says."""

    def __post_init__(self) -> None:
        if not self.slots:
            raise LineupError("lineup slots", (), "at least one slot")
        _refuse_twice("lineup slots", [s.id for s in self.slots])
        _refuse_twice("lineup incumbents", self.incumbents)
        if not all(s.weight > 0 for s in self.slots):
            raise LineupError("lineup weights", [s.weight for s in self.slots], "positive numbers")
        if all(s.segment for s in self.slots):
            raise LineupError("lineup segments", [s.segment for s in self.slots], "a slot that plays everything")
        deciding = sorted({s.agent for s in self.shadows} & set(self.incumbents))
        if deciding:
            raise LineupError("lineup shadows", deciding, "agents that hold no slot")
        self._refuse_unfit_trials()

    def _refuse_unfit_trials(self) -> None:
        agents = [t.agent for t in self.trials]
        _refuse_twice("lineup trials", [*self.incumbents, *agents, *{s.agent for s in self.shadows}])
        if strangers := sorted({t.slot for t in self.trials} - {s.id for s in self.slots}):
            raise LineupError("lineup trials", strangers, "slots of the lineup")
        if not all(0 < t.share <= 1 for t in self.trials):
            raise LineupError("lineup trials", [t.share for t in self.trials], "shares above 0 and at most 1")

    @property
    def incumbents(self) -> tuple[AgentId, ...]:
        """The agents that hold a slot, in the order of the slots."""
        return tuple(s.incumbent for s in self.slots)

    @property
    def deciders(self) -> tuple[AgentId, ...]:
        """The agents that vote on some transaction: the incumbents first, then those on trial."""
        return (*self.incumbents, *(t.agent for t in self.trials))

    @property
    def agents(self) -> tuple[AgentId, ...]:
        """Every agent that scores, once: the incumbents first, then those on trial, then the shadows."""
        return tuple(dict.fromkeys(agent for _, agent in self.places))

    @property
    def scorers(self) -> tuple[AgentId, ...]:
        """Ids that hosts know the agents by, in the order of `agents`."""
        return tuple(self.version_of(agent) for agent in self.agents)

    def version_of(self, agent: AgentId) -> AgentId:
        """The id that hosts and the store know an agent's weights by."""
        return next((p.version for p in self.versions if p.agent == agent), agent)

    @property
    def places(self) -> tuple[tuple[SlotId, AgentId], ...]:
        """Who scores for which slot: the incumbents first, then those on trial, then the shadows."""
        incumbents = [(s.id, s.incumbent) for s in self.slots]
        return (*incumbents, *((t.slot, t.agent) for t in self.trials), *((s.slot, s.agent) for s in self.shadows))


def day_of(time: EventTime) -> Day:
    """The UTC day of an event time."""
    return Day(time // DAY_MS)


def date_of(day: int) -> str:
    """A day as people write it, e.g. `2026-03-01`."""
    return str(np.datetime64(int(day), "D"))


def _refuse_twice(where: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise LineupError(where, list(names), "each once")

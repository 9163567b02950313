"""Slots, epochs and the lineup: who decides, and who only watches."""

from __future__ import annotations

from typing import NewType

import msgspec

from rlfa.errors import RlfaError

AgentId = NewType("AgentId", str)
SlotId = NewType("SlotId", str)
Epoch = NewType("Epoch", int)  # 1, 2, 3 …; every change of who decides makes a new one
EventTime = NewType("EventTime", int)  # milliseconds UTC
Day = NewType("Day", int)  # days since 1970-01-01 UTC

DAY_MS = 86_400_000


class LineupError(RlfaError):
    """A lineup that can't play: where, found, allowed."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {!r}, allowed: {}".format(*self.args)


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


class Lineup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who plays at one moment.

    Shadows may come and go within an epoch: they don't change who decides.

    Raises:
        LineupError: no slot, a slot or an incumbent twice, a weight that isn't positive, an incumbent as a
            shadow.
    """

    epoch: Epoch
    slots: tuple[Slot, ...]
    shadows: tuple[Shadow, ...] = ()

    def __post_init__(self) -> None:
        if not self.slots:
            raise LineupError("lineup slots", (), "at least one slot")
        _refuse_twice("lineup slots", [s.id for s in self.slots])
        _refuse_twice("lineup incumbents", self.incumbents)
        if not all(s.weight > 0 for s in self.slots):
            raise LineupError("lineup weights", [s.weight for s in self.slots], "positive numbers")
        deciding = sorted({s.agent for s in self.shadows} & set(self.incumbents))
        if deciding:
            raise LineupError("lineup shadows", deciding, "agents that hold no slot")

    @property
    def incumbents(self) -> tuple[AgentId, ...]:
        """The agents that decide, in the order of the slots."""
        return tuple(s.incumbent for s in self.slots)

    @property
    def agents(self) -> tuple[AgentId, ...]:
        """Every agent that scores, once: the incumbents first, then the shadows."""
        return tuple(dict.fromkeys((*self.incumbents, *(s.agent for s in self.shadows))))


def day_of(time: EventTime) -> Day:
    """The UTC day of an event time."""
    return Day(time // DAY_MS)


def _refuse_twice(where: str, names: list[SlotId] | tuple[AgentId, ...]) -> None:
    if len(set(names)) < len(names):
        raise LineupError(where, list(names), "each once")

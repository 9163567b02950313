"""Which genomes to try next for a slot whose incumbent underperforms."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from rlfa.lineup.slots import AgentId, Day, SlotId


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacancy:
    """A slot that looks for a better agent."""

    slot: SlotId
    incumbent: AgentId
    family: str
    """The incumbent's."""
    day: Day
    scoutings: int
    """How often this slot has scouted before."""


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """A genome to train: a configured family, or an agent's own genome again."""

    family: str
    genome_of: AgentId = AgentId("")


class Scout(Protocol):
    """Chooses genomes; the same vacancy and seed give the same choice."""

    def choose(self, vacancy: Vacancy, count: int, seed: int) -> tuple[Pick, ...]:
        """At most `count` genomes, the incumbent's own first: the baseline that scouting must beat."""
        ...


@dataclass(frozen=True, slots=True)
class SeededScout:
    """The incumbent's genome again, and other configured families in an order drawn from the seed.

    Args:
        families: names of the configured genomes.
    """

    families: Sequence[str]

    def choose(self, vacancy: Vacancy, count: int, seed: int) -> tuple[Pick, ...]:
        """Each round takes up where the last one stopped, so that no family waits for ever."""
        again = Pick(family=vacancy.family, genome_of=vacancy.incumbent)
        others = sorted(set(self.families) - {vacancy.family})
        random.Random(f"{seed}/{vacancy.slot}").shuffle(others)  # noqa: S311  # to repeat
        wanted = min(count - 1, len(others))
        start = vacancy.scoutings * wanted
        return (again, *(Pick(family=others[(start + i) % len(others)]) for i in range(wanted)))

"""Which genomes to try next: discounted Thompson sampling on the uplift that past probations have shown.

An arm is a family of genomes, a pull is a training and its probation, and the payoff comes weeks later. Fraud moves
while nobody pulls an arm, so what was learnt fades by days, not by pulls, and a dead arm can come back.

Source: the Gaussian form after Qi, Wang & Zhu, "Discounted Thompson sampling for non-stationary bandit problems",
arXiv 2305.10718; the numbers are ours.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import msgspec.structs

from rlfa.lineup.slots import AgentId, Day, SlotId

HALF_LIFE_DAYS = 60.0
PRIOR_MEAN, PRIOR_PULLS, NOISE = 0.0, 1.0, 0.5
FLOOR = 0.1  # share of draws that are uniform, so that an arm without luck can come back
GAIN_SCALE = 0.10  # ten points of recall are a payoff of 1
FAILED = -0.25  # a training that failed, or a candidate that fell at the offline gate


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one family has shown, discounted to a day."""

    pulls: float = 0.0
    payoff: float = 0.0
    """Sum of the payoffs of those pulls."""
    day: Day = Day(0)

    def at(self, day: Day) -> Arm:
        """The arm as of a later day: what it has shown halves in `HALF_LIFE_DAYS`."""
        return msgspec.structs.replace(faded(self, 2.0 ** (-(day - self.day) / HALF_LIFE_DAYS)), day=day)

    @property
    def mean(self) -> float:
        """Posterior mean of the payoff."""
        return (self.payoff + PRIOR_PULLS * PRIOR_MEAN) / (self.pulls + PRIOR_PULLS)

    @property
    def deviation(self) -> float:
        """Posterior standard deviation of the payoff."""
        return NOISE / math.sqrt(self.pulls + PRIOR_PULLS)


Arms = Mapping[str, Arm]


def faded(arm: Arm, keep: float) -> Arm:
    """The arm with a share `keep` of its weight."""
    return msgspec.structs.replace(arm, pulls=arm.pulls * keep, payoff=arm.payoff * keep)


def paid(arm: Arm, payoff: Payoff) -> Arm:
    """The arm after a payoff that arrived on its own day."""
    return msgspec.structs.replace(
        arm, pulls=arm.pulls + payoff.weight, payoff=arm.payoff + payoff.weight * payoff.value
    )


class Payoff(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull brought: -1 to 1, and how much of a pull it counts as."""

    family: str
    value: float
    weight: float = 1.0


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
    arms: Arms = field(default_factory=dict)
    """What past probations have shown, of all slots."""
    in_flight: frozenset[str] = frozenset()
    """Families in training, in a pool or on probation anywhere: their payoff is on its way."""


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """A genome to train: a configured family, or an agent's own genome again."""

    family: str
    genome_of: AgentId = AgentId("")


class Scout(Protocol):
    """Chooses genomes; the same vacancy and seed give the same choice."""

    @property
    def families(self) -> Sequence[str]:
        """Names of the configured genomes."""
        ...

    def choose(self, vacancy: Vacancy, count: int, seed: int) -> tuple[Pick, ...]:
        """At most `count` genomes, the incumbent's own first: the baseline that scouting must beat."""
        ...


def uplift(gain: float, weight: float, frauds: int, frauds_full: int) -> tuple[float, float] | None:
    """Payoff and weight of a probation that has ended, however it ended: the estimate, not the verdict.

    Args:
        gain: frauds that only the challenger caught, less those that only the incumbent caught; where declines hide
            the truth each stands for 1/chance.
        weight: what the frauds stand for alike; as many as they are where every truth is known.
        frauds: compromised entities that both were seen on.
        frauds_full: so many count as one whole pull.

    Returns:
        `clip(mean d / u_scale, -1, 1)` and the weight; None without a fraud.
    """
    if frauds <= 0 or weight <= 0:
        return None
    value = gain / weight / GAIN_SCALE
    return min(max(value, -1.0), 1.0), min(frauds / frauds_full, 1.0)


def learn(arms: Arms, payoffs: Iterable[Payoff], day: Day) -> dict[str, Arm]:
    """The arms after some payoffs that arrived on a day."""
    after = dict(arms)
    for payoff in payoffs:
        after[payoff.family] = paid(after.get(payoff.family, Arm(day=day)).at(day), payoff)
    return after


@dataclass(frozen=True, slots=True)
class BanditScout:
    """The incumbent's genome again, and the families that a Thompson draw puts first.

    Args:
        families: names of the configured genomes.
    """

    families: Sequence[str]

    def choose(self, vacancy: Vacancy, count: int, seed: int) -> tuple[Pick, ...]:
        """A family whose payoff is on its way isn't drawn again; so there may be fewer than `count`."""
        again = Pick(family=vacancy.family, genome_of=vacancy.incumbent)
        chance = random.Random(f"{seed}/{vacancy.slot}/{vacancy.day}/{vacancy.scoutings}")  # noqa: S311  # to repeat
        left = sorted(set(self.families) - {vacancy.family} - vacancy.in_flight)
        picks = [again]
        while left and len(picks) < count:
            family = _draw(left, vacancy.arms, vacancy.day, chance)
            left.remove(family)
            picks.append(Pick(family=family))
        return tuple(picks)


def _draw(families: Sequence[str], arms: Arms, day: Day, chance: random.Random) -> str:
    """One family: mostly the largest of a draw from each posterior, sometimes any."""
    if chance.random() < FLOOR:
        return chance.choice(families)
    known = {f: arms.get(f, Arm(day=day)).at(day) for f in families}
    drawn = {f: chance.gauss(arm.mean, arm.deviation) for f, arm in known.items()}
    return max(families, key=lambda f: (drawn[f], f))


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

"""One policy's or plan's half-year in one world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rlfa.free_agency.policies.policy import HOLD, Kind, Move, Policy, Situation
from rlfa.free_agency.simulated_slot import Prices, cost_of_day, expected_gain, first_lineup
from rlfa.free_agency.simulated_world import HISTORY, ROWS, Scenario, Trained, World
from rlfa.free_agency.simulator import DAYS, Day, FreeAgencyEnv

PRICES = Prices()
Plan = Callable[[World, int, Trained], Trained]
"""Who decides on a day, given who did on the day before."""


@dataclass(frozen=True, slots=True)
class Life:
    """What came of it; money per 1,000 transactions."""

    cost: float
    saved: float
    """By catches, less trainings and swaps, without the luck of single frauds."""
    swaps: int
    false_swaps: int
    trials: int
    """Challengers that were on probation."""


@dataclass(frozen=True, slots=True)
class Never:
    """The first lineup, left alone."""

    name: str = "never"
    needs_evidence: bool = True

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        del situation, allowed
        return HOLD


def played(policy: Policy, drift: Scenario, world: int) -> Life:
    """A policy's life: it knows what the manager would know."""
    env = FreeAgencyEnv(needs_evidence=policy.needs_evidence, prices=PRICES)
    env.reset(seed=0, options={"scenario": drift, "world": world})
    days, trials = list[Day](), set[str]()
    for _ in range(DAYS - 1):
        days.append(env.play(policy.choose(env.situation, env.allowed))[1])
        trials |= {t.agent for t in env.situation.trials}
    return Life(
        cost=float(np.mean([d.cost for d in days])),
        saved=float(np.mean([d.saved for d in days])),
        swaps=sum(d.swapped for d in days),
        false_swaps=sum(d.false_swap for d in days),
        trials=len(trials),
    )


def planned(plan: Plan, drift: Scenario, seed: int) -> Life:
    """A plan's life: it needs no probation and no label, and pays for trainings and swaps like everybody."""
    world = World(drift, seed, DAYS)
    now = first_lineup(world)
    lost, saved, swaps, false_swaps = 0.0, 0.0, 0, 0
    for day in range(HISTORY + 1, HISTORY + DAYS):
        before, now = now, plan(world, day, now)
        world.strike(now, day)
        if now is not before:
            swaps += 1
            false_swaps += world.expected(now, day) <= world.expected(before, day)
        lost += cost_of_day(world, day, world.caught(now, day))
        saved += expected_gain(world, day, world.expected(now, day))
    rows = ROWS * (DAYS - 1) / 1000.0
    paid = swaps * (PRICES.swap + PRICES.training)
    return Life((lost + paid) / rows, (saved - paid) / rows, swaps, false_swaps, trials=0)

"""Plans that ask no evidence: an agent trained again at fixed times, and the best of all in hindsight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.lives.life import PRICES
from rlfa.free_agency.simulated_slot import expected_gain
from rlfa.free_agency.simulated_world import FAMILIES, HISTORY, Trained, World

TRAINED_EVERY, REPLANNED_EVERY = 7, 14


@dataclass(frozen=True, slots=True)
class Retrain:
    """The incumbent's genome again every so many days, swapped in unseen: what many teams do."""

    every: int

    def __call__(self, world: World, day: int, now: Trained) -> Trained:
        is_due = day > HISTORY + 1 and (day - HISTORY - 1) % self.every == 0
        return world.train(now.family, day - 1) if is_due else now


@dataclass(slots=True)
class Hindsight:
    """The best line of agents: it knows every share to come, and not the luck of single frauds.

    Agents of all families are trained each week; dynamic programming finds when to go from which to which. Where
    adversaries answer to who decides, the future depends on the plan, so that it is made again every other week.
    """

    _world: World | None = None
    _line: dict[int, Trained] = field(default_factory=dict)

    def __call__(self, world: World, day: int, now: Trained) -> Trained:
        is_new = self._world is not world
        if is_new or (world.scenario == "adversarial" and (day - HISTORY - 1) % REPLANNED_EVERY == 0):
            self._world, self._line = world, _best_line(world, day, now)
        return self._line[day]


def _best_line(world: World, day: int, now: Trained) -> dict[int, Trained]:
    """Who decides on each day from a day on."""
    orders = range(HISTORY, world.length - 1, TRAINED_EVERY)
    agents = [now, *(world.train(family, d) for d in orders for family in range(FAMILIES))]
    ready = np.array([day, *(d + 1 for d in orders for _ in range(FAMILIES))])
    gains = _gains(world, agents, day)
    best, came_from = gains[-1].copy(), list[NDArray[np.intp]]()
    price = PRICES.swap + PRICES.training
    # Backwards: from each agent either stay, or pay and go to the best that is trained by then.
    for t in range(world.length - 2, day - 1, -1):
        to = int(np.argmax(np.where(ready <= t + 1, best, -np.inf)))
        went = best[to] - price > best
        came_from.append(np.where(went, to, np.arange(len(agents))))
        best = gains[t - day] + np.where(went, best[to] - price, best)
    first = int(np.argmax(np.where(ready <= day, best - price * (np.arange(len(agents)) > 0), -np.inf)))
    line, at = {day: agents[first]}, first
    for t, step in enumerate(reversed(came_from), start=day + 1):
        at = int(step[at])
        line[t] = agents[at]
    return line


def _gains(world: World, agents: list[Trained], day: int) -> NDArray[np.float64]:
    """float64[days, agents], expected money of each day."""
    skill, place = np.stack([a.skill for a in agents]), np.stack([a.place for a in agents])
    limits = skill[None] - np.abs(world.place[day:, None] - place[None])
    shares = np.einsum("tk,tak->ta", world.mix[day:], ndtr(limits))
    a_share = np.array([expected_gain(world, d, 1.0) for d in range(day, world.length)])
    money: NDArray[np.float64] = shares * a_share[:, None]
    return money

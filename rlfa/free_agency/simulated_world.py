"""A world of fraud that drifts, and a bank of agents to train in it: the truth behind the simulator.

Frauds are of a few kinds; each kind has a place that may move. An agent catches a kind as well as its family suits it,
as it has seen it in its training window, and as near as the kind still is to where it was then. Frauds of a day and
an agent's luck with them are drawn once per seed: two policies that train the same family on the same day get the same
agent, so that policies are compared in pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Scenario = Literal["none", "abrupt", "gradual", "recurring", "adversarial", "delay", "fraud_rate", "outage"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
KINDS = 5
FAMILIES = 4
HISTORY = 100
"""Days before the first that is played: the first incumbent's window."""
SHARED = 0.6
"""Share of a fraud's difficulty that all agents have in common."""
GATE_DAYS = 2
ROWS = 10_000
"""Transactions a day."""
_AMOUNT_LOG = (4.0, 1.0)
AMOUNT_MEAN = math.exp(_AMOUNT_LOG[0] + 0.5 * _AMOUNT_LOG[1] ** 2)
"""Of a fraud, in the stream's currency."""
_SPREAD = (math.sqrt(SHARED), math.sqrt(1.0 - SHARED))


@dataclass(frozen=True, slots=True)
class Trained:
    """An agent of the bank.

    Attributes:
        family: its number.
        day: it was ordered on.
        skill: float64[kinds], normal quantile of the share that it catches of a kind that has not moved.
        place: float64[kinds], where each kind was in its window.
        luck: float64[frauds], of this agent with each fraud of the world.
    """

    family: int
    day: int
    skill: NDArray[np.float64]
    place: NDArray[np.float64]
    luck: NDArray[np.float64]


class World:
    """One seed's world.

    Args:
        scenario: how it drifts.
        seed: of everything in it.
        days: that are played, after `HISTORY`.
    """

    def __init__(self, scenario: Scenario, seed: int, days: int) -> None:
        rng = np.random.default_rng([SCENARIOS.index(scenario), seed])
        self.scenario, self.seed = scenario, seed
        self.length = HISTORY + days
        self.delay = int(rng.choice([7, 14, 21]))
        self.change = HISTORY + int(rng.integers(15, max(days // 2, 16)))
        self.windows = rng.choice([30, 45, 60], FAMILIES)
        self.affinity = rng.normal(0.0, 0.35, (FAMILIES, KINDS))
        self.learning = rng.uniform(0.35, 0.55, FAMILIES)
        self.rate = np.full(self.length, rng.uniform(4.0, 12.0))
        self.mix, self.place = self._drift(rng)
        self.reported_share = np.full(self.length, 0.97)
        self.away = np.zeros(self.length, np.bool_)
        self._incidents(rng)
        self._draw(rng)

    def _drift(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """float64[days, kinds] each: how frequent a kind is, and where."""
        before, after = rng.dirichlet(np.full(KINDS, 1.5), 2)
        jump = rng.normal(0.0, 1.0, KINDS) * rng.uniform(0.3, 1.2)
        t = np.arange(self.length)
        since = t - self.change
        match self.scenario:
            case "none" | "adversarial":
                share = np.zeros(self.length)
            case "gradual":
                share = np.clip(since / rng.uniform(40, 90), 0.0, 1.0)
            case "recurring":
                period = int(rng.integers(25, 55))
                share = np.where(since >= 0, (since // period + 1) % 2, 0).astype(float)
            case "delay":
                share = (since >= int(rng.integers(5, 30))).astype(float)
            case "outage":
                share = (since >= 5).astype(float)
            case "abrupt" | "fraud_rate":
                share = (since >= 0).astype(float)
        wander = np.cumsum(rng.normal(0.0, 0.008, (self.length, KINDS)), axis=0)
        mix = before + share[:, None] * (after - before)
        return mix, share[:, None] * jump + wander

    def _incidents(self, rng: np.random.Generator) -> None:
        """What scenarios change besides the frauds themselves."""
        later = np.arange(self.length) >= self.change
        if self.scenario == "delay":
            self.reported_share = np.where(later, rng.uniform(0.35, 0.6), self.reported_share)
        elif self.scenario == "fraud_rate":
            self.rate = np.where(later, self.rate * rng.choice([0.35, 2.5]), self.rate)
        elif self.scenario == "outage":
            self.away[self.change : self.change + int(rng.integers(5, 20))] = True

    def _draw(self, rng: np.random.Generator) -> None:
        counts = np.where(self.away, 0, rng.poisson(self.rate))
        self.start = np.concatenate([[0], np.cumsum(counts)])
        n = int(self.start[-1])
        self.day_of = np.repeat(np.arange(self.length), counts)
        self.amount = rng.lognormal(*_AMOUNT_LOG, n)
        self.difficulty = _SPREAD[0] * rng.normal(size=n)
        self.reported = rng.random(n) < self.reported_share[self.day_of]
        self._pick = rng.random(n)
        shares = np.cumsum(self.mix, axis=1)
        self.kind = np.minimum((self._pick[:, None] > shares[self.day_of]).sum(axis=1), KINDS - 1)
        # Visible drift: how far the stream is from where it was, through a noise that differs by world.
        self.visibility = float(rng.uniform(0.0, 1.0))
        self.noise = rng.normal(0.0, 0.25, self.length)

    def rows(self, day: int) -> slice:
        """Where a day's frauds lie."""
        return slice(int(self.start[day]), int(self.start[day + 1]))

    def train(self, family: int, day: int) -> Trained:
        """An agent of a family, ordered on a day: its window ends before the gate's days."""
        rng = np.random.default_rng([self.seed, family, day, 1])
        end = day - self.delay - GATE_DAYS
        begin = max(end - int(self.windows[family]), 0)
        rows = slice(int(self.start[begin]), int(self.start[max(end, begin)]))
        kinds = self.kind[rows][self.reported[rows]]
        seen = np.bincount(kinds, minlength=KINDS)
        where = self.place[self.day_of[rows][self.reported[rows]], kinds]
        mean = np.bincount(kinds, where, minlength=KINDS) / np.maximum(seen, 1)
        known = np.where(seen > 0, mean, self.place[begin])
        skill = -0.6 + self.affinity[family] + self.learning[family] * np.log1p(seen / 15.0)
        noisy = skill + rng.normal(0.0, 0.12, KINDS)
        return Trained(family, day, noisy, known, self.difficulty + _SPREAD[1] * rng.normal(size=len(self.amount)))

    def limits(self, agent: Trained, day: int) -> NDArray[np.float64]:
        """float64[kinds], normal quantile of what the agent catches of each kind on a day."""
        limits: NDArray[np.float64] = agent.skill - np.abs(self.place[day] - agent.place)
        return limits

    def caught(self, agent: Trained, day: int) -> NDArray[np.bool_]:
        """bool[frauds of the day]."""
        rows = self.rows(day)
        caught: NDArray[np.bool_] = agent.luck[rows] < self.limits(agent, day)[self.kind[rows]]
        return caught

    def expected(self, agent: Trained, day: int) -> float:
        """The truth: the share of a day's frauds that an agent catches, without luck."""
        return float(self.mix[day] @ ndtr(self.limits(agent, day)))

    def shift(self, agent: Trained, day: int) -> float:
        """What signals without labels show of the drift since an agent's training, over their threshold."""
        moved = float(self.mix[day] @ np.abs(self.place[day] - agent.place))
        other = 0.5 * float(np.abs(self.mix[day] - self.mix[max(agent.day - self.delay - 1, 0)]).sum())
        return max(0.0, self.visibility * 1.6 * (moved + other) + float(self.noise[day]))

    def strike(self, agent: Trained, day: int) -> None:
        """Adversaries move a week's fraud to what the incumbent misses, from the change on."""
        if self.scenario != "adversarial" or day < self.change or (day - self.change) % 7:
            return
        missed = 1.0 - ndtr(self.limits(agent, day))
        mix = self.mix[day] * np.exp(1.2 * missed)
        self.mix[day:] = mix / mix.sum()
        rows = slice(int(self.start[day]), len(self.kind))
        shares = np.cumsum(self.mix[day])
        self.kind[rows] = np.minimum(np.searchsorted(shares, self._pick[rows]), KINDS - 1)

    @cached_property
    def loss_a_day(self) -> float:
        """Mean amount of fraud on a day, as of the beginning."""
        return float(self.rate[HISTORY] * self.amount.mean())

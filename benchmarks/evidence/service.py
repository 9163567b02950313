"""Part A through the service's own code: cohorts, thresholds of earlier days, paired losses, probation.

Six cards a day are stolen; each gives a geometric number of fraud rows, spread over days, that an agent catches or
misses nearly as a whole. Thresholds follow from the alert budget on the seven days before, as in the manager.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.rule import VALUES, log_e
from rlfa.free_agency.probation import Verdict, advance, verdict
from rlfa.free_agency.rules import ProbationRules
from rlfa.free_agency.state import Probation
from rlfa.lineup.slots import DAY_MS, AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.budget import daily_threshold, ranking
from rlfa.rewards.money import Costs

ROWS, CARDS, BURST, BUDGET = 240, 6, 5.0, 20
OLD, NEW = AgentId("old"), AgentId("new")
COSTS = Costs(alert_budget_per_day=BUDGET)
NO_EARLY_END = ProbationRules(rows_min=1, frauds_max=1_000_000, days_max=3650, futile_at=1e9, worse_at=1e9)


@dataclass(frozen=True, slots=True)
class Life:
    """One probation through the service's code.

    Attributes:
        verdict: how it ended.
        frauds: compromised cards by then.
        difference: largest |log e| by which the vectorised form differs from the project's.
    """

    verdict: Verdict
    frauds: int
    difference: float


def live(rng: np.random.Generator, days: int, skill: tuple[float, float], rules: ProbationRules) -> Life:
    """Take one cohort after another until the rule speaks.

    Args:
        rng: of the cohorts.
        days: at most.
        skill: of incumbent and challenger, in standard deviations between frauds and genuine rows.
        rules: of the probation.
    """
    state = Probation(challenger=NEW, family="moe", incumbent=OLD, first_full_day=Day(0), rules=rules, costs=COSTS)
    limits = {OLD: (), NEW: ()}
    counts, largest = np.zeros(len(VALUES), np.int64), 0.0
    for cohort in cohorts(rng, days, skill):
        state, paired = advance(state, cohort, limits)
        for agent in limits:
            today = daily_threshold(cohort.day, ranking(cohort, agent, COSTS), COSTS)
            limits[agent] = (*limits[agent], today)[-rules.threshold_days :]
        if paired is not None:
            counts = counts + (paired.difference[:, None] == VALUES).sum(axis=0)
            gap = max(abs(log_e(counts, VALUES) - state.e.log_up), abs(log_e(counts, -VALUES) - state.e.log_down))
            largest = max(largest, float(gap))
        what = verdict(state)
        if what != "wait":
            return Life(what, state.frauds, largest)
    return Life("wait", state.frauds, largest)


def cohorts(rng: np.random.Generator, days: int, skill: tuple[float, float]) -> list[Cohort]:
    """Days of rows; a stolen card comes back on later days, with the same two scores but for some noise."""
    size = rng.geometric(1 / BURST, days * CARDS)
    card = np.repeat(np.arange(len(size)), size)
    within = np.arange(len(card)) - np.repeat(np.cumsum(size) - size, size)
    day = card // CARDS + within // 2  # two rows of a card a day
    mean = rng.normal(size=(len(size), 2)) + np.array(skill)
    return [_cohort(rng, d, card[day == d], mean[card[day == d]]) for d in range(days)]


def _cohort(rng: np.random.Generator, day: int, card: NDArray[np.int64], mean: NDArray[np.float64]) -> Cohort:
    n = ROWS + len(card)
    fraud = np.arange(n) >= ROWS
    logits = 0.5 * rng.normal(size=(n, 2)) + 0.7 * rng.normal(size=(n, 1))
    logits[ROWS:] = mean + 0.1 * rng.normal(size=mean.shape)
    customer = np.concatenate([day * ROWS + np.arange(ROWS) + 1_000_000, card + 1]).astype(np.uint64)
    return Cohort(
        day=Day(day),
        tx_hash=rng.permutation(n).astype(np.uint64) + np.uint64(1),
        event_time=day * DAY_MS + rng.integers(0, DAY_MS, n),
        amount=np.ones(n),
        fraud=fraud,
        entities={"card": customer},
        logits={OLD: logits[:, 0].astype(np.float32), NEW: logits[:, 1].astype(np.float32)},
        score=np.zeros(n),
        stopped=np.zeros(n, np.bool_),
    )

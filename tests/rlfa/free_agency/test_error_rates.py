"""Simulated lives of challengers: the equal are rarely promoted, the better nearly always.

Frauds come in bursts of five rows of one stolen card, which each agent wins or loses as a whole. Over 1,000
lives 1.8 % of the equal challengers were promoted; counting rows in place of cards promoted 33 %.
"""

from __future__ import annotations

import math

import numpy as np

from rlfa.free_agency.probation import advance, verdict
from rlfa.free_agency.rules import FreeAgencyRules, ProbationRules
from rlfa.lineup.slots import DAY_MS, AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.budget import DailyThreshold, rule_of
from rlfa.rewards.money import Costs
from tests.rlfa.free_agency.builders import FIRST_DAY, probation

ROWS, CARDS, BURST = 240, 6, 5
DAYS = 30
RULES = FreeAgencyRules(
    costs=Costs(alert_budget_per_day=20),
    probation=ProbationRules(rows_min=1, frauds_max=10_000, futile_at=1e9),
)
THRESHOLDS = {AgentId(a): (DailyThreshold(Day(99), 1.8, rule_of(RULES.costs)),) for a in ("old", "new")}


def day_with_bursts(rng: np.random.Generator, day: int, old: float, new: float) -> Cohort:
    fraud = np.arange(ROWS) < CARDS * BURST
    card = np.where(fraud, np.arange(ROWS) // BURST, np.arange(ROWS)).astype(np.uint64) + np.uint64(day * ROWS + 1)
    by_card = rng.normal(size=(2, CARDS)).repeat(BURST, axis=1)
    logits = 0.5 * rng.normal(size=(2, ROWS)) + 0.7 * rng.normal(size=ROWS)
    logits[:, : CARDS * BURST] = np.array([[old], [new]]) + by_card
    return Cohort(
        day=Day(day),
        tx_hash=np.arange(ROWS, dtype=np.uint64),
        event_time=day * DAY_MS + np.arange(ROWS),
        amount=np.ones(ROWS),
        fraud=fraud,
        entities={"card": card},
        logits={AgentId("old"): logits[0].astype(np.float32), AgentId("new"): logits[1].astype(np.float32)},
        score=np.zeros(ROWS),
        stopped=np.zeros(ROWS, np.bool_),
    )


def share_promoted(streams: int, old: float, new: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    return float(np.mean([is_promoted(rng, old, new) for _ in range(streams)]))


def is_promoted(rng: np.random.Generator, old: float, new: float) -> bool:
    state = probation(RULES)
    for day in range(FIRST_DAY, FIRST_DAY + DAYS):
        state, _ = advance(state, day_with_bursts(rng, day, old, new), THRESHOLDS)
        what = verdict(state)
        if what != "wait":
            return what == "promote"
    return False


def test_equal_challenger_is_promoted_in_at_most_alpha_of_lives() -> None:
    lives, alpha = 250, RULES.probation.alpha
    margin = 3.0 * math.sqrt(alpha * (1 - alpha) / lives)
    assert share_promoted(lives, old=2.0, new=2.0, seed=1) <= alpha + margin


def test_much_better_challenger_is_promoted() -> None:
    assert share_promoted(40, old=1.5, new=2.5, seed=2) >= 0.95


def test_worse_challenger_is_never_promoted() -> None:
    assert share_promoted(40, old=2.5, new=1.5, seed=3) == 0.0

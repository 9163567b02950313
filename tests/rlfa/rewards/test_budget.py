"""The common alert budget."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rlfa.lineup.slots import Day
from rlfa.rewards.budget import DailyThreshold, common_thresholds, daily_threshold, rule_of, stops, threshold
from rlfa.rewards.money import Costs


def limit(day: int, value: float, costs: Costs | None = None) -> DailyThreshold:
    return DailyThreshold(Day(day), value, rule_of(costs or Costs()))


Ranks = hnp.arrays(np.float64, st.integers(1, 50), elements=st.floats(-10, 10, width=32))


@given(ranks=Ranks, budget=st.integers(1, 60))
def test_threshold_never_stops_more_than_the_budget_on_its_own_day(ranks: np.ndarray, budget: int) -> None:
    found = daily_threshold(Day(0), ranks, Costs(alert_budget_per_day=budget))
    assert found is not None
    assert stops(ranks, found.value).sum() <= budget


@given(ranks=hnp.arrays(np.float64, st.integers(1, 50), elements=st.integers(-1000, 1000), unique=True))
def test_distinct_scores_spend_the_whole_budget(ranks: np.ndarray) -> None:
    found = daily_threshold(Day(0), ranks, Costs(alert_budget_per_day=7))
    assert found is not None
    assert stops(ranks, found.value).sum() == min(7, len(ranks))


def test_missing_scores_are_approved_and_set_no_threshold() -> None:
    ranks = np.array([np.nan, 3.0, 1.0, 2.0])
    found = daily_threshold(Day(0), ranks, Costs(alert_budget_per_day=1))
    assert found is not None
    assert stops(ranks, found.value).tolist() == [False, True, False, False]
    assert daily_threshold(Day(0), np.array([np.nan]), Costs()) is None


def test_first_cohort_has_no_threshold() -> None:
    assert threshold((), Costs()) is None


def test_by_net_gain_nothing_is_stopped_at_a_loss() -> None:
    by_gain = Costs(rank_by="net_gain")
    assert threshold((limit(1, -5.0, by_gain),), by_gain) == 0.0
    assert threshold((limit(1, -5.0),), Costs()) == -5.0


def test_threshold_of_another_budget_means_nothing() -> None:
    assert threshold((limit(1, 9.0),), Costs(alert_budget_per_day=7)) is None


def test_two_agents_are_compared_at_thresholds_of_the_same_days() -> None:
    old = (limit(1, 9.0), limit(2, 1.0), limit(3, 3.0))
    new = (limit(2, 5.0), limit(3, 7.0))
    assert common_thresholds(old, new, Costs()) == (pytest.approx(2.0), pytest.approx(6.0))
    assert common_thresholds(old[:1], new, Costs()) is None

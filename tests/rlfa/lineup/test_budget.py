"""A day's alert budget: what fits is raised, by worked examples and for any rows in any batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from rlfa.lineup.actions import choose
from rlfa.lineup.budget import AlertRules, Ration, Rationed, Share, floor_of, floor_on, median, spend, worth
from rlfa.lineup.slots import DAY_MS, AlertFloor, Day
from rlfa.rewards.budget import rule_of
from rlfa.rewards.money import Costs

TEN = Costs(alert_budget_per_day=10)
FIRST = Day(20_000)


def floor(value: float | None, best: float | None, from_day: int = 0, costs: Costs = TEN) -> AlertFloor:
    return AlertFloor(from_day=Day(from_day), value=value, best=best, rule=rule_of(costs))


@dataclass(frozen=True)
class Alert:
    worth: float
    day: int = FIRST
    action: int = 1


def spent(alerts: Sequence[Alert], floors: Sequence[AlertFloor], ration: Ration, costs: Costs = TEN) -> Rationed:
    return spend(
        np.array([a.action for a in alerts], np.int8),
        np.array([a.worth for a in alerts], np.float64),
        np.array([a.day * DAY_MS + 5 for a in alerts], np.int64),
        floors,
        costs,
        ration,
    )


def test_without_a_floor_everything_that_pays_is_raised_up_to_the_hard_stop() -> None:
    got = spent([Alert(0.1)] * 15, (), Ration(AlertRules()))
    assert got.action.tolist() == [1] * 12 + [0] * 3  # 1.2 x 10
    assert got.over_budget.tolist() == [False] * 12 + [True] * 3
    assert got.floor.tolist() == [-math.inf] * 12 + [math.inf] * 3
    assert got.ration.raised == {FIRST: 12}


def test_the_floor_counts_from_the_first_alert_and_the_reserve_is_for_the_best() -> None:
    alerts = [Alert(0.2), Alert(0.3)] * 11 + [Alert(0.3), Alert(0.9), Alert(0.9)]
    got = spent(alerts, [floor(0.2, 0.8)], Ration(AlertRules()))
    assert got.action.tolist() == [0, 1] * 11 + [0, 1, 0]  # equal to the floor isn't above it
    assert got.floor.tolist() == [0.2] * 22 + [0.8, 0.8, math.inf]


def test_approvals_cost_nothing_and_have_no_floor() -> None:
    got = spent([Alert(0.9, action=0)] * 100, [floor(0.2, 0.8)], Ration(AlertRules()))
    assert not got.over_budget.any()
    assert np.isnan(got.floor).all()
    assert got.ration.raised == {}


def test_each_day_has_a_budget_of_its_own_also_for_late_rows() -> None:
    late = [Alert(0.5)] * 12 + [Alert(0.5, FIRST + 1)] * 2 + [Alert(0.5)] * 2
    got = spent(late, (), Ration(AlertRules()))
    assert got.over_budget.tolist() == [False] * 14 + [True] * 2
    assert got.ration.raised == {FIRST: 12, FIRST + 1: 2}


def test_a_budget_that_is_not_enforced_changes_nothing() -> None:
    got = spent([Alert(0.1)] * 15, [floor(0.2, 0.8)], Ration(AlertRules(enforced=False)))
    assert got.action.tolist() == [1] * 15
    assert not got.over_budget.any()


def test_the_newest_floor_in_force_holds_unless_it_stands_for_another_ranking() -> None:
    floors = [floor(0.1, 0.5, 10), floor(0.2, None, 11), floor(0.3, 0.7, 13)]
    assert floor_on(Day(9), floors, TEN) == (-math.inf, -math.inf)
    assert floor_on(Day(10), floors, TEN) == (0.1, 0.5)
    assert floor_on(Day(12), floors, TEN) == (0.2, -math.inf)
    assert floor_on(Day(99), floors, TEN) == (0.3, 0.7)
    by_gain = Costs(alert_budget_per_day=10, rank_by="net_gain")
    assert floor_on(Day(99), floors, by_gain) == (-math.inf, -math.inf)
    assert floor_on(Day(99), floors, Costs(alert_budget_per_day=11)) == (-math.inf, -math.inf)


def test_a_days_floor_lets_exactly_the_budget_through_and_the_median_forgets_an_attack() -> None:
    worths = np.array([0.9, 0.1, 0.5, 0.3, 0.7])
    assert floor_of(worths, 2) == pytest.approx(0.6)
    assert (worths > 0.6).sum() == 2
    assert floor_of(worths, 5) is None
    assert floor_of(np.empty(0), 1) is None
    assert median([0.2, 0.95, 0.3]) == 0.3
    assert median([0.2, 0.4]) == 0.2
    assert median([None, 0.3, 0.4]) == 0.3
    assert median([None, None, 0.4]) is None


def test_worth_is_the_probability_or_the_expected_gain_of_the_action() -> None:
    # rho .9, fp 5, review 1, q .9: declining gains .5 x 90 - .5 x 5 = 42.5, a review .5 x 90 x .9 - 1 = 39.5
    score, amount = np.array([0.5, 0.5, 0.001]), np.array([100.0, 10.0, 100.0])
    assert worth(score, amount, Costs()) == pytest.approx(score)
    by_gain = Costs(rank_by="net_gain")
    # with 10: .5 x 9 - 2.5 = 2 against .5 x 9 x .9 - 1 = 3.05; the last one isn't worth stopping
    assert worth(score, amount, by_gain) == pytest.approx([42.5, 3.05, 0.0])
    assert choose(score, amount, by_gain).tolist() == [2, 1, 0]


def test_the_shares_of_lanes_add_up_to_the_budget() -> None:
    partitions, total = [3, 2, 2], 1_000
    parts = [Share(sum(partitions[:i]), mine, 7).part(total) for i, mine in enumerate(partitions)]
    assert parts == [428, 286, 286]
    alerts = [Alert(0.5)] * 20
    halves = [Ration(AlertRules(), Share(i, 1, 2)) for i in range(2)]
    assert [int((spent(alerts, (), half).action > 0).sum()) for half in halves] == [6, 6]


ALERTS = st.lists(
    st.builds(
        Alert,
        worth=st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.8, 0.9]),
        day=st.integers(FIRST, FIRST + 2),
        action=st.integers(0, 2),
    ),
    max_size=60,
)
RULES = st.builds(AlertRules, stop=st.floats(1, 2), reserve=st.floats(0, 1))
FLOORS = st.lists(
    st.builds(
        floor,
        value=st.one_of(st.none(), st.floats(0, 0.5)),
        best=st.one_of(st.none(), st.floats(0.5, 1)),
        from_day=st.integers(FIRST - 1, FIRST + 3),
    ),
    max_size=3,
)


@given(ALERTS, FLOORS, RULES)
def test_no_day_has_more_alerts_than_the_hard_stop(
    alerts: list[Alert], floors: list[AlertFloor], rules: AlertRules
) -> None:
    got = spent(alerts, floors, Ration(rules))
    for day in range(FIRST, FIRST + 3):
        raised = sum(1 for a, action in zip(alerts, got.action.tolist(), strict=True) if a.day == day and action)
        assert raised == got.ration.raised.get(Day(day), 0) <= rules.stop * TEN.alert_budget_per_day
    kept = ~got.over_budget
    assert (got.action[kept] == np.array([a.action for a in alerts], np.int8)[kept]).all()
    assert not got.action[got.over_budget].any()


@given(ALERTS, FLOORS, RULES, st.lists(st.integers(0, 60), max_size=5))
def test_the_batching_of_rows_changes_no_decision(
    alerts: list[Alert], floors: list[AlertFloor], rules: AlertRules, cuts: list[int]
) -> None:
    whole = spent(alerts, floors, Ration(rules))
    ration, actions, floors_met = Ration(rules), list[int](), list[float]()
    edges = sorted({0, len(alerts), *(c for c in cuts if c < len(alerts))})
    for begin, end in pairwise(edges):
        part = spent(alerts[begin:end], floors, ration)
        ration = part.ration
        actions += part.action.tolist()
        floors_met += part.floor.tolist()
    assert actions == whole.action.tolist()
    assert np.array_equal(floors_met, whole.floor, equal_nan=True)
    assert {d: n for d, n in ration.raised.items() if n} == {d: n for d, n in whole.ration.raised.items() if n}

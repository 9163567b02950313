"""Costs by hand, the common rule of spending, charts."""

from __future__ import annotations

import numpy as np

from rlfa.backtest.charts import chart
from rlfa.backtest.figures import costs_of, within_budget
from rlfa.rewards.money import Costs

COSTS = Costs(prevented_share=0.9, false_positive=5.0, review=1.0, review_catch_rate=0.8, alert_budget_per_day=2)


def test_costs_are_what_approved_fraud_takes_and_what_alerts_cost() -> None:
    fraud = np.array([True, True, True, False, False, False])
    action = np.array([0, 1, 2, 0, 1, 2], np.int8)
    found = costs_of(fraud, np.full(6, 100.0), action, COSTS)
    np.testing.assert_allclose(found, [90.0, 1.0 + 18.0, 0.0, 0.0, 1.0, 5.0])


def test_a_day_spends_its_budget_on_its_best_alerts_and_on_none_that_does_not_pay() -> None:
    score = np.array([0.9, 0.5, 0.8, 0.001, 0.7, np.nan])
    day = np.array([1, 1, 1, 2, 2, 2])
    action = within_budget(score, np.full(6, 100.0), day, COSTS)
    assert (action > 0).tolist() == [True, False, True, False, True, False]


def test_a_week_without_a_figure_interrupts_its_line() -> None:
    drawn = chart("t", ["a", "b", "c", "d"], {"x": [1.0, None, 0.5, 0.7]}, marks=[1.0])
    assert [len(points.split()) for points in drawn.lines[0].strokes] == [1, 2]
    assert float(drawn.lines[0].strokes[0].split(",")[1]) == drawn.top  # the largest value is a round number
    assert [tick.text for tick in drawn.y_ticks] == ["0", "0.25", "0.5", "0.75", "1"]

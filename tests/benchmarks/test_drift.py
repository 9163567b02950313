"""The rules of `benchmarks.drift` that every method's figures go through."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.drift.history import History
from benchmarks.drift.measures import figures, recovery, stops
from benchmarks.handbook_data import DAY_MS, scattered

DAYS, A_DAY = 30, 40


def history(**changes: object) -> History:
    """A tenth of each day is fraud; two rows a card."""
    n = DAYS * A_DAY
    day = np.arange(n) // A_DAY
    fields: dict[str, object] = {
        "name": "small",
        "names": ("amount",),
        "categorical": (),
        "x": np.ones((n, 1), np.float32),
        "fraud": np.arange(n) % 10 == 0,
        "day": day,
        "event_time": day * DAY_MS,
        "amount": np.full(n, 100.0),
        "entities": {"card": scattered(np.arange(n) // 2)},
        "delay_days": 2,
        "first_day": 10,
        "changes": (20,),
        "budget": 4,
    }
    return History(**{**fields, **changes})  # type: ignore[arg-type]


def sees(past: History, blind: range) -> np.ndarray:
    """Scores that tell fraud on all days but some."""
    score = np.where(past.fraud, 0.9, 0.1)
    return np.where(np.isin(past.day, list(blind)), 0.5, score)


def test_a_training_sees_no_day_whose_delay_has_not_passed_and_no_more_than_its_window() -> None:
    past = history(window_days=5)
    assert set(past.day[past.known(20)]) == set(range(13, 18))
    assert past.known(1) == slice(0, 0)


def test_a_sample_keeps_whole_cards_and_shrinks_the_budgets() -> None:
    past = history(budget=50)
    half = past.sampled(0.5)
    assert 0.3 < len(half.day) / len(past.day) < 0.7
    assert not set(half.card) & (set(past.card) - set(half.card))
    _, rows = np.unique(half.card, return_counts=True)
    assert set(rows) == {2}
    assert (half.budget, half.customers_a_day) == (25, 50)


def test_alerts_are_the_days_largest_expected_gains_within_the_budget_and_none_that_loses() -> None:
    score, amount, day = np.array([0.9, 0.8, 0.9, 0.001]), np.array([10.0, 500.0, 20.0, 5.0]), np.array([0, 0, 0, 1])
    assert stops(score, amount, day, 2).tolist() == [False, True, True, False]


def test_recovery_is_the_day_on_which_the_average_of_three_days_is_back() -> None:
    past = history()
    assert recovery(past, sees(past, range(0)), 20, DAYS) == 0
    assert recovery(past, sees(past, range(20, 24)), 20, DAYS) == 7  # days 24 to 26 are the first three without a miss
    assert recovery(past, sees(past, range(20, DAYS)), 20, DAYS) == 10


def test_figures_of_a_method_that_misses_nothing() -> None:
    past = history(changes=())
    found = figures(past, sees(past, range(0)))
    assert found["AP"] == pytest.approx(1.0)
    assert found["value detected"] == pytest.approx(1.0)
    assert found["cost per 1,000"] == pytest.approx(100.0), "a review for each fraud, a tenth of the rows"
    assert "recovery days" not in found

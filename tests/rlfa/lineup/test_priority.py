"""Alerts in the order in which a look at them pays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lineup.actions import choose
from rlfa.lineup.priority import disagree, priorities
from rlfa.rewards.money import Costs, probability

COSTS = Costs(prevented_share=0.5, false_positive=5.0, review=1.0)
SURE, DOUBT, CLEAR = 4.0, 0.0, -9.0


def prioritised(logits: list[list[float]], amount: list[float], action: list[int]) -> np.ndarray:
    x = np.array(logits, np.float32)
    score = probability(np.nanmean(x, axis=1).astype(np.float32))
    return priorities(x, score, np.array(amount), np.array(action, np.int8), COSTS)


def test_disagreements_come_first_and_each_group_goes_by_the_expected_loss() -> None:
    logits = [[SURE, SURE], [SURE, CLEAR], [SURE, SURE], [DOUBT, CLEAR]]
    got = prioritised(logits, [10_000.0, 50.0, 100.0, 900.0], [2, 1, 2, 1])
    assert np.argsort(-got).tolist() == [3, 1, 0, 2]


def test_by_hand() -> None:
    # Half sure of 80 with rho .5: 20 are at stake, 20/21. The second agent would approve it.
    assert prioritised([[DOUBT, DOUBT]], [80.0], [1]).tolist() == [pytest.approx(20 / 21)]
    x = np.array([[DOUBT, CLEAR]], np.float32)
    got = priorities(x, np.array([0.5]), np.array([80.0]), np.array([1], np.int8), COSTS)
    assert got.tolist() == [pytest.approx(1 + 20 / 21)]


def test_what_was_approved_is_no_alert() -> None:
    assert prioritised([[SURE, CLEAR]], [500.0], [0]).tolist() == [0.0]


def test_an_agent_that_is_away_takes_no_side() -> None:
    x = np.array([[SURE, np.nan], [np.nan, CLEAR], [SURE, CLEAR]], np.float32)
    assert disagree(x, np.full(3, 100.0), COSTS).tolist() == [False, False, True]


@given(
    logits=st.lists(st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3), min_size=1, max_size=20),
    amount=st.floats(0, 1e5),
)
def test_agents_disagree_where_they_alone_would_do_different_things(logits: list[list[float]], amount: float) -> None:
    x = np.array(logits, np.float32)
    for row, found in zip(x, disagree(x, np.full(len(x), amount), COSTS), strict=True):
        alone = {bool(choose(np.array([p]), np.array([amount]), COSTS)[0]) for p in probability(row)}
        assert found == (len(alone) == 2)

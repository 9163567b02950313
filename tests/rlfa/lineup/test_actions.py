"""Costs to actions, and agents to one score."""

import numpy as np
import pytest

from rlfa.lineup.actions import ACTIONS, choose, combine
from rlfa.rewards.money import Costs


def actions(score: float, amount: float, costs: Costs) -> str:
    return ACTIONS[choose(np.array([score]), np.array([amount]), costs)[0]]


def test_a_small_risk_on_a_small_amount_is_approved() -> None:
    assert actions(0.01, 20.0, Costs()) == "approve"


def test_the_same_risk_stops_a_larger_amount() -> None:
    assert actions(0.05, 20.0, Costs()) == "approve"
    assert actions(0.05, 2_000.0, Costs()) != "approve"


def test_a_near_certain_fraud_is_declined() -> None:
    assert actions(0.999, 500.0, Costs()) == "decline"


def test_a_refund_is_never_stopped() -> None:
    assert actions(0.9, 0.0, Costs()) == "approve"


def test_an_agent_without_a_score_leaves_its_weight_to_the_rest() -> None:
    logits = np.array([[2.0, np.nan], [2.0, 0.0]], np.float32)
    score, degraded = combine(logits, np.array([0.5, 0.5]))
    assert score[0] == pytest.approx(1 / (1 + np.exp(-2)))
    assert score[1] == pytest.approx(1 / (1 + np.exp(-1)))
    assert degraded.tolist() == [True, False]

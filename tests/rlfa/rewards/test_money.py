"""What an agent's own decisions earn."""

import numpy as np
import pytest

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.cohorts import Cohort, CohortError
from rlfa.rewards.money import Costs, earned, mistake_costs, net_gain

COSTS = Costs(prevented_share=0.5, false_positive=4.0, review=1.0)


def cohort(fraud: list[bool], customer: list[int], amount: list[float]) -> Cohort:
    n = len(fraud)
    return Cohort(
        day=Day(0),
        tx_hash=np.arange(n, dtype=np.uint64),
        event_time=np.arange(n, dtype=np.int64),
        amount=np.array(amount),
        fraud=np.array(fraud),
        entities={"customer": np.array(customer, np.uint64)},
        logits={AgentId("a"): np.zeros(n, np.float32)},
        score=np.zeros(n),
        stopped=np.zeros(n, np.bool_),
    )


def test_stopped_fraud_saves_its_share_and_stopped_genuine_costs() -> None:
    day = cohort([True, True, False, False], [1, 2, 3, 4], [100.0, 100.0, 10.0, 10.0])
    got = earned(day, np.array([True, False, True, False]), COSTS)
    assert got.tolist() == [49.0, 0.0, -5.0, 0.0]


def test_stolen_card_pays_once_a_day_however_often_the_thief_tries() -> None:
    day = cohort([True, True, True], [1, 1, 2], [100.0, 900.0, 10.0])
    assert earned(day, np.array([True, True, True]), COSTS).tolist() == [49.0, 0.0, 4.0]


def test_frauds_without_a_customer_are_not_taken_for_one_customer() -> None:
    day = cohort([True, True], [0, 0], [100.0, 100.0])
    assert earned(day, np.array([True, True]), COSTS).sum() == 98.0


def test_net_gain_weighs_what_is_saved_against_what_a_false_alarm_costs() -> None:
    got = net_gain(np.array([0.0, np.nan], np.float32), np.array([100.0, 100.0]), COSTS)
    assert got[0] == pytest.approx(0.5 * 0.5 * 100 - 0.5 * 4 - 1)
    assert np.isnan(got[1])


def test_refund_saves_nothing() -> None:
    assert net_gain(np.array([50.0], np.float32), np.array([-100.0]), COSTS)[0] == pytest.approx(-1.0)


def test_columns_of_different_lengths_make_no_cohort() -> None:
    with pytest.raises(CohortError, match="2 rows in every column"):
        cohort([True, False], [1], [1.0, 1.0])


def test_a_mistake_costs_what_stopping_would_have_saved_or_lost() -> None:
    costs = Costs(prevented_share=0.9, false_positive=5.0, review=1.0)
    fraud, amount = np.array([True, True, False, False]), np.array([100.0, 0.5, 100.0, 1.0])
    np.testing.assert_allclose(mistake_costs(fraud, amount, costs), [89.0, 0.0, 6.0, 6.0])

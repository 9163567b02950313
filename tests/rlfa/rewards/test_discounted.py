"""Discounted reward and detection."""

import pytest

from rlfa.rewards.discounted import Earned, Record, after, discount


def earned(money: float, *, rows: int = 10, frauds: int = 4, caught: int = 2) -> Earned:
    return Earned(rows=rows, missing=0, frauds=frauds, caught=caught, stopped=3, accuracy=money, squares=1.0)


def test_weight_halves_after_a_half_life() -> None:
    assert discount(7.0) ** 7 == pytest.approx(0.5)


def test_reward_is_money_per_transaction() -> None:
    record = after(after(Record(), earned(10.0), 1.0), earned(30.0), 1.0)
    assert record.reward == pytest.approx((0.5 * 10 + 30) / (0.5 * 10 + 10))
    assert record.reward_error == pytest.approx((0.25 + 1.0) ** 0.5 / 15)
    assert record.cohorts == 2


def test_detection_under_twenty_frauds_is_undefined() -> None:
    record = after(Record(), earned(0.0, frauds=19, caught=1), 7.0)
    assert record.detection(20.0) is None
    assert after(Record(), earned(0.0, frauds=20, caught=5), 7.0).detection(20.0) == pytest.approx(0.25)


def test_cohort_without_fraud_leaves_detection_as_it_is() -> None:
    before = after(Record(), earned(0.0, frauds=40, caught=10), 7.0)
    assert after(before, earned(0.0, frauds=0, caught=0), 7.0).detection(20.0) == pytest.approx(0.25)

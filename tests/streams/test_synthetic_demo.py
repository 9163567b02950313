"""The demo's scenario: new frauds take over on the day that it names, and labels are in time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from streams.synthetic import (
    DEMO_CHANGE_DAY,
    DEMO_HISTORY_DAYS,
    DEMO_MATURITY_DAYS,
    Day,
    Simulator,
    demo_scenario,
)
from streams.synthetic.scenario import DAY_MS

NEW = {"card_testing", "account_takeover"}


@pytest.fixture(scope="module")
def days() -> dict[int, Day]:
    simulator = Simulator(demo_scenario(), 0)
    return {number: simulator.day(number) for number in (*range(10, 16), *range(DEMO_CHANGE_DAY + 3, 56))}


def campaigns(days: list[Day]) -> Counter[str]:
    return Counter(name for day in days for name in day.transactions.column("campaign").to_pylist() if name)


def test_the_history_knows_none_of_the_new_frauds(days: dict[int, Day]) -> None:
    before = campaigns([day for number, day in days.items() if number < DEMO_HISTORY_DAYS])
    assert before
    assert not NEW & set(before)


def test_new_frauds_are_more_than_half_after_the_change(days: dict[int, Day]) -> None:
    after = campaigns([day for number, day in days.items() if number > DEMO_CHANGE_DAY])
    assert sum(after[name] for name in NEW) > 0.55 * after.total()


def test_fraud_stays_rare_and_touches_enough_customers_a_day(days: dict[int, Day]) -> None:
    for day in days.values():
        table = day.transactions
        fraud = table.column("is_fraud").to_numpy(zero_copy_only=False)
        victims = set(np.asarray(table.column("customer_id"))[fraud])
        assert 0.002 < fraud.mean() < 0.02
        assert len(victims) >= 12


def test_labels_are_in_before_a_day_matures(days: dict[int, Day]) -> None:
    for number, day in days.items():
        end = demo_scenario().start_ms + (number + 1 + DEMO_MATURITY_DAYS) * DAY_MS
        assert np.asarray(day.labels.column("event_time")).max() < end

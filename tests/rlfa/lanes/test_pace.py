"""Batches grow and shrink with what a turn costs, and a lane that is behind takes all it may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lanes.pace import LEAST, TurnCost, batch_limit, waits_s

MOST = 2048


def cost(fixed_s: float, each_s: float, sizes: list[int]) -> TurnCost:
    found = TurnCost()
    for n in sizes:
        found = found.after(n, fixed_s + each_s * n)
    return found


@given(
    st.floats(0.001, 0.05), st.floats(1e-6, 1e-3), st.lists(st.integers(1, MOST), min_size=2, max_size=50, unique=True)
)
def test_the_constant_part_of_a_turn_and_what_each_transaction_adds_are_told_apart(
    fixed_s: float, each_s: float, sizes: list[int]
) -> None:
    found = cost(fixed_s, each_s, sizes)
    assert found.each_s == pytest.approx(each_s, rel=1e-3)
    assert found.fixed_s == pytest.approx(fixed_s, rel=1e-2)


def test_a_turn_stays_within_half_of_the_target() -> None:
    found = cost(0.005, 0.0001, [10, 200])
    limit = batch_limit(found, target_s=0.05, oldest_s=0.0, most=MOST)
    assert limit == 200
    assert 0.005 + limit * 0.0001 == pytest.approx(0.025)


def test_a_lane_that_is_behind_takes_all_it_may() -> None:
    assert batch_limit(cost(0.005, 0.0001, [10, 200]), target_s=0.05, oldest_s=0.051, most=MOST) == MOST


def test_no_batch_is_smaller_than_what_its_constant_part_is_worth() -> None:
    slow_broker = cost(0.1, 0.0001, [10, 200])
    assert batch_limit(slow_broker, target_s=0.05, oldest_s=0.0, most=MOST) == pytest.approx(1000, abs=1)
    costly = cost(0.001, 0.01, [10, 200])
    assert batch_limit(costly, target_s=0.05, oldest_s=0.0, most=MOST) == LEAST


@pytest.mark.parametrize("sizes", [[], [7], [7, 7, 7]])
def test_turns_that_are_all_alike_bound_nothing(sizes: list[int]) -> None:
    assert batch_limit(cost(0.005, 0.0001, sizes), target_s=0.05, oldest_s=0.0, most=MOST) == MOST


def test_only_transactions_wait_for_each_other() -> None:
    assert waits_s(since_last_s=0.004, interval_s=0.010, delivery="exactly-once") == pytest.approx(0.006)
    assert waits_s(since_last_s=0.020, interval_s=0.010, delivery="exactly-once") == 0.0
    assert waits_s(since_last_s=0.004, interval_s=0.010, delivery="at-least-once") == 0.0

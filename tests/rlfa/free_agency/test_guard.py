"""The alarm after a swap: the reference's vector, and indifference to order and restarts."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.free_agency.evalue import EvidenceError
from rlfa.free_agency.guard import ESR, esr_step

Days = st.lists(st.lists(st.floats(-1, 1), max_size=6), max_size=20)


def after(days: list[list[float]]) -> list[ESR]:
    states = [ESR()]
    for day in days:
        states.append(esr_step(states[-1], np.array(day)))
    return states


def test_vector_6_day_by_day_with_a_day_without_observations() -> None:
    states = after([[0.5, -0.2], [], [0.8, -0.1, 1.0], [0.3, -0.4]])
    assert states[0].log_sr == -math.inf
    assert [math.exp(s.log_sr) for s in states[1:]] == pytest.approx([1.086225, 2.086225, 5.281278, 5.821884], abs=1e-6)


@given(days=Days, data=st.data())
def test_order_within_a_day_does_not_matter(days: list[list[float]], data: st.DataObject) -> None:
    mixed = [data.draw(st.permutations(day)) for day in days]
    assert after([list(day) for day in mixed])[-1] == after(days)[-1]


@given(days=Days)
def test_restart_loses_not_a_digit(days: list[list[float]]) -> None:
    state = after(days)[-1]
    assert msgspec.json.decode(msgspec.json.encode(state), type=ESR) == state


def test_long_good_past_does_not_delay_the_alarm() -> None:
    bad = [[1.0, 1.0]] * 6
    fresh = after(bad)[-1].log_sr
    seasoned = after([[-1.0, -1.0]] * 300 + bad)[-1].log_sr
    assert seasoned >= fresh >= math.log(365)


def test_equal_agents_raise_an_alarm_within_days_in_at_most_that_share_of_a_year() -> None:
    rng, lives, days, c = np.random.default_rng(0), 60, 90, 365
    alarms = 0
    for _ in range(lives):
        state, highest = ESR(), -math.inf
        for _ in range(days):
            state = esr_step(state, rng.choice([-1.0, 0.0, 1.0], 6, p=[0.1, 0.8, 0.1]))
            highest = max(highest, state.log_sr)
        alarms += highest >= math.log(c)
    assert alarms / lives <= days / c


@pytest.mark.parametrize("bad", [np.nan, 1.5, -2.0])
def test_observation_outside_its_bounds_is_refused(bad: float) -> None:
    with pytest.raises(EvidenceError, match="from -1 to 1"):
        esr_step(ESR(), np.array([bad]))

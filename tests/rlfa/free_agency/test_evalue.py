"""The e-value: the reference's vectors, and indifference to order, batches and restarts."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.free_agency.evalue import EValue, EvidenceError, bet

V1 = np.array([0.5, -0.2, 0.0, 0.8, -0.1, 1.0, 0.3, -0.4])
UP = [1.175, 1.086225, 1.086225, 1.401384, 1.344719, 1.87827, 2.130791, 1.731778]
DOWN = [0.825, 0.876225, 0.876225, 0.651186, 0.667986, 0.493012, 0.462593, 0.499267]
FUTILITY = [0.8425, 0.908878, 0.923804, 0.694177, 0.722353, 0.532274, 0.503306, 0.550989]
Differences = st.lists(st.floats(-1, 1), max_size=40)


def path(differences: np.ndarray, margin: float = 0.0) -> list[EValue]:
    states = [EValue()]
    for d in differences:
        states.append(bet(states[-1], np.array([d]), margin))
    return states[1:]


def test_vector_1_up_down_and_futility_after_each_observation() -> None:
    states = path(V1, 0.05)
    assert [math.exp(e.log_up) for e in states] == pytest.approx(UP, abs=1e-6)
    assert [math.exp(e.log_down) for e in states] == pytest.approx(DOWN, abs=1e-6)
    assert [math.exp(e.log_futility) for e in states] == pytest.approx(FUTILITY, abs=1e-6)


def test_vector_2_sorted_observations_end_the_same() -> None:
    assert math.exp(bet(EValue(), np.sort(V1)).log_up) == pytest.approx(1.731778, abs=1e-6)


def test_vector_3_twenty_wins_and_six_losses_in_any_order() -> None:
    d = np.array([1.0] * 20 + [-1.0] * 6)
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(d)
        assert math.exp(path(mixed)[-1].log_up) == pytest.approx(16.586477, abs=1e-6)


@pytest.mark.parametrize(
    ("wins", "expected"), [(1, 1.35), (5, 6.383893), (6, 10.207545), (7, 16.735619), (8, 28.011526)]
)
def test_vector_4_eight_straight_wins_are_the_least_that_promotes(wins: int, expected: float) -> None:
    assert math.exp(bet(EValue(), np.ones(wins)).log_up) == pytest.approx(expected, abs=1e-6)


def test_vector_5_labels_seen_with_a_probability() -> None:
    d, p = np.array([0.5, -0.2, -1.0, 0.8, -0.4]), np.array([1.0, 1.0, 0.2, 1.0, 0.5])
    states = path(d * 0.2 / p)
    expected = [1.035, 1.020249, 0.659479, 0.686032, 0.657791]
    assert [math.exp(e.log_up) for e in states] == pytest.approx(expected, abs=1e-6)


@given(differences=Differences, data=st.data())
def test_order_of_the_evidence_does_not_matter(differences: list[float], data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(differences))
    assert bet(EValue(), np.array(mixed)) == bet(EValue(), np.array(differences))


@given(differences=Differences, cut=st.integers(0, 40), margin=st.floats(0, 0.9))
def test_batching_of_the_evidence_does_not_matter(differences: list[float], cut: int, margin: float) -> None:
    d = np.array(differences)
    whole = bet(EValue(), d, margin)
    parts = bet(bet(EValue(), d[:cut], margin), d[cut:], margin)
    for a, b in ((whole.up, parts.up), (whole.down, parts.down), (whole.futility, parts.futility)):
        assert a == pytest.approx(b, abs=1e-12)


@given(differences=Differences)
def test_restart_loses_not_a_digit(differences: list[float]) -> None:
    state = bet(EValue(), np.array(differences))
    assert msgspec.json.decode(msgspec.json.encode(state), type=EValue) == state


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.0000001, -2.0])
def test_observation_outside_its_bounds_is_refused(bad: float) -> None:
    with pytest.raises(EvidenceError, match="from -1 to 1"):
        bet(EValue(), np.array([0.0, bad]))


def test_ten_thousand_wins_do_not_overflow() -> None:
    assert bet(EValue(), np.ones(10_000)).log_up == pytest.approx(10_000 * math.log(1.8) + math.log(0.2))

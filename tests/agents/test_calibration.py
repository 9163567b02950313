"""Calibration: probabilities move to where the frauds are, the ranking stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.calibration import FRAUDS_MIN, Platt, fit_platt
from agents.metrics import calibration_error


def sample(n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-3, 1.5, n)
    return logits, rng.random(n) < 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize(("slope", "shift"), [(2.0, 1.0), (0.5, -2.0), (1.0, 3.0)])
def test_a_distorted_logit_comes_back(slope: float, shift: float) -> None:
    logits, fraud = sample()
    distorted = ((logits - shift) / slope).astype(np.float32)
    platt, said = fit_platt(distorted, fraud)
    assert platt.slope == pytest.approx(slope, rel=0.06)
    assert platt.shift == pytest.approx(shift, abs=0.15)
    assert said.startswith("platt")
    p = 1 / (1 + np.exp(-platt.apply(distorted).astype(np.float64)))
    assert calibration_error(fraud, p) < 0.005


@pytest.mark.parametrize("frauds", [0, FRAUDS_MIN - 1])
def test_too_few_frauds_leave_logits_alone_and_say_so(frauds: int) -> None:
    logits = np.linspace(-5, 0, 500).astype(np.float32)
    platt, said = fit_platt(logits, np.arange(500) < frauds)
    assert platt == Platt()
    assert said.startswith("none: ")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), flip=st.booleans())
def test_the_ranking_never_changes(seed: int, flip: bool) -> None:
    logits, fraud = sample(300, seed)
    platt, _ = fit_platt((-logits if flip else logits).astype(np.float32), fraud)
    assert platt.slope > 0

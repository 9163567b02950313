"""How features enter the network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.averaging import WeightAverage
from agents.encoders.piecewise_linear import PiecewiseLinear
from agents.inputs import MISSING, UNKNOWN, InputStats


def test_encoding_goes_through_the_bins_as_in_the_paper() -> None:
    encoder = PiecewiseLinear(torch.tensor([[0.0, 1.0, 3.0, 6.0]]))
    found = encoder(torch.tensor([[-1.0], [0.5], [2.0], [7.0]]))
    torch.testing.assert_close(found[:, :3], torch.tensor([[0, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 1]]).float())
    torch.testing.assert_close(found[:, 3], torch.tensor([-1.0, 0.5, 2.0, 7.0]))


def test_codes_are_known_unknown_or_missing() -> None:
    x = np.array([[5], [9], [9], [0], [np.nan]], np.float32)
    stats = InputStats.fit(x, [0], 4)
    rows = stats.rows(np.array([[9], [5], [7], [0], [np.nan]], np.float32))[:, 0].tolist()
    assert rows == [3, 2, UNKNOWN, MISSING, MISSING]


def test_largest_codes_stay_apart() -> None:
    codes = np.array([[0xFFFFFF], [0xFFFFFE]], np.float32)
    assert InputStats.fit(codes, [0], 4).rows(codes)[:, 0].unique().numel() == 2


def test_a_missing_number_is_as_the_median() -> None:
    x = np.array([[1], [2], [3], [np.nan]], np.float32)
    stats = InputStats.fit(x, [], 4)
    torch.testing.assert_close(stats.numbers(x)[3], stats.numbers(x)[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
def test_no_number_is_too_strange(value: float) -> None:
    stats = InputStats.fit(np.arange(20, dtype=np.float32)[:, None], [], 4)
    assert torch.isfinite(stats.numbers(np.array([[value]], np.float32))).all()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000))
def test_tails_come_closer_and_never_trade_places(seed: int) -> None:
    values = np.sort(np.random.default_rng(seed).standard_cauchy(200)).astype(np.float32)
    found = InputStats.fit(values[:, None], [], 8).numbers(values[:, None])[:, 0]
    assert (found.diff() >= 0).all()
    assert float(found.abs().max()) < 6


@pytest.mark.parametrize("column", [np.full(30, 3.0), np.full(30, np.nan), np.r_[np.zeros(29), 1.0]])
def test_columns_that_hardly_vary_give_finite_edges(column: np.ndarray) -> None:
    stats = InputStats.fit(column[:, None].astype(np.float32), [], 8)
    assert np.isfinite(stats.edges).all()
    assert stats.fits(1)


def test_the_average_of_weights_follows_them_and_keeps_its_lag() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
        average = WeightAverage(network, 0.5)
        network.weight.fill_(1.0)
        for _ in range(30):
            average.step()
    assert float(average.weights()["weight"]) == pytest.approx(1.0, abs=1e-6)
    newest = WeightAverage(network, 0.0)
    newest.step()
    assert float(newest.weights()["weight"]) == 1.0

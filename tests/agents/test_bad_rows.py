"""Rows that nobody wants: every gate trains on them and scores them, or refuses them in one line."""

from __future__ import annotations

import numpy as np
import pytest

from agents.errors import TrainingDataError
from agents.gates import GATES
from agents.genome import Genome
from agents.model import Agent
from agents.training import train


def trained(gate: str, x: np.ndarray, y: np.ndarray, categorical: frozenset[str] = frozenset()) -> Agent:
    genome = Genome(gate=gate, experts=4, hidden=4, bins=4, epochs_max=2, batch=128)  # type: ignore[arg-type]
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    times = np.arange(len(x), dtype=np.int64)
    return train(genome, x.astype(np.float32), y, times, feature_names=names, categorical=categorical, threads=1)


def table(n: int = 300, d: int = 4) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(n, d))
    return x, x[:, 0] + x[:, 1] > 1


def scores(agent: Agent, x: np.ndarray) -> np.ndarray:
    return agent.logits(x.astype(np.float32))


@pytest.mark.parametrize("gate", list(GATES))
def test_a_row_without_any_value_is_scored(gate: str) -> None:
    x, y = table()
    x[5] = np.nan
    assert np.isfinite(scores(trained(gate, x, y), np.full((2, 4), np.nan))).all()


@pytest.mark.parametrize("gate", list(GATES))
def test_constant_and_empty_columns_are_trained_on(gate: str) -> None:
    x, y = table()
    x[:, 2], x[:, 3] = 7.0, np.nan
    agent = trained(gate, x, y)
    assert np.isfinite(scores(agent, x)).all()
    x[:, 2], x[:, 3] = -9.0, 1e9  # later they are not what they were
    assert np.isfinite(scores(agent, x)).all()


@pytest.mark.parametrize("gate", list(GATES))
def test_infinities_and_the_largest_floats_are_scored(gate: str) -> None:
    x, y = table()
    x[3, 0], x[4, 1] = np.inf, -np.inf
    agent = trained(gate, x, y)
    assert np.isfinite(scores(agent, np.array([[np.inf, -np.inf, 3e38, -3e38]]))).all()


@pytest.mark.parametrize("gate", list(GATES))
def test_a_category_never_seen_is_scored(gate: str) -> None:
    x, y = table()
    x[:, 3] = np.random.default_rng(1).integers(1, 4, len(x))
    agent = trained(gate, x, y, frozenset({"x3"}))
    assert np.isfinite(scores(agent, np.array([[0, 0, 0, 99], [0, 0, 0, 0]]))).all()


@pytest.mark.parametrize("gate", list(GATES))
def test_twenty_rows_and_two_thousand_columns_are_trained_on(gate: str) -> None:
    x, y = table(20, 2000)
    y[:2] = [False, True]
    assert np.isfinite(scores(trained(gate, x, y), x)).all()


@pytest.mark.parametrize("gate", list(GATES))
def test_no_rows_are_scored_as_no_rows(gate: str) -> None:
    x, y = table()
    assert scores(trained(gate, x, y), x[:0]).shape == (0,)


@pytest.mark.parametrize("fraud", [True, False])
def test_a_window_of_one_class_is_refused_in_one_line(fraud: bool) -> None:
    x, y = table()
    with pytest.raises(TrainingDataError) as refused:
        trained("softmax", x, np.full_like(y, fraud))
    assert "allowed: at least one of each class" in str(refused.value)
    assert "\n" not in str(refused.value)

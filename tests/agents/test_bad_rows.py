"""Rows that nobody wants: every kind of agent trains on them, scores them and comes back, or refuses them in a line."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agents.errors import TrainingDataError
from agents.gates import GATES
from agents.genome import Genome
from agents.model import Agent
from agents.training import train
from agents.weights import load_agent, save_agent

LARGEST, LEAST = np.finfo(np.float32).max, np.float32(1e-45)
EXPERTS = [("softmax", expert) for expert in ("logistic", "mlp", "adapters", "trees")]
OTHER_GATES = [(gate, "mlp") for gate in GATES if gate != "softmax"]
Table = tuple[np.ndarray, np.ndarray, frozenset[str]]


def trained(gate: str, expert: str, x: np.ndarray, y: np.ndarray, categorical: frozenset[str] = frozenset()) -> Agent:
    parts = {"experts": 3, "hidden": 4, "bins": 4, "epochs_max": 1, "batch": 128, "rounds": 5, "refit": False}
    genome = Genome(gate=gate, expert=expert, **parts)  # type: ignore[arg-type]
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    times = np.arange(len(x), dtype=np.int64)
    return train(genome, x.astype(np.float32), y, times, feature_names=names, categorical=categorical, threads=1)


def table(n: int = 300, d: int = 4) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    return x, x[:, 0] + x[:, 1] > 1


def row_without_values() -> Table:
    x, y = table()
    x[5] = np.nan
    return x, y, frozenset()


def nothing_but_missing() -> Table:
    x, y = table()
    return np.full_like(x, np.nan), y, frozenset({"x3"})


def constant_and_empty_columns() -> Table:
    x, y = table()
    x[:, 2], x[:, 3] = 7.0, np.nan
    return x, y, frozenset()


def constant_rows() -> Table:
    x, y = table()
    return np.full_like(x, 7.0), y, frozenset()


def infinities_and_extremes() -> Table:
    x, y = table()
    x[3], x[4], x[5], x[6], x[7] = np.inf, -np.inf, LARGEST, -LARGEST, LEAST
    return x, y, frozenset()


def categories() -> Table:
    x, y = table()
    x[:, 3] = np.random.default_rng(1).integers(1, 4, len(x))
    x[0, 3], x[1, 3], x[2, 3] = np.inf, -5.0, 0.5
    return x, y, frozenset({"x3"})


def nothing_but_categories() -> Table:
    x, y = table()
    return np.abs(3 * x).round(), y, frozenset({"x0", "x1", "x2", "x3"})


def twenty_rows() -> Table:
    x, y = table(20)
    y[:2] = [False, True]
    return x, y, frozenset()


def two_rows() -> Table:
    return table(2)[0], np.array([False, True]), frozenset()


def two_thousand_columns() -> Table:
    x, y = table(20, 2000)
    y[:2] = [False, True]
    return x, y, frozenset({"x9"})


def frauds_in_the_first_minutes_only() -> Table:
    x, y = table()
    return x, np.arange(len(y)) < 5, frozenset()


TABLES: list[Callable[[], Table]] = [
    row_without_values, nothing_but_missing, constant_and_empty_columns, constant_rows, infinities_and_extremes,
    categories, nothing_but_categories, twenty_rows, two_rows, frauds_in_the_first_minutes_only,
]  # fmt: skip


def hard_rows(d: int) -> np.ndarray:
    """Missing, infinite, extreme, subnormal, zero, and categories never seen."""
    each = [np.nan, np.inf, -np.inf, LARGEST, -LARGEST, LEAST, 0.0, 99.0, -1.0]
    mixed = np.resize(np.array(each), (3, d))
    return np.vstack([np.repeat(np.array(each)[:, None], d, axis=1), mixed]).astype(np.float32)


def comes_through(agent: Agent, x: np.ndarray, folder: Path) -> None:
    """It scores its own rows and hard ones, the same to the bit once it was saved."""
    every = np.vstack([hard_rows(x.shape[1]), x.astype(np.float32)])
    logits = agent.logits(every)
    assert np.isfinite(logits).all()
    again = load_agent(folder / "agent", save_agent(agent, folder / "agent"))
    np.testing.assert_array_equal(again.logits(every), logits)
    assert agent.logits(every[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("gate", "expert", "make"),
    [
        *((*kind, make) for kind in EXPERTS for make in TABLES),
        # What reaches a gate is the same for all: values that are missing, extreme, or a category's.
        *((*kind, make) for kind in OTHER_GATES for make in (nothing_but_missing, infinities_and_extremes, categories)),
    ],
)
def test_what_is_bad_is_trained_on_scored_and_saved(
    gate: str, expert: str, make: Callable[[], Table], tmp_path: Path
) -> None:
    x, y, categorical = make()
    comes_through(trained(gate, expert, x, y, categorical), x, tmp_path)


@pytest.mark.parametrize(("gate", "expert"), [("softmax", "logistic"), ("softmax", "mlp"), ("softmax", "trees")])
def test_two_thousand_columns_are_trained_on_scored_saved_and_reasoned_about(
    gate: str, expert: str, tmp_path: Path
) -> None:
    x, y, categorical = two_thousand_columns()
    agent = trained(gate, expert, x, y, categorical)
    comes_through(agent, x, tmp_path)
    found = agent.contributions(x[:1])
    np.testing.assert_allclose(agent.starts(x[:1]) + found.sum(axis=1), agent.logits(x[:1]), atol=1e-3)


@pytest.mark.parametrize("expert", ["logistic", "mlp", "trees"])
@pytest.mark.parametrize("fraud", [True, False])
def test_a_window_of_one_class_is_refused_in_one_line(fraud: bool, expert: str) -> None:
    x, y = table()
    with pytest.raises(TrainingDataError) as refused:
        trained("softmax", expert, x, np.full_like(y, fraud))
    assert str(refused.value) == f"labels: found {300 * fraud} frauds of 300, allowed: at least one of each class"


@pytest.mark.parametrize("expert", ["logistic", "mlp", "trees"])
@pytest.mark.parametrize(
    ("rows", "columns", "line"),
    [
        (0, 4, "labels: found 0 frauds of 0, allowed: at least one of each class"),
        (300, 0, "features: found none, allowed: at least one"),
    ],
)
def test_no_rows_and_no_columns_are_refused_in_one_line(expert: str, rows: int, columns: int, line: str) -> None:
    x, y = table()
    with pytest.raises(TrainingDataError) as refused:
        trained("softmax", expert, x[:rows, :columns], y[:rows])
    assert str(refused.value) == line


@cache
def of_categories(gate: str, expert: str) -> Agent:
    return trained(gate, expert, *categories())


@pytest.mark.parametrize(("gate", "expert"), [*EXPERTS, *OTHER_GATES])
@settings(max_examples=12, deadline=None)
@given(x=arrays.arrays(np.float32, (3, 4), elements=st.floats(width=32)))
def test_no_row_of_any_floats_gives_a_score_that_is_not_finite(gate: str, expert: str, x: np.ndarray) -> None:
    agent = of_categories(gate, expert)
    logits = agent.logits(x)
    assert np.isfinite(logits).all()
    reasons = agent.contributions(x[:1])
    np.testing.assert_allclose(agent.starts(x[:1]) + reasons.sum(axis=1), logits[:1], atol=1e-4)

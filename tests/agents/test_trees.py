"""Experts made of trees: the same scores as LightGBM's, reasons that add up, memories of their own."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from agents.boosting import _memory_from, _parameters, grow
from agents.errors import GenomeError, WeightsError
from agents.forest import Forest
from agents.genome import Genome
from agents.inputs import InputStats
from agents.model import Agent
from agents.training import train
from agents.weights import WEIGHTS, load_agent, save_agent

NAMES = ("amount", "hour", "country")
DAY_MS = 86_400_000
GENOME = Genome(expert="trees", experts=2, rounds=20, leaves=8, memory=1.0, epochs_max=3)


def rows(n: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.lognormal(3, 1, n), rng.uniform(0, 24, n), rng.integers(1, 5, n)]).astype(np.float32)
    fraud = ((x[:, 0] > 30) & (x[:, 1] < 9) & (x[:, 2] == 2)) | (rng.random(n) < 0.03)
    x[rng.random(n) < 0.1, 0] = np.nan
    return x, fraud, np.linspace(0, 20 * DAY_MS, n).astype(np.int64)


@pytest.fixture(scope="module")
def agent() -> Agent:
    x, y, times = rows()
    return train(GENOME, x, y, times, feature_names=NAMES, categorical=frozenset({"country"}), threads=1)


def test_a_split_between_missing_and_not_is_finite_and_goes_lightgbms_way() -> None:
    x = np.full((400, 1), np.nan, np.float32)
    x[:200, 0] = np.linspace(-5, 5, 200)
    genome = changed(GENOME, experts=1, row_share=1.0, genuine_per_fraud=1e6)
    inputs = InputStats.fit(x, [], genome.bins)
    times = np.linspace(0, 20 * DAY_MS, 400).astype(np.int64)
    forest = grow(genome, inputs, x, np.isnan(x[:, 0]), times, 1)
    assert np.isfinite(forest.threshold).all()
    missing, low, high = forest.logits(inputs, np.array([[np.nan], [-1e30], [3e38]], np.float32))[:, 0]
    assert low == high < missing


@pytest.mark.parametrize("missing_in_training", [True, False])
def test_the_arrays_score_as_lightgbm_does(missing_in_training: bool) -> None:
    x, y, times = rows()
    if not missing_in_training:
        x = np.nan_to_num(x, nan=5.0)
    genome = changed(GENOME, experts=1, row_share=1.0, genuine_per_fraud=1e6)
    inputs = InputStats.fit(x[:, :2], [], genome.bins)
    forest = grow(genome, inputs, x[:, :2], y, times, 1)
    data = lightgbm.Dataset(x[:, :2], y.astype(np.float32))
    booster = lightgbm.train(_parameters(genome, 0, 1), data, num_boost_round=genome.rounds)
    fresh = rows(500, seed=1)[0][:, :2]  # with missing values in both cases
    theirs = booster.predict(fresh, raw_score=True)
    np.testing.assert_allclose(forest.logits(inputs, fresh)[:, 0], theirs, rtol=1e-5, atol=1e-5)


def changed(genome: Genome, **genes: object) -> Genome:
    return msgspec.structs.replace(genome, **genes)


def test_contributions_add_up_to_the_logit(agent: Agent) -> None:
    x, _, _ = rows(300, seed=2)
    found = agent.contributions(x)
    assert found.shape == x.shape
    np.testing.assert_allclose(agent.starts(x) + found.sum(axis=1), agent.logits(x), atol=1e-4)
    assert np.abs(found).max() > 0.5


def test_the_features_that_make_a_fraud_are_its_reasons(agent: Agent) -> None:
    risky, safe = np.array([[90, 3, 2]], np.float32), np.array([[90, 20, 2]], np.float32)
    assert (agent.contributions(risky)[0] > 0).all()
    assert agent.contributions(risky)[0, 1] > agent.contributions(safe)[0, 1] + 0.5


def test_a_thinned_forest_keeps_the_prior() -> None:
    x, y, times = rows(6000)
    genome = changed(GENOME, genuine_per_fraud=3.0)
    inputs = InputStats.fit(x, [2], genome.bins)
    p = 1 / (1 + np.exp(-grow(genome, inputs, x, y, times, 1).logits(inputs, x).astype(np.float64)))
    np.testing.assert_allclose(p.mean(axis=0), y.mean(), atol=0.02)


def test_memories_get_shorter_until_too_few_frauds_are_left() -> None:
    times = np.arange(1000) * DAY_MS
    y = np.arange(1000) % 10 == 0
    assert _memory_from(times, y, 1.0) == 0
    assert _memory_from(times, y, 0.5) == times[-1] - times[-1] // 2
    assert _memory_from(times, y, 0.01) == times[600]  # forty frauds back


def test_experts_with_different_memories_differ_after_a_change() -> None:
    x, y, times = rows(4000)
    y = np.where(times > 15 * DAY_MS, x[:, 1] > 20, y)
    inputs = InputStats.fit(x, [2], 16)
    late_night = np.array([[20, 23, 1]], np.float32)
    logits = grow(changed(GENOME, memory=0.2), inputs, x, y, times, 1).logits(inputs, late_night)[0]
    assert logits[1] > logits[0] + 1.0


def test_a_category_is_a_rate_and_a_count_and_a_new_one_the_base_rate(agent: Agent) -> None:
    assert agent.forest is not None
    columns = agent.forest.columns(agent.inputs, np.array([[1, 1, 2], [1, 1, 999]], np.float32))
    assert columns.shape == (2, 4)
    assert columns[0, 2] > columns[1, 2]
    assert columns[1, 3] == 0


def test_trees_without_lightgbm_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **options: object) -> object:
        if name == "lightgbm":
            raise ImportError(name)
        return real(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    x, y, times = rows(200)
    with pytest.raises(GenomeError, match="allowed: pip install"):
        train(GENOME, x, y, times, feature_names=NAMES)


Change = Callable[[dict[str, Tensor]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors["trees.feature"].fill_(4),
        lambda tensors: tensors["trees.feature"].fill_(-1),
        lambda tensors: tensors["trees.left"].fill_(0),  # to itself: a walk without an end
        lambda tensors: tensors["trees.right"].fill_(7),
        lambda tensors: tensors["trees.right"].fill_(-9),
    ],
)
def test_trees_that_lead_nowhere_are_refused(agent: Agent, change: Change, tmp_path: Path) -> None:
    save_agent(agent, tmp_path / agent.id)
    path = tmp_path / agent.id / WEIGHTS
    tensors = load(path.read_bytes())
    change(tensors)
    path.write_bytes(save(tensors))
    with pytest.raises(WeightsError, match="allowed: those of grown trees"):
        load_agent(tmp_path / agent.id, None)


def test_leaves_that_are_not_finite_are_refused(agent: Agent, tmp_path: Path) -> None:
    save_agent(agent, tmp_path / agent.id)
    path = tmp_path / agent.id / WEIGHTS
    tensors = load(path.read_bytes())
    tensors["trees.value"][0, 0, 0] = float("nan")
    path.write_bytes(save(tensors))
    with pytest.raises(WeightsError, match=r"trees\.value.*allowed: finite values"):
        load_agent(tmp_path / agent.id, None)


def test_forty_features_of_one_leaf_give_the_base_rate() -> None:
    genome = changed(GENOME, leaves=4)
    forest = Forest.blank(genome, [])
    inputs = InputStats.fit(np.zeros((5, 40), np.float32), [], 16)
    assert forest.fits(inputs)
    np.testing.assert_array_equal(forest.logits(inputs, np.ones((3, 40), np.float32)), 0.0)


def test_a_network_trained_on_them_starts_from_their_mean() -> None:
    x, y, times = rows()
    one = train(changed(GENOME, epochs_max=1, learning_rate=1e-9), x, y, times, feature_names=NAMES)
    weights = one.network.gate_weights(*one.encoded(x))
    torch.testing.assert_close(weights, torch.full_like(weights, 0.5), atol=0.1, rtol=0)

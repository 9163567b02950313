"""Deltas over a frozen agent: they begin as it, learn what is new, and can be taken off again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.errors import GenomeError, TrainingDataError
from agents.experts.deltas import BASE_LAYERS, freeze_below_deltas
from agents.gates import GATES
from agents.genome import Genome
from agents.metrics import average_precision
from agents.mixture import Committee
from agents.model import Agent
from agents.training import train
from agents.warm_start import Start
from agents.weights import load_agent, save_agent

NAMES = ("amount", "hour", "country")
CATEGORICAL = frozenset({"country"})


def rows(n: int = 2000, seed: int = 0, *, new: bool = False) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Large amounts are fraud in one country, and when something `new` has come, at night as well."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.normal(size=n), rng.integers(1, 4, n)]).astype(np.float32)
    fraud = (x[:, 0] > 1.2) & (x[:, 2] == 2)
    return x, fraud | (new & (x[:, 1] > 1.7)) | (rng.random(n) < 0.01)


def small(**genes: object) -> Genome:
    basic = {"experts": 3, "hidden": 8, "bins": 4, "batch": 256, "epochs_max": 4, "learning_rate": 0.02}
    return Genome(**{**basic, "averaging": 0.9, **genes})  # type: ignore[arg-type]


def trained(genome: Genome, new: bool = False, seed: int = 0, **options: object) -> Agent:
    x, y = rows(new=new, seed=seed)
    return train(genome, x, y, np.arange(len(x)), feature_names=NAMES, categorical=CATEGORICAL, threads=1, **options)  # type: ignore[arg-type]


def with_deltas(genome: Genome, deltas: int = 2, rank: int = 2) -> Genome:
    return msgspec.structs.replace(genome, deltas=deltas, delta_rank=rank)


def begun(genome: Genome, start: Agent) -> Agent:
    """An agent as a training from a frozen one finds it."""
    network = Committee(genome, torch.from_numpy(start.inputs.edges), [len(c) + 2 for c in start.inputs.codes], 0.0)
    Start(start, frozen=True).give(network, start.inputs, 0)
    return dataclasses.replace(start, genome=genome, network=network.eval().requires_grad_(True))


@torch.inference_mode()
def network_logits(agent: Agent, x: np.ndarray) -> np.ndarray:
    """Of the network itself: under deltas it has no compiled form, whose sums are in another order."""
    found: np.ndarray = agent.network(agent.inputs.numbers(x), agent.inputs.rows(x), torch.zeros(len(x), 0)).numpy()
    return found


@pytest.mark.parametrize("parts", [
    *({"expert": expert} for expert in BASE_LAYERS), *({"gate": gate} for gate in GATES),
    {"members": 2}, {"activation": "swiglu"}, {"encoder": "periodic"},
], ids=str)  # fmt: skip
def test_deltas_begin_as_the_agent_below_them_to_the_bit(parts: dict[str, object]) -> None:
    old = trained(small(**parts, epochs_max=1, refit=False))
    x, _ = rows(500, seed=1)
    start = begun(with_deltas(old.genome), old)
    np.testing.assert_array_equal(network_logits(start, x), network_logits(old, x))
    freeze_below_deltas(start.network)
    learning = {name for name, p in start.network.named_parameters() if p.requires_grad}
    layer = BASE_LAYERS[old.genome.expert]
    assert all(f".experts.{layer}." in name for name in learning)
    assert len(learning) == 5 * old.genome.members  # A, B, and the gate's three tensors


@pytest.fixture(scope="module")
def old() -> Agent:
    return trained(small(epochs_max=12))


@pytest.fixture(scope="module")
def adapted(old: Agent) -> Agent:
    return trained(with_deltas(small(epochs_max=12)), new=True, seed=5, warm_start=old, frozen=True)


def test_deltas_learn_what_is_new_and_leave_the_agent_below_as_it_was(old: Agent, adapted: Agent) -> None:
    fresh, fraud = rows(4000, seed=7, new=True)
    before, after = (average_precision(fraud, a.logits(fresh).astype(np.float64)) for a in (old, adapted))
    assert after > before + 0.1
    assert adapted.card.warm_start == old.id
    theirs = adapted.network.state_dict()
    for name, tensor in old.network.state_dict().items():
        assert torch.equal(theirs[name], tensor), name


def test_deltas_taken_off_leave_the_agent_below_to_the_bit(old: Agent, adapted: Agent) -> None:
    network = Committee(
        old.genome, torch.from_numpy(adapted.inputs.edges), [len(c) + 2 for c in adapted.inputs.codes], 0.0
    )
    wanted = network.state_dict().keys()
    network.load_state_dict({k: v for k, v in adapted.network.state_dict().items() if k in wanted})
    x, _ = rows(500, seed=1)
    off = dataclasses.replace(old, network=network.eval(), inputs=adapted.inputs)
    np.testing.assert_array_equal(off.logits(x), old.logits(x))


def test_another_training_goes_on_from_the_deltas_that_there_are(adapted: Agent) -> None:
    x, _ = rows(500, seed=1)
    np.testing.assert_array_equal(begun(adapted.genome, adapted).logits(x), adapted.logits(x))
    again = trained(adapted.genome, new=True, seed=6, warm_start=adapted, frozen=True)
    assert again.card.warm_start == adapted.id


@pytest.mark.parametrize("expert", list(BASE_LAYERS))
def test_an_agent_with_deltas_comes_back_from_its_files_to_the_bit(expert: str, tmp_path: Path) -> None:
    old = trained(small(expert=expert, epochs_max=1))
    adapted = trained(with_deltas(old.genome), new=True, seed=5, warm_start=old, frozen=True)
    x, _ = rows(300, seed=2)
    again = load_agent(tmp_path / adapted.id, save_agent(adapted, tmp_path / adapted.id))
    np.testing.assert_array_equal(again.logits(x), adapted.logits(x))


def test_deltas_that_gain_nothing_leave_the_agents_ranking_as_it_was(old: Agent) -> None:
    x, y = rows(seed=5)
    y[:1600] = (x[:1600, 0] < -1.2) & (x[:1600, 2] != 2)  # the opposite of what holds later
    noise = train(with_deltas(old.genome), x, y, np.arange(len(x)), feature_names=NAMES, categorical=CATEGORICAL,
                  threads=1, warm_start=old, frozen=True)  # fmt: skip
    assert noise.card.epochs == 0
    x, _ = rows(500, seed=1)
    assert (np.argsort(noise.logits(x), kind="stable") == np.argsort(old.logits(x), kind="stable")).all()


def test_too_few_frauds_to_calibrate_by_keep_the_agents_calibration(old: Agent) -> None:
    x, y = rows()
    y &= np.arange(len(y)) < 1200
    y[1900:1903] = True
    kept = train(with_deltas(old.genome), x, y, np.arange(len(x)), feature_names=NAMES, categorical=CATEGORICAL,
                 threads=1, warm_start=old, frozen=True)  # fmt: skip
    assert kept.card.calibration.startswith("none")
    assert kept.calibration == old.calibration


def test_probabilities_stay_right_where_rows_are_thinned_anew() -> None:
    thin = small(genuine_per_fraud=3.0, calibration="temperature", epochs_max=8)
    old = trained(thin)
    adapted = trained(with_deltas(thin), seed=5, warm_start=old, frozen=True)
    x, y = rows(6000, seed=8)
    for agent in (old, adapted):
        p = 1 / (1 + np.exp(-agent.logits(x).astype(np.float64)))
        assert 0.6 < p.mean() / y.mean() < 1.6  # without its prior it would be above 3


@pytest.mark.parametrize(
    ("genes", "deltas", "found"),
    [
        ({}, 0, "a genome without deltas"),
        ({"seed": 3}, 2, "an agent of softmax-mlp"),
        ({"hidden": 4}, 2, "an agent of softmax-mlp"),
    ],
)
def test_a_frozen_start_that_does_not_fit_is_refused(
    genes: dict[str, object], deltas: int, found: str, old: Agent
) -> None:
    with pytest.raises(TrainingDataError, match=rf"^warm_start: found {found}.*, allowed: "):
        trained(with_deltas(small(**{"epochs_max": 12, **genes}), deltas), warm_start=old, frozen=True)


def test_deltas_over_others_of_another_rank_are_refused(adapted: Agent) -> None:
    with pytest.raises(TrainingDataError, match=r"^warm_start: found an agent of"):
        trained(with_deltas(adapted.genome, rank=3), warm_start=adapted, frozen=True)


def test_trees_have_no_layer_for_deltas() -> None:
    with pytest.raises(GenomeError, match="allowed: 0 where experts are trees"):
        small(expert="trees", deltas=2)

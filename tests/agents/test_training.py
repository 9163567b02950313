"""What a training minds beside its loss: costs, time, collapse of the gate, cores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.costs import cost_weights
from agents.errors import TrainingDataError
from agents.gate_metrics import _figures
from agents.genome import Genome
from agents.losses import log_loss
from agents.model import Agent
from agents.training import train

NAMES = ("amount", "risk", "noise")
SMALL = {"expert": "logistic", "experts": 2, "bins": 4, "batch": 256, "learning_rate": 0.02, "averaging": 0.9}


def stream(n: int = 4000, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One row in ten is fraud, more often where the second feature is large; amounts say nothing about it."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.lognormal(3, 1, n), rng.normal(size=n), rng.normal(size=n)]).astype(np.float32)
    return x, rng.random(n) < 1 / (1 + np.exp(3 - 1.5 * x[:, 1]))


def trained(
    x: NDArray[np.float32], y: NDArray[np.bool_], cost: NDArray[np.float64] | None = None, **genes: object
) -> Agent:
    genome = Genome(**{**SMALL, **genes})  # type: ignore[arg-type]
    return train(genome, x, y, np.arange(len(x)), feature_names=NAMES, cost=cost, threads=1)


def test_a_row_counts_what_a_mistake_about_it_costs() -> None:
    logits, fraud = torch.tensor([2.0, -1.0, 0.3]), torch.tensor([1.0, 0.0, 1.0])
    weight = torch.tensor([3.0, 0.5, 0.0])
    each = torch.stack([log_loss(logits[i], fraud[i]) for i in range(3)])
    torch.testing.assert_close(log_loss(logits, fraud, weight), (weight * each).mean())
    torch.testing.assert_close(log_loss(logits, fraud, torch.ones(3)), log_loss(logits, fraud))


def test_costs_become_weights_of_mean_one_without_the_dearest_and_a_shift_back_to_log_odds() -> None:
    fraud = np.arange(1000) < 200
    cost = np.where(fraud, 100.0, 5.0)
    cost[0] = 1e9
    weight, shift = cost_weights(cost, fraud)
    assert weight.mean() == pytest.approx(1.0, abs=1e-5)
    assert weight[0] == weight[1] == pytest.approx(20 * weight[-1], rel=1e-5)
    assert shift == pytest.approx(-np.log(20))
    for nothing in (None, np.where(fraud, 0.0, 1.0)):
        alike, none = cost_weights(nothing, fraud)
        assert (alike == 1).all()
        assert none == 0.0


@pytest.mark.parametrize("calibration", ["platt", "beta"])
def test_an_agent_that_learnt_by_costs_still_gives_probabilities(calibration: str) -> None:
    x, y = stream(8000)
    cost = np.where(y, x[:, 0].astype(np.float64), 0.5)
    agent = trained(x, y, cost, loss="cost", calibration=calibration, epochs_max=8)
    fresh, fraud = stream(8000, seed=1)
    p = 1 / (1 + np.exp(-agent.logits(fresh).astype(np.float64)))
    assert p.mean() == pytest.approx(fraud.mean(), abs=0.015)
    assert agent.card.metrics["calibration_error"] < 0.03


def test_probabilities_are_about_right_before_any_calibration() -> None:
    x, y = stream(6000)
    y &= (np.arange(6000) < 4800) | (np.cumsum(y) % 40 == 0)  # too few later ones to calibrate by
    cost = np.where(y, 40.0, 1.0)
    agent = trained(x, y, cost, loss="cost", epochs_max=8)
    assert agent.card.calibration.startswith("none")
    fresh, fraud = stream(6000, seed=1)
    p = 1 / (1 + np.exp(-agent.logits(fresh).astype(np.float64)))
    assert 0.6 < p.mean() / fraud.mean() < 1.4  # without the shift back it would be above 5


def test_dear_frauds_are_learnt_first() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 3)).astype(np.float32)
    dear, cheap = x[:, 1] > 1.6, x[:, 2] > 1.6
    y = (dear | cheap) & (rng.random(6000) < 0.7)
    cost = np.where(y, np.where(dear, 200.0, 1.0), 5.0)
    by_cost, plain = trained(x, y, cost, loss="cost", epochs_max=6), trained(x, y, epochs_max=6)
    gain = by_cost.logits(x) - plain.logits(x)
    assert gain[dear & ~cheap].mean() > gain[cheap & ~dear].mean() + 0.5


@pytest.mark.parametrize("cost", [None, np.ones(7), np.full(4000, -1.0), np.full(4000, np.nan), np.zeros(4000)])
def test_a_cost_weighted_loss_without_costs_that_fit_is_refused_in_one_line(cost: NDArray[np.float64] | None) -> None:
    x, y = stream()
    with pytest.raises(TrainingDataError, match=r"^cost: found .*, allowed: ") as refused:
        trained(x, y, cost, loss="cost")
    assert "\n" not in str(refused.value)


def test_training_stops_by_rows_that_are_all_later_than_those_it_learns_from() -> None:
    x, y = stream()
    shuffled = np.random.default_rng(3).permutation(len(x))
    times = np.arange(len(x))[shuffled]
    agent = train(Genome(**SMALL, epochs_max=2, refit=False), x[shuffled], y[shuffled], times,
                  feature_names=NAMES, threads=1)  # type: ignore[arg-type]  # fmt: skip
    card = agent.card
    assert card.validation_rows == int((times >= card.validation_from_event_time).sum()) == pytest.approx(800, abs=2)
    late = x[np.arange(len(x)) >= card.validation_from_event_time]
    assert agent.inputs.median[1] == np.median(x[: -len(late), 1])  # nothing of them is known before


def test_training_stops_early_where_what_it_learns_has_turned_round_later() -> None:
    x, y = stream()
    x[3200:, 1] *= -1
    agent = trained(x, y, epochs_max=40, patience=2, refit=False)
    assert agent.card.epochs < 10


def test_collapse_is_told_for_frauds_and_for_genuine_rows() -> None:
    weights = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    found = _figures(weights, torch.tensor([True, True, False, False]))
    assert found["gate_dead_experts"] == 0
    assert (found["gate_dead_experts_fraud"], found["gate_dead_experts_genuine"]) == (2, 1)
    assert found["gate_entropy_fraud"] == pytest.approx(0.0, abs=1e-6)
    assert found["gate_entropy_genuine"] == pytest.approx(np.log(2) / np.log(3), abs=1e-6)
    x, y = stream(600)
    names = {f"gate_{what}_{who}" for what in ("dead_experts", "entropy") for who in ("fraud", "genuine")}
    assert names <= trained(x, y, epochs_max=1).card.metrics.keys()


def test_a_training_keeps_to_its_cores_and_leaves_the_others_setting_alone() -> None:
    x, y = stream(600)
    before, seen = torch.get_num_threads(), []
    genome = Genome(**SMALL, epochs_max=1)  # type: ignore[arg-type]
    train(genome, x, y, np.arange(600), feature_names=NAMES, threads=before + 1,
          progress=lambda _: seen.append(torch.get_num_threads()))  # fmt: skip
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_a_training_draws_nothing_from_the_callers_random_numbers() -> None:
    x, y = stream(600)
    state = torch.random.get_rng_state()
    first = trained(x, y, epochs_max=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert trained(x, y, epochs_max=1).id == first.id

"""The lasso mixture against its optimality conditions, scikit-learn, and a truth of few features."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from agents.errors import GenomeError
from agents.genome import Genome
from agents.lasso import (
    Rows,
    Strength,
    best_start,
    fit_once,
    fit_sparse,
    kept_only,
    layers,
    parameters,
    penalty_of,
    selected,
)
from agents.metrics import auc
from agents.mixture import Committee, Mixture
from agents.model import Agent
from agents.training import train
from agents.weights import load_agent, save_agent

pytestmark = pytest.mark.usefixtures("one_thread")
D = 8


def lasso(**genes: object) -> Genome:
    return Genome(**{"expert": "logistic", "experts": 2, "encoder": "plain", "gate_map": "identity", "penalty": "l1",
                     "genuine_per_fraud": 1e6, "refit": False, **genes})  # type: ignore[arg-type]  # fmt: skip


def network(genome: Genome, features: int, categories: list[int] | None = None) -> Committee:
    torch.manual_seed(0)
    return Committee(genome, torch.linspace(-2, 2, genome.bins + 1).repeat(features, 1), categories or [], 0.0).eval()


def member(genome: Genome, features: int = D) -> Mixture:
    (only,) = network(genome, features).members
    assert isinstance(only, Mixture)
    torch.nn.init.normal_(layers(only)[0].weight)  # experts that differ: near equal ones the gate has no slope
    return only.double()


def truth(n: int, d: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Two experts over {0, 1, 2} and {0, 3, 4}, told apart by {5, 6}: rows, their probabilities, labels."""
    noise = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=noise, dtype=torch.float64)
    weight = torch.sigmoid(2 * x[:, 5] - 1.5 * x[:, 6])
    experts = (2 * x[:, 0] - 1.5 * x[:, 1] + x[:, 2], -2 * x[:, 0] + 1.5 * x[:, 3] - x[:, 4])
    p = weight * torch.sigmoid(experts[0]) + (1 - weight) * torch.sigmoid(experts[1])
    return x, p, torch.bernoulli(p, generator=noise)


def seen(n: int = 600, d: int = D) -> Rows:
    x, _, y = truth(n, d)
    return Rows(gate=x, experts=x, fraud=y, weight=torch.ones_like(y))


def slopes(made: Mixture, rows: Rows) -> list[Tensor]:
    """Gradient of the mean loss by each layer's weights."""
    logits, _ = made.mixed((rows.gate,), rows.experts)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, rows.fraud)
    return list(torch.autograd.grad(loss, [layer.weight for layer in layers(made)]))


@pytest.mark.parametrize("penalty", ["l1", "group_l1"])
def test_from_the_largest_slope_on_every_weight_stays_exactly_zero(penalty: str) -> None:
    genome, rows = lasso(penalty=penalty), seen()
    largest = float((rows.experts.T @ (rows.fraud - rows.fraud.mean())).abs().max()) / len(rows.fraud)
    for factor, none in ((1.0001, True), (0.2, False)):
        made = member(genome)
        for layer in layers(made):
            torch.nn.init.zeros_(layer.weight)
        fit_once(made, genome, rows, penalty_of(made, Strength(factor * largest, factor * largest, penalty != "l1")))
        assert all((layer.weight == 0).all() for layer in layers(made)) == none
        logits, _ = made.mixed((rows.gate,), rows.experts)
        assert (float(logits.detach().std()) < 1e-12) == none
        if none:
            assert float(torch.sigmoid(logits[0].detach())) == pytest.approx(float(rows.fraud.mean()), abs=1e-4)


def test_without_a_penalty_it_is_the_unpenalised_fit() -> None:
    genome, rows, made = lasso(), seen(3000), member(lasso())
    with torch.no_grad():  # near the truth, so that both go to the same maximum
        for layer, each in zip(layers(made), ((2, -1.5, 1, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 2, -1.5, 0)), strict=True):
            layer.weight[0] = torch.tensor(each, dtype=torch.float64)
            layer.bias.zero_()
        layers(made)[0].weight[1] = torch.tensor((-2, 0, 0, 1.5, -1, 0, 0, 0), dtype=torch.float64)
    start = [p.detach().clone() for p in parameters(made)]
    objective, _ = fit_once(made, genome, rows, penalty_of(made, Strength(0.0, 0.0)))
    other = member(genome)
    for parameter, value in zip(parameters(other), start, strict=True):
        parameter.data = value
    optimiser = torch.optim.LBFGS(parameters(other), max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits, _ = other.mixed((rows.gate,), rows.experts)
        value = torch.nn.functional.binary_cross_entropy_with_logits(logits, rows.fraud)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    assert objective == pytest.approx(float(loss().detach()), abs=1e-5)
    torch.testing.assert_close(layers(made)[0].weight, layers(other)[0].weight, rtol=0.02, atol=0.02)


def test_the_slopes_are_those_of_a_minimum() -> None:
    genome, rows, made = lasso(), seen(1500), member(lasso())
    best_start(made, genome, rows, Strength(0.08, 0.12))
    fit_once(made, genome, rows, penalty_of(made, Strength(0.01, 0.015)))
    for layer, slope, at in zip(layers(made), slopes(made, rows), (0.01, 0.015), strict=True):
        zero = layer.weight == 0
        assert zero.any()
        assert not zero.all()
        assert float(slope[zero].abs().max()) <= at + 1e-4
        torch.testing.assert_close(slope[~zero], -at * layer.weight[~zero].sign(), rtol=0, atol=1e-4)


def test_one_expert_is_scikit_learns_l1_logistic_regression() -> None:
    genome, rows, at = lasso(experts=1), seen(), 0.03
    made = member(genome)
    fit_once(made, genome, rows, penalty_of(made, Strength(at, at)))
    theirs = LogisticRegression(l1_ratio=1.0, C=1 / (len(rows.fraud) * at), solver="saga", tol=1e-7, max_iter=5000)
    theirs.fit(rows.experts.numpy(), rows.fraud.numpy())
    ours = layers(made)[0]
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.bias.detach().numpy(), theirs.intercept_, atol=1e-3)
    assert ((ours.weight == 0).numpy() == (theirs.coef_ == 0)).all()
    assert (layers(made)[1].weight == 0).all()  # one expert needs no gate


def test_the_features_of_a_sparse_truth_are_found() -> None:
    x, p, y = truth(6000, 30)
    genome = lasso(penalty_experts=0.5, penalty_gate=0.5)
    made = network(genome, 30)
    fit_sparse(made, genome, x.float(), torch.zeros(6000, 0, dtype=torch.int64), y.float(), torch.ones(6000))
    experts, gate = layers(made.members[0])  # type: ignore[arg-type]
    one, other = (set(row.nonzero().flatten().tolist()) for row in experts.weight)
    assert (one >= {0, 1, 2} and other >= {0, 3, 4}) or (one >= {0, 3, 4} and other >= {0, 1, 2})
    assert (len(one) + len(other) - 6) / (2 * 30 - 6) <= 0.1  # of those that aren't in the truth
    gated = (gate.weight != 0).any(dim=0)
    assert set(gated.nonzero().flatten().tolist()) >= {5, 6}
    assert int(gated.sum()) <= 5
    fresh, p, y = truth(20_000, 30, seed=1)
    with torch.no_grad():
        logits = made(fresh.float(), torch.zeros(20_000, 0, dtype=torch.int64)).double()
    bce = torch.nn.functional.binary_cross_entropy
    assert float(bce(torch.sigmoid(logits), y) - bce(p, y)) < 0.02


def test_a_group_is_left_out_of_all_experts_and_the_gate_or_of_none() -> None:
    genome, rows = lasso(penalty="group_l1", experts=3), seen()
    made = member(genome)
    fit_once(made, genome, rows, penalty_of(made, Strength(0.03, 0.03, grouped=True)))
    experts, gate = layers(made)
    kept = torch.cat([experts.weight, gate.weight]) != 0
    assert (kept.all(dim=0) | ~kept.any(dim=0)).all()
    assert kept.any()
    assert not kept.all()


def test_a_refit_keeps_what_was_kept_and_takes_the_shrinking_back() -> None:
    genome, rows = lasso(), seen(2000)
    made = member(genome)
    fit_once(made, genome, rows, penalty_of(made, Strength(0.03, 0.03)))
    before = [layer.weight.detach().clone() for layer in layers(made)]
    fit_once(made, genome, rows, kept_only(made))
    for layer, weight in zip(layers(made), before, strict=True):
        assert ((layer.weight == 0) == (weight == 0)).all()
    assert float(layers(made)[0].weight.detach().norm()) > float(before[0].norm())


def test_the_strength_keeps_its_meaning_from_window_to_window() -> None:
    made, fraud = member(lasso()), torch.tensor([1.0, 0.0]).repeat(500)
    once = Strength.of(lasso(penalty_experts=2.0), made, fraud)
    assert once.experts == pytest.approx(2.0 * 0.5 * (np.log(D) / 1000) ** 0.5)
    twice = Strength.of(lasso(penalty_experts=2.0), made, fraud.repeat(2))
    assert twice.experts / once.experts == pytest.approx(0.71, abs=0.01)


def few_frauds(seed: int, n: int = 1200, d: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Frauds in one row of twenty, told by three features of many, one of them a category; values are missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, 9] = rng.integers(1, 4, n)
    y = rng.random(n) < 1 / (1 + np.exp(4.5 - 2 * x[:, 3] - 1.5 * x[:, 7] - 2 * (x[:, 9] == 2)))
    x[rng.random((n, d)) < 0.02] = np.nan
    return x.astype(np.float32), y


@cache
def trained(**genes: object) -> Agent:
    x, y = few_frauds(0)
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    genome = lasso(**genes)
    return train(genome, x, y, np.arange(len(x)), feature_names=names, categorical=frozenset({"x9"}), threads=1)


def test_where_features_are_many_and_frauds_few_it_finds_them_and_the_card_says_which(tmp_path: Path) -> None:
    x, y = few_frauds(1, n=5000)
    agent, plain = trained(), trained(penalty="none", epochs_max=10, learning_rate=0.01, batch=128)
    assert plain.card.selected_features is None
    assert agent.card.selected_features is not None
    assert {"x3", "x7", "x9"} <= set(agent.card.selected_features)
    assert len(agent.card.selected_features) < 30
    assert auc(y, agent.logits(x).astype(float)) > auc(y, plain.logits(x).astype(float)) + 0.02
    again = load_agent(tmp_path, save_agent(agent, tmp_path))
    assert np.array_equal(again.logits(x), agent.logits(x))
    assert again.card == agent.card
    others = [j for j in range(x.shape[1]) if f"x{j}" not in agent.card.selected_features]
    x[:, others] = 1e6  # what isn't selected plays no part at all
    assert np.array_equal(again.logits(x), agent.logits(x))


@pytest.mark.parametrize("encoder", ["periodic", "piecewise_linear"])
def test_a_feature_counts_as_kept_by_any_of_its_columns(encoder: str) -> None:
    genome = lasso(encoder=encoder, bins=4, penalty="group_l1")
    made = network(genome, 3, [5])
    experts, gate = layers(made.members[0])  # type: ignore[arg-type]
    torch.nn.init.zeros_(experts.weight)
    torch.nn.init.zeros_(gate.weight)
    assert selected(made) == []
    numbers = torch.zeros(1, 3)
    for feature in range(4):
        torch.nn.init.zeros_(experts.weight)
        moved = numbers.clone()
        if feature < 3:
            moved[0, feature] = 0.7
        rows = torch.tensor([[2]]), torch.tensor([[3 if feature == 3 else 2]])
        before, after = (made.members[0].seen(n, r)[1][0] for n, r in ((numbers, rows[0]), (moved, rows[1])))  # type: ignore[operator]
        with torch.no_grad():
            experts.weight[0, int((after != before).nonzero()[-1])] = 1.0
        assert selected(made) == [feature]


def test_a_penalty_of_other_gates_and_experts_is_refused() -> None:
    with pytest.raises(GenomeError, match="found softmax and mlp, allowed: a softmax gate, logistic experts"):
        Genome(penalty="l1")
    with pytest.raises(GenomeError, match="found 2, allowed: 0 where weights are penalised"):
        lasso(deltas=2)


def test_a_warm_start_goes_on_from_its_weights() -> None:
    agent = trained()
    x, y = few_frauds(0)
    options = {"feature_names": agent.feature_names, "categorical": agent.categorical, "threads": 1}
    warm = train(agent.genome, x, y, np.arange(len(x)), warm_start=agent, **options)  # type: ignore[arg-type]
    assert set(warm.card.selected_features or ()) >= {"x3", "x7", "x9"}
    assert warm.card.warm_start == agent.id

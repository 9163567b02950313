"""Losses, activations and adapters against test vectors and identities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.activations import ACTIVATIONS
from agents.experts import EXPERTS
from agents.experts.adapters import AdapterExperts
from agents.genome import Genome
from agents.losses import (
    entropy,
    focal_loss,
    importance_balance,
    information_balance,
    log_loss,
    switch_balance,
)
from agents.training import train

ROWS = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.5, 0.25, 0.25]])
EXPANDED = {
    "xatlu": ((-0.30724915, -0.25, 0.32379181, 2.69275085), (0.88550171, 0.0, 0.39758362, 3.88550171)),
    "xgelu": ((-0.00404969, -0.15865525, 0.34573123, 2.99595031), (1.49190061, 0.18268949, 0.44146246, 4.49190061)),
    "xsilu": ((-0.14227762, -0.26894142, 0.31122967, 2.85772238), (1.21544476, -0.03788284, 0.37245933, 4.21544476)),
}
AT = torch.tensor([-3.0, -1.0, 0.5, 3.0])


def test_balances_are_those_of_the_reference() -> None:
    assert float(switch_balance(ROWS)) == pytest.approx(1.359375)
    assert float(importance_balance(ROWS)) == pytest.approx(0.184063, abs=1e-6)
    assert float(information_balance(ROWS)) == pytest.approx(-0.149163, abs=1e-6)
    assert float(entropy(ROWS.mean(dim=0))) == pytest.approx(0.993793, abs=1e-6)


def test_equal_weights_are_balanced_and_one_expert_is_not() -> None:
    equal, one = torch.full((6, 4), 0.25), torch.tensor([[1.0, 0, 0, 0]]).repeat(6, 1)
    for balance, at_best, at_worst in ((switch_balance, 1.0, 4.0), (importance_balance, 0.0, 3.0)):
        assert float(balance(equal)) == pytest.approx(at_best)
        assert float(balance(one)) == pytest.approx(at_worst)
    assert float(information_balance(torch.eye(4))) == pytest.approx(-np.log(4))
    assert float(information_balance(equal)) == pytest.approx(0.0, abs=1e-6)


def test_a_focal_loss_of_gamma_zero_is_the_log_loss_and_a_clear_row_counts_less() -> None:
    logits, fraud = torch.tensor([2.0, -1.0, 0.3]), torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(focal_loss(logits, fraud, 0.0), log_loss(logits, fraud))
    p = torch.sigmoid(torch.tensor(2.0))
    torch.testing.assert_close(focal_loss(logits[:1], fraud[:1], 2.0), -((1 - p) ** 2) * p.log())


def test_balance_keeps_experts_alive_and_the_card_says_so() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 3)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.normal(size=1500)) > 1
    card = {}
    for balance in ("none", "importance"):
        genome = Genome(gate="top_k", experts=8, hidden=4, epochs_max=12, learning_rate=0.03, averaging=0.0,
                        balance=balance, balance_weight=1.0, refit=False, batch=256)  # fmt: skip
        agent = train(genome, x, y, np.arange(1500), feature_names=("a", "b", "c"), threads=1)
        card[balance] = agent.card.metrics
    assert card["importance"]["gate_effective_experts"] > card["none"]["gate_effective_experts"]
    assert card["importance"]["gate_dead_experts"] <= card["none"]["gate_dead_experts"]
    assert card["importance"]["gate_effective_experts"] > 0.8 * 8


@pytest.mark.parametrize("name", list(EXPANDED))
@torch.no_grad()
def test_expanded_activations_are_those_of_the_reference(name: str) -> None:
    activation = ACTIVATIONS[name]()
    for alpha, wanted in zip((0.0, 0.5), EXPANDED[name], strict=True):
        activation.alpha.fill_(alpha)  # type: ignore[operator, union-attr]
        np.testing.assert_allclose(activation(AT).numpy(), wanted, atol=1e-6)
    activation.alpha.fill_(-0.5)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(activation(AT), AT / 2)


@pytest.mark.parametrize("name", list(EXPANDED))
@pytest.mark.parametrize("alpha", [-0.7, 0.0, 1.3])
@torch.no_grad()
def test_an_expanded_activation_less_its_mirror_image_is_its_input(name: str, alpha: float) -> None:
    activation = ACTIVATIONS[name]()
    activation.alpha.fill_(alpha)  # type: ignore[operator, union-attr]
    x = torch.linspace(-4, 4, 33)
    torch.testing.assert_close(activation(x) - activation(-x), x, rtol=0, atol=1e-5)


@torch.no_grad()
def test_unexpanded_activations_are_the_plain_ones() -> None:
    x = torch.linspace(-4, 4, 33)
    torch.testing.assert_close(ACTIVATIONS["xgelu"]()(x), torch.nn.functional.gelu(x))
    torch.testing.assert_close(ACTIVATIONS["xsilu"]()(x), torch.nn.functional.silu(x))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("xatglu", (1.5, 2.0)),
        ("xgeglu", (1.68268949, 2.36537898)),
        ("xswiglu", (1.46211716, 1.92423431)),
    ],
)
@torch.no_grad()
def test_gated_linear_forms_are_those_of_the_reference(name: str, wanted: tuple[float, float]) -> None:
    activation, u_and_v = ACTIVATIONS[name](), torch.tensor([[1.0, 2.0]])
    for alpha, value in zip((0.0, 0.5), wanted, strict=True):
        activation.of_first.alpha.fill_(alpha)  # type: ignore[operator, union-attr]
        assert activation(u_and_v).tolist() == [[pytest.approx(value, abs=1e-6)]]
    activation.of_first.alpha.fill_(-0.5)  # type: ignore[operator, union-attr]
    assert activation(torch.tensor([[7.0, 2.0]])).tolist() == [[1.0]]  # half of v, whatever u


@torch.no_grad()
def test_forms_of_the_second_order_gate_by_the_plain_activation() -> None:
    u, v = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
    for name, plain in (("geglu", torch.nn.functional.gelu), ("swiglu", torch.nn.functional.silu)):
        torch.testing.assert_close(ACTIVATIONS[name]()(torch.cat([u, v], dim=1)), plain(u) * v)


@pytest.mark.parametrize("expert", ["adapters", "mlp"])
@torch.no_grad()
def test_each_expert_halves_its_own_units(expert: str) -> None:
    torch.manual_seed(0)
    experts = EXPERTS[expert](5, Genome(experts=3, hidden=4, activation="xatglu"), -3.0)
    x = torch.randn(20, 5)
    layer = experts.trunk if expert == "adapters" else experts.first
    own = slice(0, 8) if expert == "adapters" else slice(8, 16)
    units = torch.nn.functional.linear(x, layer.weight[own], layer.bias[own])  # type: ignore[index, union-attr, arg-type]
    gated = (torch.arctan(units[:, :4]) / torch.pi + 0.5) * units[:, 4:]
    head = experts.head if expert == "adapters" else experts.last[1]  # type: ignore[index]
    torch.testing.assert_close(experts(x)[:, 1], gated @ head + experts.bias[1])  # type: ignore[operator, index]
    torch.testing.assert_close(experts.one(1, x), experts(x)[:, 1])  # type: ignore[operator]


@torch.no_grad()
def test_adapters_begin_as_their_trunk_and_change_it_by_their_rank() -> None:
    torch.manual_seed(0)
    experts = AdapterExperts(6, 3, 8, 2, "relu", -3.0)
    x = torch.randn(20, 6)
    trunk = torch.relu(experts.trunk(x)) @ experts.head
    assert torch.equal(experts(x), trunk.unsqueeze(1) + experts.bias)
    experts.up.normal_()
    layer = experts.trunk.weight + experts.up[1] @ experts.down[1]
    assert int(torch.linalg.matrix_rank(layer - experts.trunk.weight)) == 2
    wanted = torch.relu(x @ layer.T + experts.trunk.bias) @ experts.head + experts.bias[1]
    torch.testing.assert_close(experts(x)[:, 1], wanted, rtol=1e-4, atol=1e-4)

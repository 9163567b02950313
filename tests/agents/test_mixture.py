"""The mixture against its formula, in float64 and in the cases where it is something simpler."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.genome import Genome
from agents.mixture import Committee, Mixture

EDGES = torch.linspace(-2, 2, 5).repeat(3, 1)  # three features, four bins


def mixture(bias: float = -4.0, **genes: object) -> Mixture:
    torch.manual_seed(0)
    return Mixture(Genome(bins=4, hidden=4, **genes), EDGES, [5], bias).eval()  # type: ignore[arg-type]


def some_rows(n: int = 50) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, generator=generator), torch.randint(0, 5, (n, 1), generator=generator)


def parts(network: Mixture, numbers: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    embedded = network.embeddings[0](rows[:, 0])
    experts = network.experts(torch.cat([network.encoder(numbers), embedded], dim=1))
    return network.gate_weights(numbers, rows), experts


@pytest.mark.parametrize("expert", ["logistic", "mlp"])
def test_the_logit_is_that_of_the_weighted_mean_of_probabilities(expert: str) -> None:
    network = mixture(expert=expert)
    numbers, rows = some_rows()
    weights, experts = (t.double() for t in parts(network, numbers, rows))
    p = (weights * torch.sigmoid(experts)).sum(dim=1)
    torch.testing.assert_close(network(numbers, rows).double(), torch.logit(p), rtol=1e-4, atol=1e-5)


def test_probabilities_are_mixed_and_not_logits() -> None:
    log_weights, experts = torch.tensor([[0.6, 0.3, 0.1]]).log(), torch.tensor([[-6.0, -2.0, 1.0]])
    network = mixture(experts=3)
    network.gate.forward = lambda x: log_weights  # type: ignore[method-assign, assignment]
    network.experts.forward = lambda x: experts  # type: ignore[method-assign, assignment]
    logit = network(*some_rows(1))
    assert float(torch.sigmoid(logit)) == pytest.approx(0.110350, abs=1e-6)  # of logits it would be 0.016302


def test_certain_experts_give_finite_logits() -> None:
    network = mixture(expert="logistic", experts=2)
    with torch.no_grad():
        network.experts.linear.bias.copy_(torch.tensor([90.0, -90.0]))  # type: ignore[union-attr]
    assert torch.isfinite(network(*some_rows())).all()


def test_one_logistic_expert_is_a_logistic_regression() -> None:
    network = mixture(expert="logistic", experts=1)
    numbers, rows = some_rows()
    _, experts = parts(network, numbers, rows)
    torch.testing.assert_close(network(numbers, rows), experts[:, 0], rtol=1e-5, atol=1e-5)


def test_two_certain_experts_leave_the_gate_as_the_model() -> None:
    network = mixture(expert="logistic", experts=2)
    with torch.no_grad():
        network.experts.linear.weight.zero_()  # type: ignore[union-attr]
        network.experts.linear.bias.copy_(torch.tensor([60.0, -60.0]))  # type: ignore[union-attr]
    numbers, rows = some_rows()
    weights = network.gate_weights(numbers, rows)
    torch.testing.assert_close(network(numbers, rows), torch.logit(weights[:, 0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("expert", ["logistic", "mlp"])
@torch.no_grad()
def test_at_first_the_model_says_the_base_rate_with_all_experts(expert: str) -> None:
    network = mixture(bias=-4.595, expert=expert, experts=8)
    numbers, rows = some_rows(500)
    mean_weights = network.gate_weights(numbers, rows).mean(dim=0)
    effective = torch.exp(-(mean_weights * mean_weights.log()).sum())
    assert float(effective) > 0.95 * 8
    assert -6.0 < float(network(numbers, rows).median()) < -3.0


def test_the_tanh_map_bounds_what_an_outlier_does_to_the_gate() -> None:
    numbers, rows = torch.full((1, 3), 1e6), torch.zeros(1, 1, dtype=torch.int64)
    further = numbers * 10
    network = mixture(gate_map="tanh")
    torch.testing.assert_close(network.gate_weights(numbers, rows), network.gate_weights(further, rows))
    assert not torch.equal(
        mixture(gate_map="identity").gate_weights(numbers, rows), network.gate_weights(numbers, rows)
    )


def committee(members: int) -> Committee:
    torch.manual_seed(0)
    return Committee(Genome(bins=4, hidden=4, members=members), EDGES, [5], -4.0).eval()


@torch.no_grad()
def test_a_committee_averages_its_members_probabilities() -> None:
    network = committee(3)
    numbers, rows = some_rows()
    each = torch.stack([torch.sigmoid(member(numbers, rows).double()) for member in network.members])
    torch.testing.assert_close(network(numbers, rows).double(), torch.logit(each.mean(dim=0)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.gate_weights(numbers, rows).sum(dim=1), torch.ones(50))


@torch.no_grad()
def test_a_committee_of_one_is_its_mixture() -> None:
    network = committee(1)
    assert torch.equal(network(*some_rows()), network.members[0](*some_rows()))


def test_the_shift_of_the_prior_is_exact() -> None:
    """Kept at rate b, genuine rows make s' of s: s = b s' / (b s' - s' + 1); .4 at b = .1 gives .0625."""
    kept, share = 0.4, 0.1
    shifted = 1 / (1 + np.exp(-(np.log(kept / (1 - kept)) + np.log(share))))
    assert shifted == pytest.approx(share * kept / (share * kept - kept + 1)) == pytest.approx(0.0625)
    network = committee(1)
    numbers, rows = some_rows()
    before = network(numbers, rows)
    network.prior_shift.fill_(float(np.log(share)))
    torch.testing.assert_close(network(numbers, rows), before + float(np.log(share)))

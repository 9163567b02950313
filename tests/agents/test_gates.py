"""Each gate against its paper's formula, its test vectors and the cases where it is something simpler."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from scipy.stats import chisquare
from torch import Tensor

from agents.experts import EXPERTS
from agents.experts.sparse import chosen_logits
from agents.gates import GATES
from agents.gates.grkan import GrkanGate
from agents.gates.gumbel import GumbelGate
from agents.gates.kan import LAYERS, KanLayer, RadialLayer, SplineLayer
from agents.gates.softmax import SoftmaxGate
from agents.gates.threshold import ThresholdGate, excess_log_weights
from agents.gates.top_k import TopKGate
from agents.genome import Genome
from agents.mixture import SPARSE_FROM, Mixture

SCORES = (2.0, 1.0, 0.0, -1.0)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def some(n: int = 40, width: int = 5) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(1))


def saying(gate: SoftmaxGate, scores: tuple[float, ...]) -> None:
    """Let a gate give these scores for every row."""
    with torch.no_grad():
        gate.linear.weight.zero_()
        gate.linear.bias.copy_(torch.tensor(scores))


def same_softmax(gate: SoftmaxGate, **options: object) -> SoftmaxGate:
    other = SoftmaxGate(5, 4, gate.bounded_map)
    other.load_state_dict({k: v for k, v in gate.state_dict().items() if k.startswith("linear")})
    return other


@pytest.mark.parametrize("gate", sorted(set(GATES) - {"task_aware", "top_k"}))
@torch.no_grad()
def test_at_first_all_experts_take_part(gate: str) -> None:
    weights = GATES[gate](5, Genome(gate=gate, experts=8), 2).eval()(some(500)).exp()  # type: ignore[arg-type]
    mean = weights.mean(dim=0)
    assert float(torch.exp(-(mean * mean.log()).sum())) > 0.95 * 8


@pytest.mark.parametrize("bounded_map", ["identity", "tanh", "softsign"])
@torch.no_grad()
def test_softmax_weights_are_the_same_after_a_translation_and_so_is_their_canonical_form(bounded_map: str) -> None:
    gate, x = SoftmaxGate(5, 4, bounded_map).double(), some().double()
    before, canonical = gate(x).exp(), gate.canonical()
    gate.linear.weight.add_(torch.randn(5, dtype=torch.float64))
    gate.linear.bias.add_(0.7)
    torch.testing.assert_close(gate(x).exp(), before, rtol=0, atol=1e-12)
    for now, then in zip(gate.canonical(), canonical, strict=True):
        torch.testing.assert_close(now, then, rtol=0, atol=1e-12)
        torch.testing.assert_close(now.sum(dim=0), torch.zeros_like(now.sum(dim=0)), rtol=0, atol=1e-12)
    gate.linear.weight.copy_(canonical[0])
    gate.linear.bias.copy_(canonical[1])
    torch.testing.assert_close(gate(x).exp(), before, rtol=0, atol=1e-12)


@torch.no_grad()
def test_an_expert_split_in_two_halves_changes_nothing() -> None:
    gate, x = SoftmaxGate(5, 3, "tanh").double(), some().double()
    halves = SoftmaxGate(5, 4, "tanh").double()
    halves.linear.weight.copy_(torch.cat([gate.linear.weight, gate.linear.weight[2:]]))
    half = gate.linear.bias[2:] - np.log(2)
    halves.linear.bias.copy_(torch.cat([gate.linear.bias[:2], half, half]))
    weights, split = gate(x).exp(), halves(x).exp()
    torch.testing.assert_close(torch.cat([split[:, :2], split[:, 2:].sum(dim=1, keepdim=True)], dim=1), weights)


def test_the_same_experts_leave_the_gate_without_a_gradient() -> None:
    gate = SoftmaxGate(5, 4, "tanh").double()
    logit = torch.full((40, 4), -1.3, dtype=torch.float64)
    torch.logsumexp(gate(some().double()) + torch.nn.functional.logsigmoid(logit), dim=1).sum().backward()
    assert gate.linear.weight.grad is not None
    assert float(gate.linear.weight.grad.abs().max()) < 1e-14


@torch.no_grad()
def test_top_k_of_all_experts_is_the_softmax_to_the_bit() -> None:
    gate = TopKGate(5, 4, "tanh", k=4)
    assert torch.equal(gate(some()), same_softmax(gate)(some()))


@pytest.mark.parametrize("k", [1, 2, 3])
@torch.no_grad()
def test_top_k_keeps_k_experts_and_the_ratio_of_their_weights(k: int) -> None:
    gate = TopKGate(5, 4, "identity", k)
    weights, dense = gate(some()).exp(), same_softmax(gate)(some()).exp()
    assert ((weights > 0).sum(dim=1) == k).all()
    kept = torch.where(weights > 0, dense, 0.0)
    torch.testing.assert_close(weights, kept / kept.sum(dim=1, keepdim=True))
    assert (dense[weights > 0].reshape(-1, k).amin(dim=1) >= dense[weights == 0].reshape(-1, 4 - k).amax(dim=1)).all()


@torch.no_grad()
def test_of_equal_scores_the_first_experts_are_kept() -> None:
    gate = TopKGate(5, 6, "tanh", k=2)
    saying(gate, (0.5, 1.0, 1.0, 1.0, 0.0, 1.0))
    np.testing.assert_allclose(gate(some(1)).exp().numpy(), [[0, 0.5, 0.5, 0, 0, 0]], atol=1e-7)
    assert gate.chosen(some(1))[0].tolist() == [[1, 2]]
    equal = TopKGate(5, 12, "tanh", k=10)
    saying(equal, (0.0,) * 12)
    assert equal.chosen(some(1))[0].tolist() == [list(range(10))]


def test_an_expert_that_no_row_chose_has_no_gradient() -> None:
    network = Mixture(Genome(gate="top_k", expert="logistic", experts=4, bins=4), torch.zeros(5, 5), [], -3.0)
    saying(network.gate, (1.0, 0.5, -1.0, -2.0))  # type: ignore[arg-type]
    network(some(), torch.zeros(40, 0, dtype=torch.int64)).sum().backward()
    gradient = network.experts.linear.bias.grad  # type: ignore[union-attr]
    assert (gradient[2:] == 0).all()  # type: ignore[index]
    assert (gradient[:2] != 0).all()  # type: ignore[index]


@pytest.mark.parametrize("expert", ["adapters", "logistic", "mlp"])
@torch.no_grad()
def test_some_experts_alone_say_what_they_say_among_all(expert: str) -> None:
    experts = EXPERTS[expert](5, Genome(experts=7, hidden=4), -3.0)
    if expert == "adapters":
        experts.up.normal_()  # type: ignore[operator, union-attr]
    chosen = torch.randint(0, 7, (40, 3), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(chosen_logits(experts, some(), chosen), experts(some()).gather(1, chosen))  # type: ignore[arg-type]
    assert chosen_logits(experts, some(0), chosen[:0]).shape == (0, 3)  # type: ignore[arg-type]


@torch.no_grad()
def test_scoring_only_the_chosen_experts_changes_no_score() -> None:
    genome = Genome(gate="top_k", experts=2 * SPARSE_FROM, top_k=2, bins=4, hidden=4)
    network = Mixture(genome, torch.linspace(-2, 2, 5).repeat(5, 1), [], -3.0).eval()
    assert network.sparse
    rows = torch.zeros(40, 0, dtype=torch.int64)
    sparse = network(some(), rows)
    network.sparse = False
    torch.testing.assert_close(sparse, network(some(), rows), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_gumbel_gate_scores_the_same_rows_the_same_and_draws_nothing() -> None:
    gate = GumbelGate(5, 4, "tanh", (2.0, 0.5), seed=3).eval()
    state = torch.random.get_rng_state()
    assert torch.equal(gate(some()), gate(some()))
    assert torch.equal(torch.random.get_rng_state(), state)
    gate.train()
    assert not torch.equal(gate(some()), gate(some()))


@torch.no_grad()
def test_cold_gumbel_draws_pick_experts_as_often_as_the_softmax_says() -> None:
    gate = GumbelGate(5, 4, "tanh", (0.01, 0.01), seed=0).train()
    saying(gate, SCORES)
    picks = torch.bincount(gate(torch.zeros(100_000, 5)).argmax(dim=1), minlength=4).numpy()
    wanted = torch.softmax(torch.tensor(SCORES, dtype=torch.float64), dim=0).numpy() * 100_000
    assert chisquare(picks, wanted).pvalue > 1e-3


@pytest.mark.parametrize(
    ("temperature", "mean"), [(0.5, (0.605, 0.253, 0.102, 0.040)), (2.0, (0.431, 0.279, 0.178, 0.113))]
)
@torch.no_grad()
def test_mean_gumbel_weights_are_those_of_the_reference(temperature: float, mean: tuple[float, ...]) -> None:
    gate = GumbelGate(5, 4, "tanh", (temperature, temperature), seed=0)
    saying(gate, SCORES)
    drawn = gate.train()(torch.zeros(200_000, 5)).exp().mean(dim=0)
    np.testing.assert_allclose(drawn.numpy(), mean, atol=3e-3)
    np.testing.assert_allclose(gate.eval()(torch.zeros(1, 5)).exp()[0].numpy(), mean, atol=0.05)  # 64 draws


@torch.no_grad()
def test_a_longer_gumbel_table_has_less_variance() -> None:
    def spread(draws: int) -> float:
        gates = [GumbelGate(5, 4, "tanh", (1.0, 1.0), seed=s, draws=draws).eval() for s in range(60)]
        for gate in gates:
            saying(gate, SCORES)
        return float(np.var([float(gate(torch.zeros(1, 5)).exp()[0, 0]) for gate in gates]))

    assert spread(256) < 0.3 * spread(16)


@torch.no_grad()
def test_the_gumbel_gate_cools_from_start_to_end() -> None:
    gate = GumbelGate(5, 4, "tanh", (2.0, 0.5), seed=0)
    found = []
    for done in (0.0, 0.5, 1.0):
        gate.anneal(done)
        found.append(float(gate.temperature))
    assert found == pytest.approx([2.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("logit", "weights"),
    [
        (-20.0, (0.508907, 0.308668, 0.113552, 0.068873)),
        (0.0, (0.676399, 0.323601, 0, 0)),
        (2.0, (0.765445, 0.234555, 0, 0)),
        (20.0, (0.815263, 0.184737, 0, 0)),
    ],
)
def test_weights_over_a_threshold_are_those_of_the_reference(logit: float, weights: tuple[float, ...]) -> None:
    scores = torch.tensor([[1.0, 0.5, -0.5, -1.0]])
    found = excess_log_weights(scores, 0.25 * torch.sigmoid(torch.tensor([[logit]]))).exp()
    np.testing.assert_allclose(found[0].numpy(), weights, atol=2e-6)


@pytest.mark.parametrize("logit", [-30.0, 0.0, 30.0])
def test_equal_scores_share_equally_whatever_the_threshold(logit: float) -> None:
    scores = torch.full((3, 7), 0.4, requires_grad=True)
    found = excess_log_weights(scores, torch.sigmoid(torch.full((3, 1), logit)) / 7)
    np.testing.assert_allclose(found.exp().detach().numpy(), 1 / 7, rtol=1e-5)
    found.exp().square().sum().backward()
    assert torch.isfinite(scores.grad).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("experts", [1, 2, 5, 16])
@torch.no_grad()
def test_under_the_highest_threshold_one_expert_at_least_takes_part(experts: int) -> None:
    gate = ThresholdGate(5, experts, "identity", share=1.0)
    gate.linear.weight.normal_(std=3.0)
    gate.threshold.bias.fill_(30.0)  # its sigmoid rounds to 1
    weights = gate(some(500)).exp()
    assert ((weights > 0).sum(dim=1) >= 1).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(500))
    assert experts == 1 or (weights == 0).any()


@torch.no_grad()
def test_permuted_scores_have_permuted_weights() -> None:
    scores, threshold, order = some(width=4), torch.full((40, 1), 0.2), torch.tensor([2, 0, 3, 1])
    permuted = excess_log_weights(scores[:, order], threshold)
    torch.testing.assert_close(permuted.exp(), excess_log_weights(scores, threshold)[:, order].exp())


def test_the_threshold_has_a_gradient_through_the_excess() -> None:
    gate = ThresholdGate(5, 4, "tanh", share=1.0)
    with torch.no_grad():
        gate.linear.weight.mul_(200)
    (gate(some()).exp() * torch.arange(4)).sum().backward()
    assert gate.threshold.bias.grad is not None
    assert float(gate.threshold.bias.grad.abs()) > 1e-4
    assert torch.isfinite(gate.linear.weight.grad).all()  # type: ignore[arg-type]


def layer_of(basis: str, width: int, out: int) -> KanLayer:
    return LAYERS[basis](width, out, torch.nn.functional.silu)


@torch.no_grad()
def test_spline_bases_are_those_of_the_reference() -> None:
    bases = SplineLayer(1, 1, torch.nn.functional.silu).bases
    wanted = {
        0.0: (0, 0, 1 / 48, 23 / 48, 23 / 48, 1 / 48, 0, 0),
        0.3: (0, 0, 0, 0.0703125, 0.61197917, 0.31510417, 0.00260417, 0),
    }
    for x, values in wanted.items():
        np.testing.assert_allclose(bases(torch.tensor(x)).numpy(), values, atol=1e-6)
    inside = torch.linspace(-1, 1, 101)
    assert bases(inside[:, None]).shape == (101, 1, 8)
    np.testing.assert_allclose(bases(inside).sum(dim=-1).numpy(), 1.0, atol=1e-6)
    beyond = bases(torch.tensor([1.2, 1.5, 2.2, -2.2, 9.0])).sum(dim=-1)
    np.testing.assert_allclose(beyond.numpy(), [0.97916667, 0.68229167, 0, 0, 0], atol=1e-6)


@torch.no_grad()
def test_spline_bases_are_those_of_scipy() -> None:
    knots, x = -1.0 + 0.4 * (np.arange(12) - 3), np.linspace(-0.99, 0.99, 50)
    wanted = BSpline.design_matrix(x, knots, 3).toarray()
    found = SplineLayer(1, 1, torch.nn.functional.silu).double().bases(torch.from_numpy(x))
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-7)


@torch.no_grad()
def test_radial_bases_are_those_of_the_reference() -> None:
    sums = RadialLayer(1, 1, torch.nn.functional.silu).bases(torch.tensor([0.0, 2.0, -2.0, 3.0])).sum(dim=-1)
    np.testing.assert_allclose(sums.numpy(), [1.77227, 1.38632, 1.38632, 0.04729], atol=1e-5)


@pytest.mark.parametrize("base", [torch.nn.functional.elu, torch.nn.functional.silu])
@torch.no_grad()
def test_a_kan_layer_without_curves_is_a_linear_layer_of_its_base(base: Callable[[Tensor], Tensor]) -> None:
    spline, radial = SplineLayer(5, 3, base), RadialLayer(5, 3, base)
    spline.curves.zero_()
    radial.curves.zero_()
    assert torch.equal(spline(some()), torch.nn.functional.linear(base(some()), spline.weight))
    assert torch.equal(radial(some()), radial.linear(base(some())))


@torch.no_grad()
def test_the_curves_of_splines_begin_near_zero() -> None:
    layer = SplineLayer(4, 3, torch.zeros_like)
    drawn = layer.drawn(torch.linspace(-3, 3, 61)).abs()
    assert 0 < float(drawn.max()) < 0.05


@torch.no_grad()
def test_drawn_curves_add_up_to_what_the_layer_says() -> None:
    x, own = torch.tensor([[0.5, -0.5]]), ([0, 1], [0, 1])
    spline = layer_of("bspline", 2, 3)
    spline.curves.normal_()
    torch.testing.assert_close(spline(x)[0], spline.drawn(x[0])[:, *own].sum(dim=1))
    radial = RadialLayer(2, 3, torch.nn.functional.silu)
    curved = radial(x)[0] - radial.linear(torch.nn.functional.silu(x))[0]
    torch.testing.assert_close(curved, radial.drawn(radial.norm(x)[0])[:, *own].sum(dim=1))


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("basis", list(LAYERS))
@torch.no_grad()
def test_a_grkan_gate_with_its_door_shut_is_its_skip(basis: str, normalised: bool) -> None:
    gate = GrkanGate(5, 4, "tanh", 6, basis, normalised=normalised)
    gate.glu.bias[4:] = -1e4
    h = torch.relu(gate.enter(torch.tanh(some())))
    torch.testing.assert_close(gate(some()), torch.log_softmax(gate.norm(gate.skip(h)), dim=1))


@pytest.mark.parametrize("experts", [2, 3, 4])
@torch.no_grad()
def test_a_normalised_grkan_gate_can_only_go_so_far(experts: int) -> None:
    largest = {2: 0.8808, 3: 0.8066, 4: 0.7704}[experts]
    norm = GrkanGate(5, experts, "tanh", 6, "bspline", normalised=True).norm
    one = torch.zeros(1, experts)
    one[0, 0] = 1e3
    assert float(torch.softmax(norm(one), dim=1).max()) == pytest.approx(largest, abs=1e-3)


@pytest.mark.parametrize("basis", list(LAYERS))
@torch.no_grad()
def test_equal_experts_under_a_grkan_gate_are_one_expert(basis: str) -> None:
    genome = Genome(gate="grkan", gate_basis=basis, expert="logistic", experts=4, bins=4)  # type: ignore[arg-type]
    network = Mixture(genome, torch.linspace(-2, 2, 5).repeat(5, 1), [], -3.0)
    linear = network.experts.linear
    linear.weight.copy_(linear.weight[:1].expand_as(linear.weight))  # type: ignore[index, operator, union-attr]
    linear.bias.fill_(-1.0)  # type: ignore[operator, union-attr]
    alone = network.experts(network.encoder(some()))[:, 0]  # type: ignore[misc]
    torch.testing.assert_close(network(some(), torch.zeros(40, 0, dtype=torch.int64)), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("basis", list(LAYERS))
def test_a_grkan_gate_follows_a_wave_that_a_linear_gate_cannot(basis: str) -> None:
    x = torch.rand(2000, 1, generator=torch.Generator().manual_seed(0)) * 4 - 2
    wanted = (torch.sin(3 * x[:, 0]) > 0).long()

    def error(gate: torch.nn.Module) -> float:
        optimiser = torch.optim.Adam(gate.parameters(), lr=0.02)
        for _ in range(200):
            optimiser.zero_grad()
            loss = torch.nn.functional.nll_loss(gate(x), wanted)
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    assert error(GrkanGate(1, 2, "identity", 16, basis, normalised=False)) < 0.5 * error(SoftmaxGate(1, 2, "identity"))


def test_rows_that_need_several_experts_get_more_of_them() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1500, 2, generator=generator)
    hard = x[:, 0] > 0
    said = torch.randn(1500, 4, generator=generator)
    target = torch.where(hard, said[:, 1:].mean(dim=1), said[:, 0])  # one expert is right, or three on average
    gate = ThresholdGate(2, 4, "identity", share=1.0)
    optimiser = torch.optim.Adam(gate.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        ((gate(x).exp() * said).sum(dim=1) - target).square().mean().backward()
        optimiser.step()
    active = (gate(x) > -torch.inf).sum(dim=1).float()
    assert float(active[hard].mean()) > float(active[~hard].mean()) + 1.0

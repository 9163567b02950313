"""The compiled form of a network says what the plain one says, and of a row alone what it says in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.compiled import CompiledCommittee
from agents.genome import Genome
from agents.mixture import Committee

EDGES = np.sort(np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32), axis=1)
CATEGORIES = [4, 7]
# Of a logit: what float32 leaves of a sum of some hundred terms in another order.
BOUND = 2e-5


def network(genome: Genome) -> Committee:
    torch.manual_seed(0)
    made = Committee(genome, torch.from_numpy(EDGES), CATEGORIES, bias=-3.0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        made.prior_shift.fill_(-1.5)
    return made.eval()


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(1)
    numbers = np.clip(2.0 * rng.normal(size=(n, len(EDGES))), EDGES[:, 0], EDGES[:, -1]).astype(np.float32)
    numbers[: len(EDGES[0])] = EDGES.T  # on every edge
    return torch.from_numpy(numbers), torch.from_numpy(np.stack([rng.integers(0, c, n) for c in CATEGORIES], axis=1))


@pytest.mark.parametrize("gate_map", ["identity", "softsign", "tanh"])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("expert", ["logistic", "mlp"])
@pytest.mark.parametrize("encoder", ["periodic", "piecewise_linear", "plain"])
def test_scores_are_those_of_the_plain_network(encoder: str, expert: str, members: int, gate_map: str) -> None:
    genome = Genome(encoder=encoder, expert=expert, members=members, gate_map=gate_map, bins=4, experts=5, hidden=8)
    plain = network(genome)
    compiled = CompiledCommittee.of(plain, EDGES)
    assert compiled is not None
    numbers, categories = rows(300)
    with torch.inference_mode():
        wanted = plain(numbers, categories).numpy()
        found = compiled.logits(numbers, categories)
    assert wanted.max() - wanted.min() > 1.0
    assert (np.abs(found - wanted) <= BOUND * (1.0 + np.abs(wanted))).all()


def test_a_sure_expert_is_no_infinity() -> None:
    plain = network(Genome(encoder="plain", expert="logistic", bins=4, experts=2))
    with torch.no_grad():
        plain.members[0].experts.linear.bias.fill_(-5000.0)
    compiled = CompiledCommittee.of(plain, EDGES)
    assert compiled is not None
    with torch.inference_mode():
        found = compiled.logits(*rows(10))
    assert np.isfinite(found).all()
    assert (found < -590.0).all()


def test_a_row_by_itself_has_the_score_that_it_has_in_a_batch() -> None:
    compiled = CompiledCommittee.of(network(Genome(bins=4)), EDGES)
    assert compiled is not None
    numbers, categories = rows(64)
    with torch.inference_mode():
        together = compiled.logits(numbers, categories)
        alone = [compiled.logits(numbers[i : i + 1], categories[i : i + 1])[0] for i in range(64)]
    np.testing.assert_allclose(alone, together, rtol=1e-6)


@pytest.mark.parametrize("other", [{"gate": "top_k"}, {"activation": "silu"}, {"expert": "adapters"}, {"deltas": 2}])
def test_what_has_no_compiled_form_stays_plain(other: dict[str, object]) -> None:
    assert CompiledCommittee.of(network(Genome(**{"bins": 4, **other})), EDGES) is None

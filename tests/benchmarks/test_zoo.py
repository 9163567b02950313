"""Fair sizes in the comparison of gates, where a method helps, what a mixture recovers, and small segments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from msgspec import structs

from agents.lasso import layers
from agents.training import train
from benchmarks.later_data import Later
from benchmarks.recovery import rates, sparse
from benchmarks.tabular import segments
from benchmarks.tabular.few_frauds import fewer
from benchmarks.tabular.methods import GATES, PLAIN, genome_of, size
from benchmarks.tabular.sets import Split
from benchmarks.tabular.verdicts import seed_error, verdict
from tests.benchmarks.test_drift import DAYS, history

LAST = DAYS - 1
HAVE_HIDDEN = [name for name, genes in GATES.items() if genes.get("expert") != "logistic"]


@pytest.mark.parametrize("method", HAVE_HIDDEN)
def test_whoever_has_a_hidden_layer_has_as_many_parameters_as_the_plain_mixture(method: str) -> None:
    wanted = size(genome_of(PLAIN, 15, 0), 15)
    assert size(genome_of(method, 15, 0), 15) == pytest.approx(wanted, rel=0.08)


def test_a_method_helps_where_its_gain_is_beyond_what_seeds_do() -> None:
    base = np.array([[0.8, 0.82], [0.7, 0.7], [0.9, 0.88], [0.5, 0.5]])
    error = seed_error(np.stack([base, base]))
    assert error[0] == pytest.approx(np.sqrt(2 * 0.0002 / 2))
    found = verdict(np.array([0.1, -0.1, 0.001, 0.0]), error, ("a", "b", "c", "d"))
    assert found == {"helps on": "a", "hurts on": "b", "same on": "2 of 4"}


def test_the_voronoi_loss_of_the_truth_is_zero_and_of_two_halves_that_lie_on_it_too() -> None:
    true = rates.truth(constant=False)
    assert rates.voronoi(true, true)[0] == pytest.approx(0.0, abs=1e-12)
    gate, gate_bias, slope, bias = (part[[0, 0, 1]] for part in true)
    halved = gate_bias - torch.tensor([np.log(2.0), np.log(2.0), 0.0], dtype=torch.float64)
    loss, shared = rates.voronoi(true, (gate, halved, slope, bias))
    assert loss == pytest.approx(0.0, abs=1e-12)
    assert shared == 0.0


def test_what_the_lasso_found_is_counted_whichever_expert_comes_first() -> None:
    x, _, y = sparse.drawn(200, seed=0)
    genome = structs.replace(sparse.GENOME, penalty="none", epochs_max=1)
    agent = train(genome, x, y, np.arange(200), feature_names=[f"x{j}" for j in range(sparse.D)], threads=1)
    experts, gate = layers(agent.network.members[0])  # type: ignore[arg-type]
    with torch.no_grad():
        for layer in (experts, gate):
            layer.weight.zero_()
        experts.weight[0, [0, 3, 4]] = 1.0
        experts.weight[1, [0, 1, 2, 9]] = 1.0
        gate.weight[0, 5] = 1.0
    assert sparse.recovered(agent) == pytest.approx((1.0, 1 / 94, 0.5, 0.0))


def test_a_small_segment_has_its_few_frauds_and_its_own_share_of_them_and_the_others_all_their_rows() -> None:
    plain = history()
    word = np.random.default_rng(0).integers(1, 3, len(plain.fraud)).astype(np.float32)
    past = history(x=np.column_stack([plain.x, word]), names=("amount", "word"), categorical=("word",))
    later = Later(name="small", files=(), read=lambda _: past, train=(0, LAST - 5), test=(LAST - 2, LAST))
    assert set(segments.largest(later, past, "word")) <= {1.0, 2.0}
    segment = segments.drawn(later, past, "word", 1.0, seed=0)
    assert segment.few.fraud.sum() == segments.FRAUDS
    own = (past.day <= LAST - 5) & (word == 1)
    assert segment.few.fraud.mean() == pytest.approx(past.fraud[own].mean(), rel=0.05)
    assert len(segment.others.x) == ((past.day <= LAST - 5) & (word == 2)).sum()
    assert (segment.few.x[:, -1] == 1).all()
    assert len(segment.later.x) == ((past.day >= LAST - 2) & (word == 1)).sum()


def test_fewer_frauds_leave_the_rows_to_judge_by_alone() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(600) < 0.3
    split = Split(rng.normal(size=(600, 2)), y, np.zeros((5, 2)), np.zeros(5, bool))
    some = fewer(split, 10, seed=0)
    assert some.y.sum() == 10
    assert (~some.y).sum() == 400
    assert some.test_x is split.test_x

"""An agent's portrait: what is known of an agent is what it says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.gates.grkan import GrkanGate
from agents.genome import Genome
from agents.model import Agent
from agents.portrait import Portrait, overhear, portray
from agents.training import train

NAMES = ("loud", "quiet", "country")


def rows(n: int = 1500, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.normal(size=n), rng.integers(1, 4, n)]).astype(np.float32)
    return x, (x[:, 0] > 1.2) | (rng.random(n) < 0.02)


def trained(**genes: object) -> Agent:
    x, y = rows()
    small = {"experts": 3, "hidden": 4, "bins": 4, "epochs_max": 6, "learning_rate": 0.02, "batch": 256, **genes}
    genome = Genome(**small)  # type: ignore[arg-type]
    return train(genome, x, y, np.arange(len(x)), feature_names=NAMES, categorical=frozenset({"country"}), threads=1)


@pytest.fixture(scope="module")
def plain() -> Agent:
    return trained(members=2)


def test_the_gates_weights_are_told_by_expert_and_class(plain: Agent) -> None:
    x, y = rows(800, seed=1)
    portrait = portray(plain, x, y)
    assert (portrait.rows, portrait.frauds) == (800, int(y.sum()))
    assert [(e.member, e.expert) for e in portrait.experts] == [(m, e) for m in range(2) for e in range(3)]
    with torch.inference_mode():
        weights = plain.network.members[1].gate_weights(*plain.encoded(x)).numpy()  # type: ignore[operator, union-attr]
    for e in portrait.experts[3:]:
        found = (e.weight, e.weight_fraud, e.weight_genuine)
        wanted = (weights.mean(axis=0), weights[y].mean(axis=0), weights[~y].mean(axis=0))
        np.testing.assert_allclose(found, [w[e.expert] for w in wanted], atol=1e-6)
    assert sum(e.spoke_fraud or 0.0 for e in portrait.experts) == pytest.approx(1.0)


def test_an_expert_that_no_class_has_a_weight_for_is_dead() -> None:
    agent = trained(gate="top_k", top_k=2, experts=4)
    with torch.no_grad():
        agent.network.members[0].gate.linear.weight.zero_()  # type: ignore[union-attr]
        agent.network.members[0].gate.linear.bias.copy_(torch.tensor([1.0, 2.0, 0.0, 0.0]))  # type: ignore[union-attr]
    assert [e.dead for e in portray(agent, *rows(300, seed=1)).experts] == [False, False, True, True]


@pytest.mark.parametrize("genes", [{}, {"expert": "trees", "rounds": 10}, {"gate": "threshold", "expert": "adapters"}])
def test_the_feature_that_makes_fraud_moves_the_logit_most(genes: dict[str, object]) -> None:
    portrait = portray(trained(**genes), *rows(800, seed=1))
    assert portrait.features[0].feature == "loud"
    assert {f.feature for f in portrait.features} == set(NAMES)


def test_a_feature_that_nothing_looks_at_is_told_apart(plain: Agent) -> None:
    x, y = rows(400, seed=1)
    x[:, 1] = 0.5  # exchanged among the rows it stays what it was
    unused = [f.feature for f in portray(plain, x, y).features if not f.used]
    assert unused == ["quiet"]


def test_calibration_is_told_in_bins_of_equally_many_rows(plain: Agent) -> None:
    x, y = rows(1000, seed=1)
    bins = portray(plain, x, y).bins
    assert [b.rows for b in bins] == [100] * 10
    assert sum(b.seen * b.rows for b in bins) == pytest.approx(y.sum())
    assert [b.predicted for b in bins] == sorted(b.predicted for b in bins)


@pytest.mark.parametrize("basis", ["bspline", "rbf"])
def test_curves_are_those_of_the_gates_layers(basis: str) -> None:
    agent = trained(gate="grkan", gate_basis=basis, gate_hidden=5, epochs_max=2)
    first, second = portray(agent, *rows(100)).curves
    gate = agent.network.members[0].gate
    assert isinstance(gate, GrkanGate)
    assert np.shape(first.values) == (3, 5, len(first.at))
    assert np.shape(second.values) == (3, 3, len(second.at))
    np.testing.assert_allclose(second.values, gate.second.drawn(torch.tensor(second.at)).numpy(), atol=1e-5)
    assert first.inputs[0].split(": ")[1].split(", ")[0] in NAMES
    strongest = first.strongest(0, 2)
    ranges = np.ptp(np.array(first.values[0]), axis=1)
    assert ranges[strongest[0]] == ranges.max()


def test_without_rows_the_weights_alone_speak(plain: Agent) -> None:
    portrait = portray(plain, np.zeros((0, 3), np.float32), np.zeros(0, np.bool_))
    assert (portrait.experts, portrait.features, portrait.bins) == ((), (), ())
    kan = trained(gate="grkan", epochs_max=1)
    assert portray(kan, np.zeros((0, 3), np.float32), np.zeros(0, np.bool_)).curves


def test_deltas_are_told_by_their_size(plain: Agent) -> None:
    x, y = rows(seed=3)
    genome = msgspec.structs.replace(plain.genome, deltas=2, delta_rank=1)
    agent = train(genome, x, y, np.arange(len(x)), feature_names=NAMES, categorical=frozenset({"country"}),
                  threads=1, warm_start=plain, frozen=True)  # fmt: skip
    assert len(portray(agent, x, y).deltas) == 4
    assert portray(plain, x, y).deltas == ()


def test_a_portrait_survives_json(plain: Agent) -> None:
    portrait = portray(plain, *rows(200))
    assert msgspec.json.decode(msgspec.json.encode(portrait), type=Portrait) == portrait


def test_an_agent_of_which_only_scores_can_be_had_is_overheard() -> None:
    x, y = rows(600, seed=1)
    x[:100, 1] = np.nan

    def logits(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(np.isnan(rows[:, 1]), np.nan, 3 * rows[:, 0] - 4).astype(np.float32)

    portrait = overhear("a", "g", NAMES, logits, x, y)
    assert (portrait.rows, portrait.frauds, portrait.experts) == (500, int(y[100:].sum()), ())
    assert [f.feature for f in portrait.features if f.used] == ["loud"]
    assert sum(b.rows for b in portrait.bins) == 500
    nobody = overhear("a", "g", NAMES, lambda rows: np.full(len(rows), np.nan, np.float32), x, y)
    assert (nobody.rows, nobody.features, nobody.bins) == (0, (), ())
    assert overhear("a", "g", NAMES, logits, x[:0], y[:0]).features == ()


def test_overheard_or_not_a_feature_moves_the_logit_alike(plain: Agent) -> None:
    x, y = rows(300, seed=1)
    inside, outside = portray(plain, x, y), overhear("a", "g", NAMES, plain.logits, x, y)
    assert [(f.feature, f.logit) for f in outside.features] == [(f.feature, f.logit) for f in inside.features]
    assert outside.bins == inside.bins

"""Every gate with every expert and every encoder: one battery for all."""

from __future__ import annotations

import itertools
import typing
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.activations import ACTIVATIONS
from agents.encoders import ENCODERS
from agents.errors import GenomeError, TrainingDataError
from agents.experts import EXPERTS
from agents.gates import GATES
from agents.gates.maps import MAPS
from agents.genome import Genome, read_genome
from agents.losses import BALANCES, LOSSES
from agents.model import Agent
from agents.training import train
from agents.weights import load_agent, save_agent

NAMES = ("amount", "hour", "country")
CATEGORICAL = frozenset({"country"})
DAY_MS = 86_400_000


def rows(n: int = 800, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Large amounts at night from one country are fraud; some values are missing."""
    rng = np.random.default_rng(seed)
    amount = rng.lognormal(3, 1, n)
    hour = rng.uniform(0, 24, n)
    country = rng.integers(1, 5, n) * 1000
    risk = (amount > 40) & (hour < 8) & (country == 2000)
    fraud = risk | (rng.random(n) < 0.02)
    x = np.stack([amount, hour, country], axis=1).astype(np.float32)
    x[rng.random(n) < 0.05, 0] = np.nan
    x[rng.random(n) < 0.05, 2] = 0
    return x, fraud, np.linspace(0, 20 * DAY_MS, n).astype(np.int64)


def part_names(gene: str) -> tuple[str, ...]:
    return typing.get_args(typing.get_type_hints(Genome)[gene])


def small(**parts: object) -> Genome:
    genes = {"experts": 3, "hidden": 4, "bins": 4, "epochs_max": 2, "batch": 128, **parts}
    return Genome(**genes)  # type: ignore[arg-type]


def trained(genome: Genome, **options: object) -> Agent:
    x, y, times = rows()
    costs = {"cost": np.where(y, np.nan_to_num(x[:, 0], nan=1.0), 5.0)} if genome.loss == "cost" else {}
    return train(genome, x, y, times, feature_names=NAMES, categorical=CATEGORICAL, threads=1, **costs, **options)  # type: ignore[arg-type]


KINDS = {
    "gate": list(GATES), "expert": list(EXPERTS), "encoder": list(ENCODERS), "loss": list(LOSSES),
    "balance": [*BALANCES, "none"],
}  # fmt: skip


def pairs(parts: dict[str, str]) -> set[tuple[tuple[str, str], ...]]:
    return set(itertools.combinations(sorted(parts.items()), 2))


def meeting() -> list[dict[str, str]]:
    """Few combinations in which every two parts of different kinds meet: what breaks, two parts break between them."""
    left = set[tuple[tuple[str, str], ...]]().union(
        *(pairs({a: x, b: y}) for a, b in itertools.combinations(KINDS, 2) for x in KINDS[a] for y in KINDS[b])
    )
    found = []
    while left:
        row = dict(min(left))
        for kind in (k for k in KINDS if k not in row):
            row[kind] = max(KINDS[kind], key=lambda part: len(pairs({**row, kind: part}) & left))
        left -= pairs(row)
        found.append(row)
    return found


def test_every_gate_meets_every_expert_and_every_other_part() -> None:
    met = set[tuple[tuple[str, str], ...]]().union(*map(pairs, meeting()))
    for a, b in itertools.combinations(KINDS, 2):
        for x, y in itertools.product(KINDS[a], KINDS[b]):
            assert pairs({a: x, b: y}) <= met


@pytest.mark.parametrize("parts", meeting(), ids=lambda parts: "-".join(parts[kind] for kind in KINDS))
def test_a_genome_trains_scores_and_comes_back_to_the_bit(parts: dict[str, str], tmp_path: Path) -> None:
    agent = trained(small(**parts))
    x, _, _ = rows(200, seed=1)
    logits = agent.logits(x)
    assert logits.shape == (200,)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert {"gate_dead_experts", "gate_entropy", "gate_effective_experts"} <= agent.card.metrics.keys()
    weights = agent.network.gate_weights(*agent.encoded(x))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(200))
    checksum = save_agent(agent, tmp_path / agent.id)
    again = load_agent(tmp_path / agent.id, checksum)
    np.testing.assert_array_equal(again.logits(x), logits)
    assert (again.id, again.genome, again.card) == (agent.id, agent.genome, agent.card)
    network = agent.network.train()
    network(*agent.encoded(x)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_an_activation_trains_both_kinds_of_networks(activation: str) -> None:
    for expert in ("mlp", "adapters"):
        agent = trained(small(expert=expert, activation=activation, epochs_max=1, refit=False))
        assert np.isfinite(agent.logits(rows(50, seed=1)[0])).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    assert trained(small(seed=5)).id == trained(small(seed=5)).id
    assert trained(small(seed=5)).id != trained(small(seed=6)).id


def test_it_learns_what_there_is_to_learn() -> None:
    x, y, times = rows(4000)
    genome = small(experts=4, hidden=16, epochs_max=20, learning_rate=0.01)
    agent = train(genome, x, y, times, feature_names=NAMES, categorical=CATEGORICAL, threads=1)
    fresh, fraud, _ = rows(4000, seed=3)
    amount, hour, country = fresh.T
    risky = (amount > 40) & (hour < 8) & (country == 2000)  # half of the frauds; the others are noise
    score = agent.logits(fresh)
    assert np.median(score[risky]) > np.quantile(score[~risky], 0.97)
    assert fraud[risky].all()


def test_a_batch_scores_like_its_rows() -> None:
    agent = trained(small())
    x, _, _ = rows(50, seed=4)
    one_by_one = np.concatenate([agent.logits(x[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(agent.logits(x), one_by_one, atol=1e-5)


def test_a_category_never_seen_and_a_missing_one_are_scored() -> None:
    agent = trained(small())
    x = np.array([[10, 5, 987_654], [10, 5, 0], [np.nan, 5, 2000]], np.float32)
    assert np.isfinite(agent.logits(x)).all()


def test_thinning_genuine_rows_leaves_probabilities_where_they_were() -> None:
    genes = {"experts": 2, "hidden": 8, "epochs_max": 30, "learning_rate": 0.01}
    x, y, times = rows(6000)
    options = {"feature_names": NAMES, "categorical": CATEGORICAL, "threads": 1}
    thinned = train(small(genuine_per_fraud=2.0, **genes), x, y, times, **options)  # type: ignore[arg-type]
    p = 1 / (1 + np.exp(-thinned.logits(rows(6000, seed=9)[0])))
    assert abs(float(p.mean()) - float(y.mean())) < 0.02


def test_the_card_says_what_it_was_trained_on() -> None:
    card = trained(small()).card
    x, y, times = rows()
    assert (card.rows, card.frauds) == (len(x), int(y.sum()))
    assert (card.from_event_time, card.to_event_time) == (0, int(times[-1]))
    assert 0 < card.validation_from_event_time < card.to_event_time
    assert card.calibration


def test_too_few_frauds_for_calibration_are_said_so() -> None:
    x, y, times = rows()
    y &= np.arange(len(y)) < 100
    agent = train(small(), x, y, times, feature_names=NAMES, categorical=CATEGORICAL, threads=1)
    assert agent.card.calibration.startswith("none")


@pytest.mark.parametrize("all_fraud", [True, False])
def test_labels_of_one_class_are_refused(all_fraud: bool) -> None:
    x, y, times = rows()
    with pytest.raises(TrainingDataError, match="allowed: at least one of each class"):
        train(small(), x, np.full_like(y, all_fraud), times, feature_names=NAMES)


def still(**parts: object) -> Genome:
    """A genome that learns next to nothing in its one pass, so that what it starts from can be seen."""
    return small(**{"epochs_max": 1, "refit": False, "averaging": 0.0, "learning_rate": 1e-7, "dropout": 0.0, **parts})


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_a_warm_start_begins_where_the_other_agent_ended(encoder: str) -> None:
    first = trained(still(encoder=encoder, seed=1))
    warm = trained(still(encoder=encoder, seed=1), warm_start=first)
    assert warm.card.warm_start == first.id
    for name, tensor in first.network.state_dict().items():
        torch.testing.assert_close(warm.network.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)


def test_a_warm_start_keeps_each_categorys_embedding_where_others_have_come() -> None:
    first = trained(still())
    x, y, times = rows()
    x[::9, 2] = 1500.0  # a country between those that were known: every row of the table moves
    warm = train(still(), x, y, times, feature_names=NAMES, categorical=CATEGORICAL, threads=1, warm_start=first)
    assert [c.tolist() for c in (first.inputs.codes[0], warm.inputs.codes[0])] == [
        [1000.0, 2000.0, 3000.0, 4000.0],
        [1000.0, 1500.0, 2000.0, 3000.0, 4000.0],
    ]
    before, after = (a.network.state_dict()["members.0.embeddings.0.weight"] for a in (first, warm))
    torch.testing.assert_close(after[[0, 1, 2, 4, 5, 6]], before, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(after[3], before[0], atol=1e-4, rtol=1e-3)


def test_a_start_of_another_genome_or_other_features_is_refused() -> None:
    first = trained(small())
    with pytest.raises(TrainingDataError, match=r"warm_start: found an agent of .*, allowed: one of"):
        trained(small(seed=9), warm_start=first)
    x, y, times = rows()
    with pytest.raises(TrainingDataError, match="warm_start: found an agent of other features, allowed: one of"):
        train(small(), x, y, times, feature_names=("a", "b", "c"), threads=1, warm_start=first)


def test_names_in_the_genome_are_those_in_the_registries() -> None:
    registries = {
        "gate": GATES, "gate_map": MAPS, "expert": EXPERTS, "encoder": ENCODERS, "activation": ACTIVATIONS,
        "loss": LOSSES, "balance": {**BALANCES, "none": None},
    }  # fmt: skip
    for gene, registry in registries.items():
        assert set(part_names(gene)) == set(registry), gene


@pytest.mark.parametrize(
    "genes",
    [
        {"gate": "sigmoid"},
        {"gate": "top_k", "top_k": 9},
        {"temperature_end": 9.0},
        {"experts": 0},
        {"hiden": 3},
        {"learning_rate": "fast"},
    ],
)
def test_a_genome_that_cannot_be_built_is_refused_in_one_line(genes: dict[str, object]) -> None:
    with pytest.raises(GenomeError) as refused:
        read_genome(genes)
    assert "\n" not in str(refused.value)


def test_a_genome_may_use_some_of_the_features() -> None:
    agent = trained(small(features=("hour", "amount")))
    assert agent.feature_names == ("hour", "amount")
    assert agent.logits(rows(10)[0][:, [1, 0]]).shape == (10,)


def test_progress_rises_to_one() -> None:
    told: list[float] = []
    trained(small(), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0

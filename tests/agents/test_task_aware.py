"""The task-aware gate: simpler gates as its limits, tasks never seen, specialists by task, and a new segment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from agents.errors import GenomeError, TrainingDataError, WeightsError
from agents.gates.softmax import SoftmaxGate
from agents.gates.task_aware import TaskAwareGate
from agents.genome import Genome
from agents.losses import task_weights
from agents.metrics import auc
from agents.mixture import SPARSE_FROM, Mixture
from agents.model import Agent
from agents.task_transfer import nearest_task, with_task
from agents.training import train
from agents.weights import load_agent, save_agent

MODES = ("additive", "per_task", "task_only")
NAMES = ("a", "b", "channel")
LEARNING = {"expert": "logistic", "experts": 2, "bins": 4, "epochs_max": 12, "batch": 128, "learning_rate": 0.03,
            "averaging": 0.9, "refit": False}  # fmt: skip


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def gate(mode: str, tasks: int = 6, **genes: object) -> TaskAwareGate:
    made = TaskAwareGate(5, Genome(gate="task_aware", experts=4, task_mode=mode, **genes), tasks)  # type: ignore[arg-type]
    for table in (made.tasks.weight, *([made.of_task.weight] if mode != "per_task" else [])):
        torch.nn.init.normal_(table)
    return made.eval()


def some(n: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 5, generator=generator), torch.randint(2, 6, (n,), generator=generator)


def segments(opposite: dict[int, float], n: int = 2400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fraud follows `a` in each channel, upwards or downwards, by the factor that it has."""
    rng = np.random.default_rng(seed)
    a, b, channel = rng.normal(size=n), rng.normal(size=n), rng.choice(list(opposite), n)
    slope = np.array([opposite[int(c)] for c in channel])
    fraud = rng.random(n) < 1 / (1 + np.exp(-slope * a))
    return np.stack([a, b, channel], axis=1).astype(np.float32), fraud, np.arange(n)


def trained(rows: tuple[np.ndarray, np.ndarray, np.ndarray], **genes: object) -> Agent:
    genome = Genome(**{"gate": "task_aware", **LEARNING, **genes})  # type: ignore[arg-type]
    x, y, times = rows
    names = NAMES[: x.shape[1]]
    return train(genome, x, y, times, feature_names=names, categorical=frozenset({"channel"} & set(names)), threads=1)


def log_loss(agent: Agent, x: np.ndarray, y: np.ndarray) -> float:
    logits = agent.logits(x).astype(np.float64)
    return float(np.logaddexp(0.0, np.where(y, -logits, logits)).mean())


@pytest.mark.parametrize("mode", ["additive", "per_task"])
@torch.no_grad()
def test_without_a_tasks_part_it_is_the_plain_gate(mode: str) -> None:
    made, (x, tasks) = gate(mode), some()
    (made.tasks if mode == "per_task" else made.of_task).weight.zero_()
    plain = SoftmaxGate(5, 4, "tanh")
    plain.linear.load_state_dict(made.linear.state_dict())
    assert torch.equal(made(x, tasks), plain(x))


@torch.no_grad()
def test_task_only_routes_every_row_of_a_task_alike() -> None:
    made, (x, tasks) = gate("task_only"), some()
    weights = made(x, tasks).exp()
    for task in range(2, 6):
        assert (weights[tasks == task] == weights[tasks == task][0]).all()
    assert len(weights.unique(dim=0)) == 4


@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_other_numbers_for_the_same_tasks_change_nothing(mode: str) -> None:
    made, (x, tasks) = gate(mode), some()
    before = made(x, tasks)
    order = torch.tensor([0, 1, 4, 2, 5, 3])  # row i of the table goes to where order says
    made.tasks.weight.copy_(made.tasks.weight[order.argsort()])
    assert torch.equal(made(x, order[tasks]), before)


@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_a_task_that_is_unknown_or_missing_takes_the_mean_or_what_was_trained_for_it(mode: str) -> None:
    for of_unknown in ("mean", "trained"):
        made, (x, _) = gate(mode, task_unknown=of_unknown), some()
        unknown, missing = (made(x, torch.full((60,), row)) for row in (0, 1))
        assert torch.equal(unknown, missing)
        wanted = made.tasks.weight[2:].mean(dim=0) if of_unknown == "mean" else made.tasks.weight[0].clone()
        made.tasks.weight[2] = wanted
        torch.testing.assert_close(made(x, torch.full((60,), 2)), unknown)


def test_rows_forget_their_task_in_training_only() -> None:
    made, (x, tasks) = gate("task_only", task_dropout=0.5), some()
    kept = made(x, tasks)
    assert torch.equal(made(x, tasks), kept)
    changed = (made.train()(x, tasks) != kept).any(dim=1).double().mean()
    assert 0.3 < float(changed) < 0.7


@torch.no_grad()
def test_with_k_of_its_experts_a_task_needs_no_others() -> None:
    genome = Genome(gate="task_aware", task_mode="task_only", task_top_k=2, experts=2 * SPARSE_FROM, bins=4, hidden=4)
    network = Mixture(genome, torch.linspace(-2, 2, 5).repeat(5, 1), [6], -3.0).eval()
    assert network.sparse
    x, tasks = some()
    rows = tasks.unsqueeze(1)
    sparse = network(x, rows)
    network.sparse = False
    torch.testing.assert_close(network(x, rows), sparse, rtol=1e-5, atol=1e-5)
    weights = network.gate_weights(x, rows)
    assert ((weights > 0).sum(dim=1) == 2).all()
    for task in range(2, 6):  # pruned to the two experts of its task, the network says the same
        own = tasks == task
        experts = weights[own][0].nonzero().flatten().tolist()
        inputs = torch.cat([network.encoder(x[own]), network.embeddings[0](tasks[own])], dim=1)  # type: ignore[misc]
        p = sum(weights[own][0, e] * torch.sigmoid(network.experts.one(e, inputs)) for e in experts)  # type: ignore[operator, union-attr]
        torch.testing.assert_close(torch.logit(p), sparse[own], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_a_task_never_seen_is_scored_and_an_agent_comes_back_to_the_bit(mode: str, tmp_path: Path) -> None:
    agent = trained(segments({10: 1.0, 20: -1.0}, 400), task_mode=mode, task="channel", epochs_max=1)
    x = np.array([[0.1, 0.2, 99.0], [0.1, 0.2, 0.0], [0.1, 0.2, np.nan]], np.float32)
    logits = agent.logits(x)
    assert np.isfinite(logits).all()
    assert np.array_equal(load_agent(tmp_path, save_agent(agent, tmp_path)).logits(x), logits)


def test_tasks_of_opposite_signs_find_their_experts() -> None:
    opposite = {10: 3.0, 20: 3.0, 30: 3.0, 40: -3.0, 50: -3.0, 60: -3.0}
    x, y, times = segments(opposite)
    fresh, fraud, _ = segments(opposite, seed=1)
    blind = trained((x[:, :2], y, times), gate="softmax")
    assert log_loss(blind, fresh[:, :2], fraud) > 0.68  # 0.693 says nothing
    agent = trained((x, y, times), task_mode="task_only")
    assert log_loss(agent, fresh, fraud) < 0.5
    weights = agent.network.gate_weights(*agent.encoded(fresh)).detach().numpy()
    cluster = np.array([opposite[int(c)] > 0 for c in fresh[:, 2]])
    assert normalized_mutual_info_score(cluster, weights.argmax(axis=1)) > 0.9


@pytest.mark.parametrize("mode", MODES)
def test_an_unrelated_task_does_not_make_the_others_worse(mode: str) -> None:
    fresh, fraud, _ = segments({10: 3.0, 20: -3.0}, seed=5)
    two = segments({10: 3.0, 20: -3.0})
    third = segments({30: 0.0}, 1200, seed=2)
    three = tuple(np.concatenate([a, b]) for a, b in zip(two, third, strict=True))
    order = np.random.default_rng(0).permutation(3600)
    mixed = (three[0][order], three[1][order], np.arange(3600))
    alone, beside = (trained(rows, task_mode=mode, experts=4) for rows in (two, mixed))
    scored = [auc(fraud, agent.logits(fresh).astype(np.float64)) for agent in (alone, beside)]
    assert scored[0] > 0.8
    assert scored[1] > scored[0] - 0.02


def test_a_new_segment_takes_the_way_of_the_one_most_like_it() -> None:
    agent = trained(segments({10: 3.0, 20: -3.0}), task_mode="task_only", epochs_max=8)
    few, fraud, _ = segments({15: -3.0}, 40, seed=3)
    fresh, later, _ = segments({15: -3.0}, 1000, seed=4)
    assert nearest_task(agent, few, fraud) == 20.0
    wider = with_task(agent, 15.0, few, fraud)
    as_if = fresh.copy()
    as_if[:, 2] = 20.0
    assert np.array_equal(wider.logits(fresh), agent.logits(as_if))
    assert log_loss(wider, fresh, later) < log_loss(agent, fresh, later) - 0.1
    known, _, _ = segments({10: 3.0, 20: -3.0}, seed=6)
    assert np.array_equal(wider.logits(known), agent.logits(known))
    assert wider.card.warm_start == agent.id != wider.id
    with pytest.raises(TrainingDataError, match=r"found 15\.0, allowed: one that the agent doesn't know"):
        with_task(wider, 15.0, few, fraud)


def test_a_new_segment_of_trees_takes_the_counts_and_rates_of_the_one_most_like_it(tmp_path: Path) -> None:
    agent = trained(segments({10: 3.0, 20: -3.0}, 600), expert="trees", rounds=10, leaves=4, epochs_max=2)
    few, fraud, _ = segments({15: 3.0}, 40, seed=3)
    wider = with_task(agent, 15.0, few, fraud)
    as_if = few.copy()
    as_if[:, 2] = nearest_task(agent, few, fraud)
    assert np.array_equal(wider.logits(few), agent.logits(as_if))
    assert np.array_equal(load_agent(tmp_path, save_agent(wider, tmp_path)).logits(few), wider.logits(few))


def test_a_warm_start_keeps_each_tasks_way_where_others_have_come() -> None:
    still = {"learning_rate": 1e-7, "averaging": 0.0, "epochs_max": 1, "task_mode": "per_task"}
    x, y, times = segments({10: 3.0, 20: -3.0}, 600)
    first = trained((x, y, times), **still)
    torch.nn.init.normal_(first.network.members[0].gate.tasks.weight)  # type: ignore[union-attr, arg-type]
    x[::7, 2] = 15.0
    warm = train(first.genome, x, y, times, feature_names=NAMES, categorical=frozenset({"channel"}), threads=1,
                 warm_start=first)  # fmt: skip
    before, after = (a.network.state_dict()["members.0.gate.tasks.weight"] for a in (first, warm))
    torch.testing.assert_close(after, before[[0, 1, 2, 0, 3]], atol=1e-4, rtol=1e-3)


def test_a_tasks_rows_count_together_as_a_power_of_their_number() -> None:
    tasks = np.array([1, 1, 1, 1, 2], np.float32)
    for power, ratio in ((1.0, 4.0), (0.5, 2.0), (0.0, 1.0)):
        weight = task_weights(tasks, power)
        assert weight.mean() == pytest.approx(1.0)
        assert weight[:4].sum() / weight[4] == pytest.approx(ratio)


def test_a_small_task_is_not_drowned_and_the_card_has_its_figures() -> None:
    x, y, times = segments({2: 3.0, 3: -3.0})
    few = (x[:, 2] == 2) | (np.arange(len(x)) % 16 == 0)
    rows, small = (x[few], y[few], times[few]), x[:, 2] == 3
    alike, by_task = (trained(rows, epochs_max=3, task_power=power) for power in (1.0, 0.0))
    assert log_loss(by_task, x[small], y[small]) < log_loss(alike, x[small], y[small]) - 0.05
    assert alike.genome.id != by_task.genome.id
    assert set(by_task.card.tasks) == {"2", "3"}
    assert sum(task["rows"] for task in by_task.card.tasks.values()) == by_task.card.validation_rows
    assert 0 <= by_task.card.tasks["3"]["average_precision"] <= 1


def test_weights_of_tasks_without_tasks_are_refused() -> None:
    with pytest.raises(GenomeError, match=r"genome.task_power: found 0.5, allowed: 1 without a task-aware gate"):
        Genome(task_power=0.5)


def test_a_task_that_is_no_category_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GenomeError, match=r"genome\.task: found 'amount', allowed: one of the categorical features"):
        trained(segments({10: 1.0}, 100), task="amount")
    agent = trained(segments({10: 1.0}, 200), epochs_max=1)
    save_agent(dataclasses.replace(agent, genome=msgspec.structs.replace(agent.genome, task="amount")), tmp_path)
    with pytest.raises(WeightsError, match=r"'amount', allowed: .* a genome that fits its data card"):
        load_agent(tmp_path, None)
    with pytest.raises(GenomeError, match=r"genome\.task_top_k: found 1, allowed: 0, or 2 to the 6 experts"):
        Genome(task_top_k=1)

"""Reasons are Shapley values: checked against the definition, order by order, for functions and for trained agents."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.attribution import EXACT_UP_TO, PLAYERS_MAX, ROWS_PER_REASON, rule, shapley
from agents.experts import EXPERTS
from agents.gates import GATES
from agents.genome import Genome
from agents.model import Agent
from agents.training import train

Value = Callable[[np.ndarray], np.ndarray]
NAMES = ("amount", "hour", "count", "share", "country", "noise")
DAY_MS = 86_400_000


def by_the_definition(value: Value, row: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """The mean, over every order in which features may come, of the step that each makes."""
    d = len(row)

    @cache
    def worth(coalition: frozenset[int]) -> float:
        mixed = np.where([j in coalition for j in range(d)], row, typical).astype(np.float32)
        return float(value(mixed[None])[0])

    out, orders = np.zeros(d), list(permutations(range(d)))
    for order in orders:
        for at, j in enumerate(order):
            before = frozenset(order[:at])
            out[j] += (worth(before | {j}) - worth(before)) / len(orders)
    return out


def tangled(x: np.ndarray) -> np.ndarray:
    """A function whose features all work together, in two, in three and with a step."""
    a = np.nan_to_num(x.astype(np.float64), nan=-1.0)
    d = a.shape[1]
    together = np.sin(a.sum(axis=1)) + a[:, 0] * a[:, 1 % d] * a[:, 2 % d] + 2.0 * (a[:, 0] > a[:, d - 1])
    return (a @ np.arange(d) / d + together).astype(np.float32)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6])
def test_they_are_what_the_definition_says(d: int) -> None:
    rng = np.random.default_rng(d)
    row, typical = rng.normal(size=(2, d)).astype(np.float32)
    row[0] = np.nan
    found = shapley(tangled, row[None], typical)[0]
    np.testing.assert_allclose(found, by_the_definition(tangled, row, typical), atol=1e-5)


def data(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    columns = [rng.lognormal(3, 1, n), rng.uniform(0, 24, n), rng.poisson(1, n), rng.random(n) ** 4]
    country, noise = rng.integers(1, 4, n) * 100, rng.normal(size=n)
    fraud = (columns[0] > 30) & (columns[1] < 12) | (columns[3] > 0.8)
    x = np.column_stack([*columns, country, noise]).astype(np.float32)
    return x, fraud, np.linspace(0, 20 * DAY_MS, n).astype(np.int64)


@cache
def trained(gate: str, expert: str) -> Agent:
    genome = Genome(
        gate=gate, expert=expert, experts=3, hidden=4, bins=4, epochs_max=4, learning_rate=0.02, rounds=10, leaves=6,  # type: ignore[arg-type]
        refit=False,
    )  # fmt: skip
    x, y, times = data()
    return train(genome, x, y, times, feature_names=NAMES, categorical=frozenset({"country"}), threads=1)


@pytest.mark.parametrize(
    ("gate", "expert"), [*((gate, "mlp") for gate in GATES), *(("softmax", e) for e in EXPERTS if e != "mlp")]
)
def test_an_agents_reasons_are_what_the_definition_says_and_add_up(gate: str, expert: str) -> None:
    agent = trained(gate, expert)
    x = data()[0][[0, 7, 11]]
    x[1, 0], x[2, 4] = np.nan, 999.0  # a missing amount, a country that training never saw
    found = agent.contributions(x)
    for row, given_to in zip(x, found, strict=True):
        np.testing.assert_allclose(given_to, by_the_definition(agent.logits, row, agent.typical), atol=1e-4)
    np.testing.assert_allclose(agent.starts(x) + found.sum(axis=1), agent.logits(x), atol=1e-4)
    assert np.abs(found).max() > 0.1


def test_they_start_from_the_typical_genuine_row() -> None:
    agent = trained("softmax", "mlp")
    x, y, _ = data()
    np.testing.assert_array_equal(agent.typical[:4], np.median(x[~y][:, :4], axis=0))
    codes, seen = np.unique(x[~y][:, 4], return_counts=True)
    assert agent.typical[4] == codes[seen.argmax()]
    assert not agent.contributions(agent.typical[None]).any()


@settings(max_examples=30, deadline=None)
@given(d=st.integers(1, 40), seed=st.integers(0, 1000))
def test_many_features_add_up_and_their_rule_is_fair_to_all(d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, typical = rng.normal(size=(2, d)).astype(np.float32), rng.normal(size=d).astype(np.float32)
    found = shapley(tangled, x, typical)
    np.testing.assert_allclose(found.sum(axis=1), tangled(x) - tangled(typical[None]), atol=1e-4)
    shares = rule(d).shares
    np.testing.assert_allclose(shares[:, -1] + shares[:, 0], 0.0, atol=1e-12)
    np.testing.assert_allclose((shares @ rule(d).coalitions), np.eye(d), atol=1e-9)


def test_where_no_more_than_two_work_together_sampling_is_exact() -> None:
    d = 25
    assert d > EXACT_UP_TO
    rng = np.random.default_rng(1)
    alone, pairs = rng.normal(size=d), np.triu(rng.normal(size=(d, d)), 1)

    def of_pairs(x: np.ndarray) -> np.ndarray:
        a = x.astype(np.float64)
        return a @ alone + np.einsum("ni,ij,nj->n", a, pairs, a)

    x = np.ones((1, d), np.float32)
    expected = alone + (pairs.sum(axis=0) + pairs.sum(axis=1)) / 2
    np.testing.assert_allclose(shapley(of_pairs, x, np.zeros(d, np.float32))[0], expected, atol=1e-9)


@pytest.mark.parametrize("d", [6, 25, 300])
def test_a_feature_that_nothing_looks_at_gets_nothing(d: int) -> None:
    seen = np.arange(d) % 2 == 0

    def half(x: np.ndarray) -> np.ndarray:
        return tangled(x[:, seen])

    x = np.random.default_rng(2).normal(size=(1, d)).astype(np.float32)
    found = shapley(half, x, np.zeros(d, np.float32))[0]
    if d <= PLAYERS_MAX:
        np.testing.assert_allclose(found[~seen], 0.0, atol=1e-12)
    best = np.argsort(-np.abs(found), kind="stable")[:3]
    assert seen[best].all()


def test_two_features_that_do_the_same_get_the_same() -> None:
    x = np.array([[3.0, 3.0, 1.0, -2.0]], np.float32)
    found = shapley(lambda rows: tangled(np.sort(rows[:, :2], axis=1)) + rows[:, 2], x, np.zeros(4, np.float32))[0]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_a_row_has_the_same_reasons_in_any_batch() -> None:
    x = np.random.default_rng(3).normal(size=(5, 20)).astype(np.float32)
    alone = np.vstack([shapley(tangled, row[None], np.zeros(20, np.float32)) for row in x])
    np.testing.assert_array_equal(shapley(tangled, x, np.zeros(20, np.float32)), alone)


def test_two_thousand_features_cost_a_bounded_number_of_scores_and_the_strongest_are_found() -> None:
    d, asked = 2000, 0
    strong = [13, 700, 701, 1999]

    def value(x: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(x)
        return x[:, strong].prod(axis=1) + 5.0 * x[:, strong].sum(axis=1) + 0.001 * x.sum(axis=1)

    found = shapley(value, np.ones((1, d), np.float32), np.zeros(d, np.float32))[0]
    assert asked <= 3 * ROWS_PER_REASON
    assert found.sum() == pytest.approx(21.0 + 0.001 * d, abs=1e-4)
    assert set(np.argsort(-found)[:4].tolist()) == set(strong)
    np.testing.assert_allclose(found[strong], 5.251, atol=0.5)  # two orders only: what is won together has one owner


def test_who_spoke_has_the_largest_part_of_the_probability() -> None:
    agent = trained("softmax", "mlp")
    x = data()[0][:50]
    voices = agent.voices(x)
    assert voices.weights.shape == (50, 3)
    np.testing.assert_allclose(voices.weights.sum(axis=1), 1.0, atol=1e-5)
    weights, logits = agent.network.voices(*agent.encoded(x))
    p = (weights * logits.sigmoid()).detach().numpy()
    raw = np.log(p.sum(axis=1)) - np.log1p(-p.sum(axis=1)) + float(agent.network.prior_shift)
    np.testing.assert_allclose(agent.calibration.apply(raw.astype(np.float32)), agent.logits(x), atol=1e-3)
    np.testing.assert_array_equal(voices.spoke, p.argmax(axis=1))

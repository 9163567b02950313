"""A sealed agent scores as it would inline, sees only what it may, and is missed by nobody when it is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from agents.genome import Genome
from agents.model import Agent
from agents.training import train
from agents.weights import save_agent
from rlfa.hosts.scoring import AgentRef, InlineHost
from rlfa.hosts.sealed import SealedAgent, SealRules
from rlfa.lineup.slots import AgentId

NAMES = ("amount", "hour", "country")
SERVICE = ("country", "other", "hour", "amount")  # the stream's columns, in another order
DAY_MS = 86_400_000
RULES = SealRules(timeout_s=20.0)


def rows(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.lognormal(3, 1, n), rng.uniform(0, 24, n), rng.integers(1, 5, n)]
    return np.column_stack(columns).astype(np.float32)


def trained(genome: Genome) -> Agent:
    x, times = rows(400), np.linspace(0, 10 * DAY_MS, 400).astype(np.int64)
    fraud = (x[:, 0] > 40) | (x[:, 2] == 3)
    return train(genome, x, fraud, times, feature_names=NAMES, categorical=frozenset({"country"}), threads=1)


@pytest.fixture(scope="module")
def agent() -> Agent:
    return trained(Genome(experts=3, hidden=4, bins=4, epochs_max=3))


@pytest.fixture(scope="module")
def ref(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> AgentRef:
    folder = tmp_path_factory.mktemp("agents") / agent.id
    return AgentRef(id=AgentId(agent.id), folder=str(folder), checksum=save_agent(agent, folder))


@pytest.fixture
def host() -> Iterator[InlineHost]:
    made = InlineHost(SERVICE, RULES)
    yield made
    made.load([])


def wide(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x[:, 2], np.zeros(len(x)), x[:, 1], x[:, 0]]).astype(np.float32)


def test_a_sealed_agent_scores_what_it_would_score_inline(agent: Agent, ref: AgentRef, host: InlineHost) -> None:
    x = rows(200, seed=1)
    host.load([replace(ref, sealed=True)])
    np.testing.assert_array_equal(host.score([ref.id], wide(x))[:, 0], agent.logits(x))
    found = host.reasons([ref.id], np.ones(1), wide(x[:3]))
    assert not found.voices
    np.testing.assert_allclose(found.contributions[:, [3, 2, 0]], agent.contributions(x[:3]), atol=1e-6)


def test_reasons_of_several_agents_add_up_from_their_typical_rows(
    agent: Agent, ref: AgentRef, host: InlineHost, tmp_path: Path
) -> None:
    other = trained(Genome(expert="logistic", experts=2, bins=4, epochs_max=2))
    second = AgentRef(id=AgentId(other.id), folder=str(tmp_path), checksum=save_agent(other, tmp_path))
    host.load([ref, second])
    x, shares = rows(40, seed=1), np.array([0.2, 0.6])
    found = host.reasons([ref.id, second.id], shares, wide(x))
    start = (shares @ [agent.starts(x[:1])[0], other.starts(x[:1])[0]]) / shares.sum()
    total = host.score([ref.id, second.id], wide(x)) @ shares / shares.sum()
    np.testing.assert_allclose(start + found.contributions.sum(axis=1), total, atol=1e-4)
    np.testing.assert_array_equal(found.usual, np.append(other.typical[2], [np.nan, *other.typical[[1, 0]]]))
    np.testing.assert_array_equal(found.voices[ref.id].weights, agent.voices(x).weights)


def test_stacked_agents_score_what_each_scores_by_itself(agent: Agent, ref: AgentRef, tmp_path: Path) -> None:
    others = [trained(Genome(experts=3, hidden=4, bins=4, epochs_max=2, seed=9)), trained(Genome(expert="logistic"))]
    refs = [
        ref,
        *(AgentRef(id=AgentId(o.id), folder=str(tmp_path / o.id), checksum=save_agent(o, tmp_path / o.id))
          for o in others),
    ]  # fmt: skip
    alone, stacked = InlineHost(SERVICE), InlineHost(SERVICE, stacked_on="cpu")
    for one in (alone, stacked):
        one.load(refs)
    assert sorted(len(stack.ids) for stack in stacked._stacks) == [1, 2]
    ids, x = [refs[2].id, AgentId("nobody"), refs[1].id, ref.id], wide(rows(100, seed=2))
    np.testing.assert_allclose(stacked.score(ids, x), alone.score(ids, x), atol=1e-4)
    stacked.load([ref])
    np.testing.assert_allclose(stacked.score([ref.id], x), alone.score([ref.id], x), atol=1e-4)


def test_trees_score_behind_the_seal(host: InlineHost, tmp_path: Path) -> None:
    """Their compiled kernel may open no file there."""
    agent, x = trained(Genome(expert="trees", experts=2, epochs_max=3)), rows(200, seed=1)
    ref = AgentRef(id=AgentId(agent.id), folder=str(tmp_path), checksum=save_agent(agent, tmp_path), sealed=True)
    host.load([ref])
    np.testing.assert_array_equal(host.score([ref.id], wide(x))[:, 0], agent.logits(x))


def test_a_hidden_number_is_the_median_and_a_hidden_category_unknown(
    agent: Agent, ref: AgentRef, host: InlineHost
) -> None:
    x = rows(200, seed=1)
    blank = x.copy()
    blank[:, 0] = agent.inputs.median[0]
    blank[:, 2] = 77.0  # a code that training never saw
    host.load([replace(ref, sealed=True, visible=("hour",))])
    np.testing.assert_array_equal(host.score([ref.id], wide(x))[:, 0], agent.logits(blank))
    assert not host.reasons([ref.id], np.ones(1), wide(x[:3])).contributions[:, [0, 1, 3]].any()


def test_a_sealed_agent_that_dies_is_missing_and_the_rest_decide(ref: AgentRef, host: InlineHost) -> None:
    stranger = replace(ref, id=AgentId("stranger"), sealed=True)
    host.load([ref, stranger])
    near = host._seats[stranger.id].agent
    assert isinstance(near, SealedAgent)
    assert near._process is not None
    near._process.kill()
    near._process.wait()
    logits = host.score([ref.id, stranger.id], wide(rows(5)))
    assert np.isfinite(logits[:, 0]).all()
    assert np.isnan(logits[:, 1]).all()


def test_an_agent_that_is_let_go_takes_its_process_along(ref: AgentRef, host: InlineHost) -> None:
    host.load([replace(ref, sealed=True)])
    near = host._seats[ref.id].agent
    assert isinstance(near, SealedAgent)
    process = near._process
    assert process is not None
    host.load([])
    assert process.poll() is not None


def test_weights_that_changed_on_the_way_give_no_score(ref: AgentRef, host: InlineHost) -> None:
    host.load([replace(ref, sealed=True, checksum="0" * 64)])
    assert np.isnan(host.score([ref.id], wide(rows(5)))).all()

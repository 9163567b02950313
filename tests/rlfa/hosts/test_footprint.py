"""An agent's footprint is measured once, when it is stored, and its maker's word about it doesn't count."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from agents.genome import Genome
from agents.model import Agent
from agents.training import train
from agents.weights import CARD, WEIGHTS, save_agent
from rlfa.hosts.footprint import ROWS, measure, of_card
from rlfa.hosts.scoring import AgentRef
from rlfa.lineup.slots import AgentId
from rlfa.trainers.first_lineup import stored

NAMES = ("amount", "hour")


@pytest.fixture(scope="module")
def agent() -> Agent:
    x = np.random.default_rng(0).lognormal(3, 1, (300, 2)).astype(np.float32)
    times = np.arange(300, dtype=np.int64)
    genome = Genome(expert="logistic", experts=2, bins=4, epochs_max=1)
    return train(genome, x, x[:, 0] > 40, times, feature_names=NAMES, categorical=frozenset(), threads=1)


def test_the_fastest_of_three_runs_counts_after_a_first_one(agent: Agent, tmp_path: Path) -> None:
    save_agent(agent, tmp_path)
    ticks = iter([0.0, 0.512, 1.0, 1.256, 2.0, 3.0])
    found = measure(agent, len(NAMES), tmp_path, lambda: next(ticks))
    assert found.latency_us == pytest.approx(0.256 / ROWS * 1e6)
    assert found.weights_bytes == (tmp_path / WEIGHTS).stat().st_size


def test_the_stored_card_has_what_was_measured_here(agent: Agent, tmp_path: Path) -> None:
    checksum = save_agent(agent, tmp_path)
    boast = replace(agent.card, latency_us=0.001, weights_bytes=1)
    (tmp_path / CARD).write_bytes(msgspec.json.encode(boast))
    kept = stored(AgentRef(id=AgentId("a"), folder=str(tmp_path), checksum=checksum), "linear", 1)
    found = of_card(kept.card)
    assert found is not None
    assert found.latency_us > 0.001
    assert found.weights_bytes == (tmp_path / WEIGHTS).stat().st_size
    assert of_card(msgspec.json.encode(agent.card).decode()) is None

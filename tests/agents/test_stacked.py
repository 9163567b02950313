"""Agents that are scored in one pass say what each says alone."""

from __future__ import annotations

import numpy as np
import pytest

from agents.errors import GenomeError
from agents.genome import Genome
from agents.model import Agent
from agents.stacked import StackedAgents, shape_of
from agents.training import train

NAMES = ("amount", "hour", "country")
BOUND = 2e-5


def rows(n: int, countries: int) -> np.ndarray:
    rng = np.random.default_rng(countries)
    columns = [rng.lognormal(3, 1, n), rng.uniform(0, 24, n), rng.integers(1, countries, n)]
    return np.column_stack(columns).astype(np.float32)


def trained(genome: Genome, countries: int = 5) -> Agent:
    x, times = rows(300, countries), np.linspace(0, 864_000_000, 300).astype(np.int64)
    fraud = (x[:, 0] > 40) | (x[:, 2] == 3)
    return train(genome, x, fraud, times, feature_names=NAMES, categorical=frozenset({"country"}), threads=1)


@pytest.mark.parametrize("recipe", [{}, {"encoder": "periodic", "members": 2}, {"expert": "logistic"}])
def test_a_stack_has_its_agents_scores(recipe: dict[str, object]) -> None:
    base = {"experts": 3, "hidden": 4, "bins": 4, "epochs_max": 2, **recipe}
    agents = [trained(Genome(**base, seed=seed), countries=4 + 3 * seed) for seed in range(3)]
    x = rows(500, 12)
    x[:4] = [[np.nan, 5, 2], [10, np.inf, 0], [10, 5, np.nan], [1e30, 5, 99]]
    found = StackedAgents(agents, "cpu", rows_max=200).logits(x)
    for j, agent in enumerate(agents):
        wanted = agent.logits(x)
        assert (np.abs(found[:, j] - wanted) <= BOUND * (1.0 + np.abs(wanted))).all()


def test_what_differs_in_shape_is_refused() -> None:
    one, other = (trained(Genome(experts=e, hidden=4, bins=4, epochs_max=1)) for e in (2, 3))
    assert shape_of(one) != shape_of(other)
    with pytest.raises(GenomeError, match="one shape"):
        StackedAgents([one, other], "cpu")

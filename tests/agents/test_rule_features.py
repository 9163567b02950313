"""An agent whose inputs are rules: it scores what its rules hit, comes back to the bit, and holds no code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agents.errors import GenomeError, WeightsError
from agents.expressions import Fields, coded, condition, met
from agents.genome import Genome
from agents.metrics import average_precision
from agents.model import Agent
from agents.rule_features import seen, seen_names
from agents.training import train
from agents.weights import load_agent, save_agent

NAMES = ("amount", "hour", "country")
RULES = ("amount > 40 and hour < 8", "country in [2000.0]", "amount > 1e6")
DAY_MS = 86_400_000


def rows(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.stack([rng.lognormal(3, 1, n), rng.uniform(0, 24, n), rng.integers(1, 5, n) * 1000.0], axis=1)
    risk = 0.01 + 0.3 * ((x[:, 0] > 40) & (x[:, 1] < 8)) + 0.2 * (x[:, 2] == 2000)
    x[rng.random(n) < 0.05, 0] = np.nan
    return x.astype(np.float32), rng.random(n) < risk, np.linspace(0, 20 * DAY_MS, n).astype(np.int64)


def trained(genome: Genome) -> Agent:
    x, y, times = rows()
    return train(genome, x, y, times, feature_names=NAMES, categorical=frozenset({"country"}), threads=1)


def alone(**genes: object) -> Genome:
    chosen = {"expert": "logistic", "experts": 1, "bins": 2, "learning_rate": 0.02, "weight_decay": 0.0, **genes}
    return Genome(rules=RULES, rules_only=True, **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def agent() -> Agent:
    return trained(alone())


def test_with_rules_alone_the_score_depends_on_which_rules_hit_and_on_nothing_else(agent: Agent) -> None:
    x, y, _ = rows(seed=1)
    logits = agent.logits(x)
    hits = seen(agent.genome, NAMES, x)
    assert set(np.unique(hits)) == {0.0, 1.0}
    for pattern in np.unique(hits, axis=0):
        assert np.unique(logits[(hits == pattern).all(axis=1)]).size == 1
    none, night, country, both = (logits[(hits == [*p, 0]).all(axis=1)][0] for p in ((0, 0), (1, 0), (0, 1), (1, 1)))
    assert none < min(night, country) <= max(night, country) < both
    assert average_precision(y, logits.astype(np.float64)) > 3 * y.mean()
    chance = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert chance.mean() == pytest.approx(y.mean(), rel=0.3)


@pytest.mark.parametrize("genome", [alone(), Genome(rules=RULES, experts=2, hidden=4, epochs_max=2)])
def test_it_comes_back_to_the_bit_with_its_reasons(genome: Genome, tmp_path: Path) -> None:
    made = trained(genome)
    checksum = save_agent(made, tmp_path / made.id)
    again = load_agent(tmp_path / made.id, checksum)
    x = rows(200, seed=2)[0]
    np.testing.assert_array_equal(again.logits(x), made.logits(x))
    np.testing.assert_allclose(
        again.starts(x[:5]) + again.contributions(x[:5]).sum(axis=1), made.logits(x[:5]), atol=1e-4
    )
    assert made.id.startswith("rules-") == genome.rules_only


def test_trees_take_hits_beside_their_features() -> None:
    pytest.importorskip("lightgbm")
    genome = Genome(rules=RULES, expert="trees", experts=1, rounds=5, epochs_max=1)
    assert seen_names(genome, NAMES)[3:] == tuple(f"rule {text}" for text in RULES)
    assert np.isfinite(trained(genome).logits(rows(50, seed=1)[0])).all()


def test_rules_that_mean_nothing_on_the_features_are_refused_before_training_and_when_loaded(
    agent: Agent, tmp_path: Path
) -> None:
    with pytest.raises(GenomeError, match=r"genome.rules 'hours > 3': found hours, allowed: one of the fields amount"):
        trained(Genome(rules=("hours > 3",)))
    with pytest.raises(GenomeError, match=r"genome.rules_only: found True, allowed: false without rules"):
        Genome(rules_only=True)
    checksum = save_agent(agent, tmp_path / "a")
    genome = json.loads((tmp_path / "a" / "genome.json").read_text())
    (tmp_path / "a" / "genome.json").write_text(json.dumps({**genome, "rules": [*RULES[:2], "open('x') > 1"]}))
    with pytest.raises(WeightsError, match=r"genome.json.*found open\('x'\)|genome.json.*open"):
        load_agent(tmp_path / "a", checksum)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('kind == "x" and a > 1', "kind == 1.0 and a > 1"),
        ('"y" != kind', "2.0 != kind"),
        ('kind not in ("x", "y")', "kind not in [1.0, 2.0]"),
        ("kind is missing or a is missing", "kind == 0.0 or a is missing"),
        ("kind is not missing", "kind != 0.0"),
        ('field["b.c"] * 2 > a', "field['b.c'] * 2 > a"),
    ],
)
def test_categories_become_codes_and_the_same_rows_meet_it(text: str, wanted: str) -> None:
    fields, plain = Fields(("a", "b.c", "kind"), frozenset({"kind"})), Fields(("a", "b.c", "kind"), frozenset())
    codes = {"x": 1.0, "y": 2.0}

    def code(texts: list[str]) -> np.ndarray:
        return np.array([codes[t] for t in texts], np.float32)

    assert coded(text, fields, code) == wanted
    grid = [[a, b, k] for a in (0.0, 2.0, np.nan) for b in (1.0, np.nan) for k in (0.0, 1.0, 2.0, 3.0)]
    x = np.array(grid, np.float32)
    columns = {name: x[:, j] for j, name in enumerate(fields.names)}
    before, after = met([condition(text, fields, code), condition(wanted, plain, code)], columns, len(x)).T
    np.testing.assert_array_equal(before, after)

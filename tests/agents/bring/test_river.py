"""A River estimator as an agent: what it learned is its state, in any process, and it never looks ahead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from river import linear_model, preprocessing
from safetensors.torch import load, save

from agents.bring import Rows, agent_from_river, learned
from agents.bring.brought import probability
from agents.errors import AgentsError, WeightsError
from agents.online import ESTIMATOR, OnlineAgent, built
from agents.weights import GENOME, WEIGHTS, load_agent, load_scorer
from tests.agents.bring.rows import NAMES, hard, made_up

ROOT = Path(__file__).parents[3]
LINEAR = "preprocessing.StandardScaler() | linear_model.LogisticRegression(l2=0.01)"
FOREST = "forest.ARFClassifier(n_models=2)"
ENCODED = (
    "(compose.Select('country') | preprocessing.OneHotEncoder()) "
    "+ (compose.Discard('country') | preprocessing.StandardScaler()) | linear_model.LogisticRegression()"
)
CODES = frozenset({"country"})


def part(rows: Rows, first: int, last: int) -> Rows:
    cut = slice(first, last)
    return Rows(
        features=rows.features[cut],
        fraud=rows.fraud[cut],
        event_time=rows.event_time[cut],
        feature_names=rows.feature_names,
    )


def test_it_scores_as_the_estimator_that_learned_the_same_rows(tmp_path: Path) -> None:
    rows = made_up(400)
    brought = agent_from_river(LINEAR, rows, tmp_path / "agent")
    agent = load_scorer(brought.folder, brought.checksum)
    theirs = preprocessing.StandardScaler() | linear_model.LogisticRegression(l2=0.01)

    def seen(row: np.ndarray) -> dict[str, float]:
        return {name: float(v) for name, v in zip(NAMES, row, strict=True) if np.isfinite(v)}

    for row, fraud in zip(rows.features, rows.fraud, strict=True):
        theirs.learn_one(seen(row), bool(fraud))
    x = hard(50)
    wanted = np.array([theirs.predict_proba_one(seen(row))[True] for row in x])
    np.testing.assert_allclose(probability(agent.logits(x)), wanted, atol=1e-5)
    assert np.abs(agent.contributions(x[:1])).max() > 0


@pytest.mark.parametrize("estimator", [LINEAR, ENCODED, FOREST])
def test_learning_cohort_by_cohort_is_learning_all_at_once(estimator: str, tmp_path: Path) -> None:
    rows = made_up(300)
    whole = agent_from_river(estimator, rows, tmp_path / "whole", categorical=CODES)
    first = agent_from_river(estimator, part(rows, 0, 200), tmp_path / "first", categorical=CODES)
    second = learned(first.folder, first.checksum, part(rows, 200, 300), tmp_path / "second")
    x = hard(60)
    one, two = (load_scorer(b.folder, b.checksum).logits(x) for b in (whole, second))
    np.testing.assert_array_equal(one, two)
    before = load_scorer(first.folder, first.checksum)
    assert not np.array_equal(before.logits(x), two), "the version before stays what it was"
    assert first.checksum != second.checksum
    assert load_scorer(second.folder, None).card.rows == 300


def test_another_process_with_another_hash_seed_rebuilds_the_same_state(tmp_path: Path) -> None:
    brought = agent_from_river(FOREST, made_up(250), tmp_path / "agent", categorical=CODES)
    code = (
        "import sys; from pathlib import Path; from agents.weights import load_scorer; "
        "from tests.agents.bring.rows import hard; "
        "sys.stdout.buffer.write(load_scorer(Path(sys.argv[1]), None).logits(hard(40)).tobytes())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(brought.folder)],
        env={
            **os.environ,
            "PYTHONHASHSEED": "77",
            "PYTHONPATH": os.pathsep.join(p for p in (os.getcwd(), *sys.path) if p),
        },
        capture_output=True,
        check=True,
    )
    ours = load_scorer(brought.folder, brought.checksum).logits(hard(40))
    np.testing.assert_array_equal(np.frombuffer(found.stdout, np.float32), ours)


def test_rows_of_a_time_that_it_has_learned_are_refused(tmp_path: Path) -> None:
    rows = made_up(300)
    first = agent_from_river(LINEAR, part(rows, 0, 200), tmp_path / "first")
    with pytest.raises(AgentsError, match="allowed: after 11940000"):
        learned(first.folder, first.checksum, part(rows, 150, 300), tmp_path / "second")


def test_later_rows_calibrate_and_are_not_learned(tmp_path: Path) -> None:
    rows, later = made_up(300), made_up(300, 5)
    plain = agent_from_river(LINEAR, rows, tmp_path / "plain")
    brought = agent_from_river(LINEAR, rows, tmp_path / "calibrated", later=later)
    agent, bare = (load_scorer(b.folder, None) for b in (brought, plain))
    assert isinstance(agent, OnlineAgent)
    assert (agent.card.rows, agent.card.validation_rows) == (300, 300)
    np.testing.assert_array_equal(np.argsort(agent.logits(later.features)), np.argsort(bare.logits(later.features)))
    assert abs(probability(agent.logits(later.features)).mean() - later.fraud.mean()) < 0.02
    cohort = Rows(features=later.features, fraud=later.fraud, event_time=later.event_time + 10**9, feature_names=NAMES)
    following = learned(brought.folder, brought.checksum, cohort, tmp_path / "next")
    assert load_scorer(following.folder, None).calibration == agent.calibration, "stays without later rows"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("__import__('os').system('true')", "allowed: classes of River"),
        ("optim.base.Optimizer()", "allowed: classes of River"),
        ("datasets.CreditCard()", "found datasets.CreditCard"),
        ("compose.FuncTransformer(lambda x: x)", "allowed: classes of River"),
        ("linear_model.LogisticRegression(l3=1)", "allowed: what River's classes take"),
        ("linear_model.LinearRegression()", "allowed: a classifier"),
        ("(" * 3000, "3000 characters"),
        ("linear_model.", "allowed: what River's classes take"),
    ],
)
def test_a_text_that_is_no_estimator_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(WeightsError) as refused:
        built(text, 0)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rows_that_it_cannot_learn_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentsError, match="allowed: rows that it learns"):
        agent_from_river(
            "compose.Select('amount') | preprocessing.LDA(2) | naive_bayes.MultinomialNB()", made_up(50), tmp_path
        )


def test_an_estimator_that_was_changed_on_the_way_is_refused(tmp_path: Path) -> None:
    brought = agent_from_river(LINEAR, made_up(100), tmp_path / "agent")
    path = brought.folder / WEIGHTS
    with pytest.raises(WeightsError, match="row by row"):
        load_agent(brought.folder, brought.checksum)
    tensors = load(path.read_bytes())
    tensors[ESTIMATOR][0] = ord("!")
    path.write_bytes(save(tensors))
    with pytest.raises(WeightsError, match="allowed: "):
        load_scorer(brought.folder, None)


def test_another_seed_than_the_one_it_learned_with_is_refused(tmp_path: Path) -> None:
    brought = agent_from_river(FOREST, made_up(60), tmp_path / "agent")
    genome = brought.folder / GENOME
    genome.write_text(genome.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(WeightsError, match="seed: found 1, allowed: the weights' own, 0"):
        load_scorer(brought.folder, brought.checksum)

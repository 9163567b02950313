"""A LightGBM model as an agent: the same scores without LightGBM, or a refusal in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from agents.bring import Rows, agent_from_lightgbm
from agents.bring.brought import probability
from agents.errors import AgentsError
from agents.forest import SET
from agents.weights import WEIGHTS, load_agent
from tests.agents.bring.rows import NAMES, hard, made_up


def trained(rows: Rows, categories: bool = True, rounds: int = 8, **parameters: Any) -> lightgbm.Booster:
    chosen = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 0, "min_data_in_leaf": 5, **parameters}
    y = rows.fraud.astype(np.float32)
    columns = [4] if categories else []
    data = lightgbm.Dataset(rows.features, y, feature_name=list(NAMES), categorical_feature=columns)
    return lightgbm.train(chosen, data, rounds)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    leaves=st.integers(2, 40),
    rounds=st.integers(1, 12),
    rate=st.floats(0.05, 1.0),
    categories=st.booleans(),
    complete=st.booleans(),
    steepness=st.sampled_from([1.0, 2.5]),
)
def test_any_model_scores_as_before_on_hard_rows(
    tmp_path: Path, seed: int, leaves: int, rounds: int, rate: float, categories: bool, complete: bool, steepness: float
) -> None:
    rows = made_up(400, seed, complete=complete)
    model = trained(rows, categories, rounds, num_leaves=leaves, learning_rate=rate, sigmoid=steepness, seed=seed)
    brought = agent_from_lightgbm(model, rows, tmp_path / "agent")
    agent = load_agent(brought.folder, brought.checksum)
    x = hard(300, seed + 1)
    np.testing.assert_allclose(probability(agent.logits(x)), model.predict(x), rtol=0, atol=1e-5)
    assert agent.categorical <= {"country"}


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    rows = made_up()
    model = trained(rows)
    one, two = (agent_from_lightgbm(model, rows, tmp_path / name) for name in ("a", "b"))
    assert one.checksum == two.checksum


def test_its_card_says_what_it_was_trained_on_and_its_reasons_add_up(tmp_path: Path) -> None:
    rows, later = made_up(), made_up(800, 3)
    sklearn = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1, num_leaves=9)
    sklearn.fit(rows.features, rows.fraud, feature_name=list(NAMES), categorical_feature=[4])
    brought = agent_from_lightgbm(sklearn, rows, tmp_path / "agent", later=later)
    agent = load_agent(brought.folder, brought.checksum)
    card = agent.card
    assert (card.rows, card.frauds, card.feature_names, card.categorical) == (
        1500,
        rows.fraud.sum(),
        NAMES,
        ("country",),
    )
    assert (card.validation_rows, card.calibration[:5]) == (800, "platt")
    assert card.metrics["average_precision"] > 2 * later.fraud.mean()
    assert (agent.genome.expert, agent.genome.rounds, agent.genome.leaves) == ("trees", 8, 9)
    x = hard(5)
    added = agent.starts(x) + agent.contributions(x).sum(axis=1)
    np.testing.assert_allclose(added, agent.logits(x), atol=1e-4)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"objective": "regression"}, "objective: found regression, allowed: binary or cross_entropy"),
        ({"objective": "lambdarank"}, "objective: found lambdarank"),
        ({"zero_as_missing": True}, "found zeros that count as missing"),
        ({"linear_tree": True}, "found linear models in its leaves"),
        ({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, "boosting: found a forest"),
        ({"num_leaves": 300, "min_data_in_leaf": 1}, "leaves of a tree: found"),
    ],
)
def test_a_model_that_cannot_be_an_agent_is_refused_in_one_line(
    tmp_path: Path, parameters: dict[str, Any], says: str
) -> None:
    rows = made_up()
    if parameters.get("objective") == "lambdarank":
        y = rows.fraud.astype(np.float32)
        model = lightgbm.train({"verbose": -1, **parameters}, lightgbm.Dataset(rows.features, y, group=[1500]), 2)
    else:
        model = trained(rows, **parameters)
    assert says in refusal(model, rows, tmp_path)


def test_too_many_trees_are_refused(tmp_path: Path) -> None:
    rows = made_up(100)
    assert "trees: found 2001, allowed: 1 to 2000" in refusal(trained(rows, rounds=2001, num_leaves=2), rows, tmp_path)


def test_other_features_are_refused(tmp_path: Path) -> None:
    rows = made_up()
    other = Rows(
        features=rows.features,
        fraud=rows.fraud,
        event_time=rows.event_time,
        feature_names=("hour", "amount", *NAMES[2:]),
    )
    assert "features: found column 0 called 'amount', allowed: 'hour'" in refusal(trained(rows), other, tmp_path)


@pytest.mark.parametrize("fault", ["no such set", "column", "shape"])
def test_sets_that_lead_nowhere_are_refused(tmp_path: Path, fault: str) -> None:
    rows = made_up()
    brought = agent_from_lightgbm(trained(rows), rows, tmp_path / "agent")
    path = brought.folder / WEIGHTS
    tensors = load(path.read_bytes())
    over_sets = tensors["trees.missing_left"] == SET
    assert over_sets.any()
    match fault:
        case "no such set":
            tensors["trees.threshold"][over_sets] = 999.0
        case "column":
            tensors["trees.feature"][over_sets] = 0
        case _:
            tensors["trees.sets"] = tensors["trees.sets"][:, :-1].contiguous()
    path.write_bytes(save(tensors))
    with pytest.raises(AgentsError) as refused:
        load_agent(brought.folder, None)
    assert "\n" not in str(refused.value)


def refusal(model: Any, rows: Rows, folder: Path) -> str:
    with pytest.raises(AgentsError) as refused:
        agent_from_lightgbm(model, rows, folder)
    assert "\n" not in str(refused.value)
    assert not (folder / WEIGHTS).exists()
    return str(refused.value)

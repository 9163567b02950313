"""A scikit-learn model as an agent: the same scores as arrays or an ONNX graph, or a refusal in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from agents.bring import Rows, agent_from_sklearn
from agents.bring.brought import probability
from agents.errors import AgentsError, WeightsError
from agents.graph import INPUT, OUTPUT, GraphAgent, refuse_unfit
from agents.model import Agent
from agents.weights import load_agent, load_scorer
from tests.agents.bring.rows import NAMES, hard, made_up


def filled(*steps: Any) -> Any:
    return make_pipeline(SimpleImputer(strategy="median"), *steps)


ENCODED = ColumnTransformer(
    [("n", filled(StandardScaler()), [0, 1, 2, 3]), ("c", OneHotEncoder(handle_unknown="ignore"), [4])]
)
GRAPHS: dict[str, Callable[[int], Any]] = {
    "logistic": lambda _: filled(StandardScaler(), LogisticRegression()),
    "one hot": lambda _: make_pipeline(ENCODED, LogisticRegression()),
    "forest": lambda seed: filled(RandomForestClassifier(8, max_depth=6, random_state=seed)),
    "boosting": lambda seed: filled(GradientBoostingClassifier(n_estimators=6, random_state=seed)),
    "network": lambda seed: filled(StandardScaler(), MLPClassifier((4,), max_iter=400, random_state=seed, tol=0.1)),
    "tree": lambda seed: filled(DecisionTreeClassifier(max_depth=6, random_state=seed)),
}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), leaves=st.integers(2, 40), rounds=st.integers(1, 12), complete=st.booleans())
def test_histogram_boosting_becomes_arrays_with_the_same_scores(
    tmp_path: Path, seed: int, leaves: int, rounds: int, complete: bool
) -> None:
    rows = made_up(300, seed, complete=complete)
    model = HistGradientBoostingClassifier(max_iter=rounds, max_leaf_nodes=leaves, random_state=seed)
    model.fit(rows.features, rows.fraud)
    brought = agent_from_sklearn(model, rows, tmp_path / "agent")
    agent = load_agent(brought.folder, brought.checksum)
    x = hard(300, seed + 1)
    np.testing.assert_allclose(probability(agent.logits(x)), model.predict_proba(x)[:, 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(GRAPHS))
@pytest.mark.parametrize("seed", [0, 1])
def test_a_pipeline_becomes_a_graph_with_the_same_scores(kind: str, seed: int, tmp_path: Path) -> None:
    rows = made_up(500, seed)
    model = GRAPHS[kind](seed).fit(rows.features, rows.fraud)
    brought = agent_from_sklearn(model, rows, tmp_path / "agent", categorical=["country"])
    agent = load_scorer(brought.folder, brought.checksum)
    assert isinstance(agent, GraphAgent)
    x = hard(300, seed + 1)
    theirs = model.predict_proba(x.astype(np.float64))[:, 1]
    np.testing.assert_allclose(probability(agent.logits(x)), theirs, rtol=0, atol=1e-5)
    assert agent.card.categorical == ("country",)
    typical = np.array(agent.card.typical, np.float32)[None]
    added = agent.logits(typical) + agent.contributions(x[:2]).sum(axis=1)
    np.testing.assert_allclose(added, agent.logits(x[:2]), atol=1e-4)


def test_infinities_count_as_missing(tmp_path: Path) -> None:
    rows = made_up(300)
    model = GRAPHS["logistic"](0).fit(rows.features, rows.fraud)
    brought = agent_from_sklearn(model, rows, tmp_path / "agent")
    agent, x = load_scorer(brought.folder, None), hard(5)
    x[:, 0] = np.inf
    missing = np.where(np.isfinite(x), x, np.float32(np.nan))
    np.testing.assert_array_equal(agent.logits(x), agent.logits(missing))


def test_a_model_that_takes_no_missing_values_has_no_score_for_them(tmp_path: Path) -> None:
    rows = made_up(300, complete=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.features, rows.fraud)
    brought = agent_from_sklearn(model, rows, tmp_path / "agent")
    agent, x = load_scorer(brought.folder, None), hard(50)
    lacks = np.isnan(x).any(axis=1)
    assert lacks.any()
    np.testing.assert_array_equal(np.isnan(agent.logits(x)), lacks)
    assert not agent.contributions(x[lacks][:1]).any()


def test_a_margin_needs_rows_that_make_a_probability_of_it(tmp_path: Path) -> None:
    rows, later = made_up(500), made_up(500, 4)
    model = filled(StandardScaler(), RidgeClassifier()).fit(rows.features, rows.fraud)
    assert "output: found a margin, allowed: a probability, or `later` rows" in refusal(model, rows, tmp_path)
    brought = agent_from_sklearn(model, rows, tmp_path / "agent", later=later)
    agent = load_scorer(brought.folder, brought.checksum)
    score = probability(agent.logits(later.features))
    assert abs(score.mean() - later.fraud.mean()) < 0.02
    theirs = model.decision_function(later.features)
    assert (np.argsort(theirs, kind="stable") == np.argsort(agent.logits(later.features), kind="stable")).mean() > 0.99


class Halves(ClassifierMixin, BaseEstimator):
    """Not one that skl2onnx knows."""

    def fit(self, x: Any, y: Any) -> Halves:
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x: Any) -> Any:
        return np.full((len(x), 2), 0.5)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Halves(), "Halves: found no way to ONNX"),
        (KNeighborsClassifier(3), "ONNX graph: found operators ['Scan', 'TopK'], allowed: those of agents.graph.OPS"),
        (RandomForestClassifier(4, max_depth=4, random_state=0), "apart from the model's, allowed: at most 1e-05"),
        (HistGradientBoostingClassifier(max_iter=2, categorical_features=[4]), "categorical_features: found some"),
    ],
)
def test_a_model_that_cannot_be_an_agent_is_refused_in_one_line(model: Any, says: str, tmp_path: Path) -> None:
    rows = made_up(300, complete=isinstance(model, KNeighborsClassifier))
    assert says in refusal(model.fit(rows.features, rows.fraud), rows, tmp_path)


def test_three_classes_are_refused(tmp_path: Path) -> None:
    rows = made_up(300)
    model = filled(StandardScaler(), LogisticRegression()).fit(rows.features, rows.features[:, 4] % 3)
    assert "classes: found" in refusal(model, rows, tmp_path)


def test_a_model_fitted_on_other_names_is_refused(tmp_path: Path) -> None:
    rows = made_up(300)
    model = GRAPHS["logistic"](0).fit(rows.features, rows.fraud)
    model.steps[0][1].feature_names_in_ = np.array([*NAMES[:4], "land"], dtype=object)
    assert "found column 4 called 'land', allowed: 'country'" in refusal(model, rows, tmp_path)


def refusal(model: Any, rows: Rows, folder: Path) -> str:
    with pytest.raises(AgentsError) as refused:
        agent_from_sklearn(model, rows, folder / "refused")
    assert "\n" not in str(refused.value)
    assert not (folder / "refused").exists()
    return str(refused.value)


def graph(*nodes: Any, constants: Any = (), opset: int = 17, domain: str = "", features: int = 5) -> onnx.ModelProto:
    ends = (
        helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, features]),
        helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None]),
    )
    made = helper.make_graph(list(nodes), "g", [ends[0]], [ends[1]], list(constants))
    return helper.make_model(made, opset_imports=[helper.make_opsetid(domain, opset)])


MEAN = helper.make_node("ReduceMean", [INPUT], [OUTPUT], axes=[1], keepdims=0)


def outside() -> Any:
    constant = helper.make_tensor("c", TensorProto.FLOAT, [1], [1.0])
    constant.ClearField("float_data")
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="/etc/passwd")
    return constant


def inner() -> Any:
    body = helper.make_graph([], "inner", [], [])
    return helper.make_node("Identity", [INPUT], [OUTPUT], body=body)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (graph(helper.make_node("Evil", [INPUT], [OUTPUT])), "operators ['Evil']"),
        (graph(helper.make_node("Add", [INPUT, INPUT], [OUTPUT], domain="com.evil")), "operators ['Add']"),
        (graph(helper.make_node("Loop", [INPUT], [OUTPUT])), "operators ['Loop']"),
        (graph(MEAN, domain="com.microsoft", opset=1), "opset 1 of 'com.microsoft'"),
        (graph(MEAN, opset=22), "opset 22 of 'ai.onnx', allowed: 21"),
        (graph(MEAN, constants=[outside()]), "constants in other files"),
        (graph(inner()), "a graph within the graph"),
        (graph(MEAN, features=6), "inputs"),
        (graph(*[helper.make_node("Identity", [INPUT], [f"n{i}"]) for i in range(5001)]), "5001 operators"),
    ],
)
def test_a_graph_that_is_not_allowed_is_refused_unrun(model: onnx.ModelProto, says: str) -> None:
    with pytest.raises(WeightsError) as refused:
        refuse_unfit(model.SerializeToString(), 5)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_allowed_graph_and_bytes_that_are_none() -> None:
    refuse_unfit(graph(MEAN).SerializeToString(), 5)
    with pytest.raises(WeightsError, match="allowed: a ModelProto"):
        refuse_unfit(b"\x80\x04not onnx", 5)
    with pytest.raises(WeightsError, match="bytes, allowed: at most"):
        refuse_unfit(bytes((64 << 20) + 1), 5)


def test_a_graph_is_no_network(tmp_path: Path) -> None:
    rows = made_up(300)
    brought = agent_from_sklearn(GRAPHS["logistic"](0).fit(rows.features, rows.fraud), rows, tmp_path / "agent")
    with pytest.raises(WeightsError, match="found an ONNX graph from another library"):
        load_agent(brought.folder, brought.checksum)
    assert not isinstance(load_scorer(brought.folder, brought.checksum), Agent)

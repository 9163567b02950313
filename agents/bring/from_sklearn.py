"""A scikit-learn classifier becomes an agent: its trees as arrays where they are boosted, else an ONNX graph."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.bring.boosted import agent_of_trees
from agents.bring.brought import AS_IT_IS, Brought, calibrated, card_of, probability
from agents.bring.errors import BringError
from agents.bring.histograms import booster_of
from agents.bring.onnx_graph import graph_of
from agents.bring.proof import refuse_apart
from agents.bring.rows import Features, Rows, refuse_other_names
from agents.calibration import Calibration
from agents.data_card import DataCard
from agents.genome import Genome
from agents.graph import GraphAgent
from agents.inputs import InputStats
from agents.weights import save_agent

BINS = 2  # of the inputs' table, which only its medians are taken from


def agent_from_sklearn(
    model: Any,  # any classifier: scikit-learn has no types
    rows: Rows,
    folder: Path,
    *,
    categorical: Sequence[str] = (),
    later: Rows | None = None,
    successor: Genome | None = None,
) -> Brought:
    """Write a folder that `rlfa agents import` takes.

    A `HistGradientBoostingClassifier` becomes arrays like those of trees that are grown here. Everything else goes
    through skl2onnx and is scored by onnxruntime (extra `onnx`), in a sealed process.

    Args:
        model: fitted, of two classes; a pipeline as a rule.
        rows: that it was trained on; some of them are scored by both, and so are rows with missing and unseen values.
        folder: to write to.
        categorical: features that hold category codes.
        later: rows that it wasn't trained on: they calibrate it and make the figures on its card. A model without
            `predict_proba` needs them.
        successor: what the service trains when the slot of this agent looks for another; it can't refit the model.

    Raises:
        BringError: other features than the rows', no score that can be a probability, too large, or skl2onnx can't
            convert it so that the scores are the same.
        WeightsError: the graph has an operator that isn't allowed.
    """
    where = type(model).__name__
    refuse_other_names(where, getattr(model, "feature_names_in_", None), rows)
    if len(getattr(model, "classes_", ())) != 2:
        raise BringError(f"{where} classes", list(getattr(model, "classes_", ())), "two, of a fitted classifier")
    is_margin = not hasattr(model, "predict_proba")
    if is_margin and not hasattr(model, "decision_function"):
        raise BringError(where, "neither predict_proba nor decision_function", "a probability or a margin")
    if is_margin and later is None:
        raise BringError(f"{where} output", "a margin", "a probability, or `later` rows that calibrate it")

    def theirs(x: Features) -> NDArray[np.float64]:
        score = _score(model, x.astype(np.float64), is_margin=is_margin)
        return probability(score) if is_margin else score

    if where == "HistGradientBoostingClassifier":
        return agent_of_trees(booster_of(model, where), theirs, rows, folder, later)
    genome = successor or Genome()
    names = tuple(rows.feature_names)
    inputs = InputStats.fit(rows.features, [j for j, name in enumerate(names) if name in categorical], BINS)
    graph = graph_of(model, len(names), where, is_margin=is_margin)

    def agent(card: DataCard, calibration: Calibration, *, takes_missing: bool) -> GraphAgent:
        return GraphAgent(folder.name, genome, card, inputs, calibration, graph, takes_missing, is_margin)

    def described(logits: NDArray[np.float32] | None, how: str) -> DataCard:
        packages = {name: version(name) for name in ("scikit-learn", "skl2onnx", "onnx")}
        return card_of(genome, rows, later, logits, categorical=categorical, calibration=how, versions=packages)

    bare = agent(described(None, AS_IT_IS), Calibration(), takes_missing=True)
    takes_missing = refuse_apart(where, theirs, lambda x: probability(bare.logits(x)), rows.features)
    raw = None if later is None else bare.logits(later.features)
    calibration, how = (Calibration(), AS_IT_IS) if later is None or raw is None else calibrated(raw, later)
    card = described(None if raw is None else calibration.apply(raw), how)
    return Brought(folder, save_agent(agent(card, calibration, takes_missing=takes_missing), folder))


def _score(model: Any, x: NDArray[np.float64], *, is_margin: bool) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that a matrix doesn't have: they were compared
        if is_margin:
            return np.asarray(model.decision_function(x), np.float64)
        return np.asarray(model.predict_proba(x), np.float64)[:, 1]

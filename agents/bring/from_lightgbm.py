"""A LightGBM classifier becomes an agent: its text format is read here, and LightGBM isn't needed to score."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.booster_text import header_of, trees_of
from agents.bring.boosted import Booster, agent_of_trees
from agents.bring.brought import Brought
from agents.bring.errors import BringError
from agents.bring.rows import Features, Rows, refuse_other_names
from agents.tree import Tree

WHERE = "LightGBM model"
TEXT_BYTES_MAX = 256 << 20


def agent_from_lightgbm(model: Any, rows: Rows, folder: Path, *, later: Rows | None = None) -> Brought:
    """Write a folder that `rlfa agents import` takes.

    Columns that LightGBM splits into sets of codes become categorical features. A category's NaN counts as the stream's
    code for a missing one, 0.

    Args:
        model: a `Booster` or a fitted `LGBMClassifier`, binary.
        rows: that it was trained on; some of them are scored by both, and so are rows with missing and unseen values.
        folder: to write to.
        later: rows that it wasn't trained on: they calibrate it and make the figures on its card.

    Raises:
        BringError: other features than the rows', an objective without a probability, or a model that is too large.
        WeightsError: linear trees, or zeros that count as missing.
    """
    booster = getattr(model, "booster_", model)
    text: str = booster.model_to_string()
    if len(text) > TEXT_BYTES_MAX:
        raise BringError(WHERE, f"{len(text)} bytes", f"at most {TEXT_BYTES_MAX}")
    refuse_other_names(WHERE, _names(booster), rows)
    header = header_of(text)
    steepness = _steepness(text, header)
    trees = [_steeper(tree, steepness) for tree in trees_of(text)]
    grown = Booster(
        where=WHERE,
        trees=trees,
        start=0.0,
        categorical=sorted({int(tree.feature[split]) for tree in trees for split in tree.codes}),
        shrinkage=_shrinkage(text),
        versions={"lightgbm": version("lightgbm")},
    )

    def theirs(x: Features) -> NDArray[np.float64]:
        return np.asarray(booster.predict(_zero_for_nan(x, grown.categorical)), np.float64)

    return agent_of_trees(grown, theirs, rows, folder, later)


def _names(booster: Any) -> list[str] | None:
    """Names of the columns; None where LightGBM made them up itself."""
    names: list[str] = booster.feature_name()
    return None if names == [f"Column_{j}" for j in range(len(names))] else names


def _steepness(text: str, header: dict[str, str]) -> float:
    """What the sum of the leaves is multiplied by to make it a logit."""
    objective = header.get("objective", "none").split()
    if "average_output" in text.split("\nTree=", maxsplit=1)[0].splitlines():
        raise BringError(f"{WHERE} boosting", "a forest whose trees are averaged", "gbdt, dart or goss")
    if objective[0] == "cross_entropy":
        return 1.0
    if objective[0] != "binary":
        raise BringError(f"{WHERE} objective", objective[0], "binary or cross_entropy, which give a probability")
    return float(next((part.split(":")[1] for part in objective if part.startswith("sigmoid:")), 1.0))


def _steeper(tree: Tree, times: float) -> Tree:
    return dataclasses.replace(tree, value=tree.value * times)


def _shrinkage(text: str) -> float:
    """Of the last tree, within a genome's bounds."""
    found = [line.split("=", 1)[1] for line in text.splitlines() if line.startswith("shrinkage=")]
    return float(np.clip(float(found[-1]) if found else 0.1, 1e-3, 1.0))


def _zero_for_nan(x: Features, columns: Sequence[int]) -> Features:
    """The stream's code of a missing category."""
    out = x.copy()
    out[:, list(columns)] = np.nan_to_num(out[:, list(columns)], nan=0.0)
    return out

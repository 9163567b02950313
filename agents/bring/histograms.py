"""scikit-learn's histogram gradient boosting as trees."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from agents.bring.boosted import Booster
from agents.bring.errors import BringError
from agents.tree import Tree


def booster_of(model: Any, where: str) -> Booster:
    """The trees of a fitted `HistGradientBoostingClassifier`.

    Its nodes have been the same structured array since scikit-learn 0.24; the proof that follows would notice a change.

    Raises:
        BringError: more than two classes, or features that it splits as categories.
    """
    if len(model.classes_) != 2:
        raise BringError(f"{where} classes", len(model.classes_), "2")
    if model.is_categorical_ is not None:
        raise BringError(f"{where} categorical_features", "some", "none: counts and rates, or codes as numbers")
    return Booster(
        where=where,
        trees=[_tree(predictor.nodes) for (predictor,) in model._predictors],
        start=float(np.ravel(model._baseline_prediction)[0]),
        categorical=(),
        shrinkage=float(np.clip(model.learning_rate, 1e-3, 1.0)),
        versions={"scikit-learn": version("scikit-learn")},
    )


def _tree(nodes: Any) -> Tree:  # a structured array
    is_leaf = nodes["is_leaf"].astype(bool)
    number = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)
    splits, leaves = nodes[~is_leaf], nodes[is_leaf]
    return Tree(
        feature=splits["feature_idx"].astype(np.int64),
        threshold=splits["num_threshold"].astype(np.float64),
        left=number[splits["left"].astype(np.int64)],
        right=number[splits["right"].astype(np.int64)],
        missing_left=splits["missing_go_to_left"].astype(bool),
        value=leaves["value"].astype(np.float64),
        codes={},
    )

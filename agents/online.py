"""An agent that learns row by row: its state is never stored, but rebuilt by learning the same rows again.

A River estimator has no format but pickle. So the weights' file holds what made the state: how the estimator is built,
and the rows that it learned, in their order. The checksum covers both, and whoever loads the agent replays them.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from inspect import signature
from operator import add, or_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.attribution import shapley
from agents.calibration import Calibration
from agents.data_card import DataCard
from agents.errors import WeightsError
from agents.genome import Genome
from agents.inputs import InputStats

Features = NDArray[np.float32]  # [n, d]
ESTIMATOR, SEED, FEATURES, FRAUD = "replay.estimator", "replay.seed", "replay.features", "replay.fraud"
ROWS_MAX = 200_000  # replayed whenever the agent is loaded
TEXT_MAX = 2000
LACKS = np.float32(np.finfo(np.float32).min)  # a missing value in the file, whose numbers are all finite
SURE = 1e-7  # a probability nearer to 0 or 1 counts as this far away
WHERE = "River estimator"
MODULES = frozenset(
    {"compose", "drift", "ensemble", "forest", "linear_model", "naive_bayes", "optim", "preprocessing", "tree"}
)


@dataclass(frozen=True, slots=True)
class OnlineAgent:
    """One version of an agent that learns: what it has learned never changes, the next version is another agent.

    Attributes:
        id: folder's name.
        genome: what the service trains in its place.
        card: what it learned.
        inputs: typical values of its features.
        calibration: of its logits.
        estimator: how it is built, see `built`.
        features: float32[n, d], the rows that it learned, in their order.
        fraud: bool[n].
    """

    id: str
    genome: Genome
    card: DataCard
    inputs: InputStats
    calibration: Calibration
    estimator: str
    features: Features
    fraud: NDArray[np.bool_]
    _state: list[Any] = field(default_factory=list, repr=False)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrices that it scores."""
        return self.card.feature_names

    @property
    def categorical(self) -> frozenset[str]:
        """Those that hold category codes."""
        return frozenset(self.card.categorical)

    def logits(self, x: Features) -> NDArray[np.float32]:
        """Calibrated logits float32[n] of float32[n, d]; the first call replays."""
        if not self._state:
            self._state.append(self._replayed())
        rows = (self._state[0].predict_proba_one(row) for row in self._rows(x))
        p = np.clip(np.array([row.get(True, 0.0) for row in rows], np.float64), SURE, 1.0 - SURE)
        return self.calibration.apply((np.log(p) - np.log1p(-p)).astype(np.float32))

    def contributions(self, x: Features) -> NDArray[np.float32]:
        """What each feature adds to the logit against its typical value, float32[n, d]: see `Agent.contributions`."""
        pairs = zip(self.card.typical or self.inputs.median, self.inputs.median, strict=True)
        typical = np.array([median if value is None else value for value, median in pairs], np.float32)
        return shapley(self.logits, x, typical).astype(np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that scores depend on, by name."""
        return {
            **self.inputs.tensors(),
            **self.calibration.tensors(),
            ESTIMATOR: torch.frombuffer(bytearray(self.estimator.encode()), dtype=torch.uint8),
            SEED: torch.tensor([self.genome.seed], dtype=torch.int64),
            FEATURES: torch.from_numpy(np.where(np.isfinite(self.features), self.features, LACKS)),
            FRAUD: torch.from_numpy(self.fraud.astype(np.uint8)),
        }

    def _replayed(self) -> Any:
        estimator = built(self.estimator, self.genome.seed)
        for row, fraud in zip(self._rows(self.features), self.fraud.tolist(), strict=True):
            estimator.learn_one(row, fraud)
        return estimator

    def _rows(self, x: Features) -> list[dict[str, float | int]]:
        """Rows as River takes them: what is missing isn't there, and codes are whole numbers."""
        names, codes = self.feature_names, self.categorical
        known = np.isfinite(x).tolist()
        return [
            {
                name: int(value) if name in codes else value
                for name, value, is_known in zip(names, row, there, strict=True)
                if is_known
            }
            for row, there in zip(x.tolist(), known, strict=True)
        ]


def built(text: str, seed: int) -> Any:
    """An estimator from its description, without `eval`: calls of River's classes, joined by `|` and `+`.

    Args:
        text: e.g. `preprocessing.StandardScaler() | linear_model.LogisticRegression(l2=0.01)`.
        seed: of every part that takes one and isn't given one.

    Raises:
        WeightsError: River isn't installed, or the text has anything but calls of classes of `MODULES`.
    """
    if len(text) > TEXT_MAX:
        raise WeightsError(WHERE, f"{len(text)} characters", f"at most {TEXT_MAX}")
    try:
        estimator = _value(ast.parse(text, mode="eval").body, seed)
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        raise WeightsError(WHERE, " ".join(str(error).split())[:160], "what River's classes take") from error
    if not (hasattr(estimator, "learn_one") and hasattr(estimator, "predict_proba_one")):
        raise WeightsError(WHERE, repr(text[:80]), "a classifier, with predict_proba_one")
    return estimator


def _value(node: ast.expr, seed: int) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None as constant):
            return constant
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as constant)):
            return -constant
        case ast.BinOp(left=left, op=ast.BitOr() | ast.Add() as joins, right=right):
            return reduce(or_ if isinstance(joins, ast.BitOr) else add, (_value(left, seed), _value(right, seed)))
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name), args=args, keywords=keywords):
            kind = _kind(module, name)
            given = {str(k.arg): _value(k.value, seed) for k in keywords}
            seeded = {"seed": seed} if "seed" in signature(kind).parameters and "seed" not in given else {}
            return kind(*(_value(arg, seed) for arg in args), **given, **seeded)
    raise WeightsError(WHERE, ast.unparse(node)[:80], "classes of River with constants, joined by | and +")


def _kind(module: str, name: str) -> Any:
    try:
        from river.base import Base
    except ImportError as error:
        raise WeightsError(WHERE, "no river", "pip install 'rlfa[river]'") from error
    found = getattr(import_module(f"river.{module}"), name, None) if module in MODULES else None
    if not (isinstance(found, type) and issubclass(found, Base)):
        raise WeightsError(WHERE, f"{module}.{name}", f"classes of river's {', '.join(sorted(MODULES))}")
    return found


def expected_tensors(card: DataCard, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `agents.weights.expected_tensors`, without the calibration; how many rows it learned is the file's to say."""
    codes = [found.get(f"inputs.codes.{i}", torch.empty(0)).numel() for i in range(len(card.categorical))]
    bins = found.get("inputs.edges", torch.empty(0, 3)).shape[-1] - 1
    n, d = min(found.get(FRAUD, torch.empty(0)).numel(), ROWS_MAX), len(card.feature_names)
    return {
        **InputStats.blank(d, len(card.categorical), bins, codes).tensors(),
        ESTIMATOR: torch.zeros(found[ESTIMATOR].numel(), dtype=torch.uint8),
        SEED: torch.zeros(1, dtype=torch.int64),
        FEATURES: torch.zeros((n, d), dtype=torch.float32),
        FRAUD: torch.zeros(n, dtype=torch.uint8),
    }


def restored(
    name: str, genome: Genome, card: DataCard, inputs: InputStats, tensors: Mapping[str, Tensor]
) -> OnlineAgent:
    """The agent of a file whose tensors are as expected; it replays when it first scores.

    Raises:
        WeightsError: its text is no estimator, or another seed than the one that it learned with.
    """
    if int(tensors[SEED]) != genome.seed:  # the checksum covers the weights' file only
        raise WeightsError(f"{WHERE} seed", genome.seed, f"the weights' own, {int(tensors[SEED])}")
    text = tensors[ESTIMATOR].numpy().tobytes().decode(errors="replace")
    built(text, genome.seed)
    x = tensors[FEATURES].numpy()
    features = np.where(x == LACKS, np.float32(np.nan), x)
    fraud = tensors[FRAUD].numpy().astype(np.bool_)
    return OnlineAgent(name, genome, card, inputs, Calibration.of(tensors), text, features, fraud)

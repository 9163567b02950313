"""What is compared on one set of rows: our agents and the models that teams use, and what each one's tuning may choose.

Every learner may thin the genuine rows alike, and the prior is put right afterwards. The first value of each choice is
what an untuned run takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from lightgbm import LGBMClassifier
from msgspec.structs import replace
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

from agents.genome import Genome
from agents.thinning import thinned
from agents.training import train
from benchmarks.tabm_model import fit_tabm

THREADS = 1
PER_FRAUD = "genuine_per_fraud"
Choice = Mapping[str, float | int | str | None]
Features = NDArray[np.float32]  # [n, d]
Scores = NDArray[np.float64]  # [n]; higher is more suspicious
Score = Callable[[Features], Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows to learn from.

    Attributes:
        x: float32[n, d].
        fraud: bool[n].
        event_time: int64[n], ms UTC.
        names: of the d columns.
        categorical: names of those that hold codes.
    """

    x: Features
    fraud: NDArray[np.bool_]
    event_time: NDArray[np.int64]
    names: tuple[str, ...]
    categorical: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A way to learn, by its name in the report.

    Attributes:
        name: in the report.
        choices: values of each parameter that tuning may take; the default first.
        fit: learns from rows with a choice and a seed.
    """

    name: str
    choices: Mapping[str, tuple[float | int | str | None, ...]]
    fit: Callable[[Rows, Choice, int], Score]

    def drawn(self, trial: int, seed: int) -> Choice:
        """The choice of one trial of random search; the defaults at trial 0."""
        rng = np.random.default_rng((seed, trial))
        return {
            name: values[0] if trial == 0 else values[int(rng.integers(len(values)))]
            for name, values in self.choices.items()
        }


def _thin(rows: Rows, choice: Choice, seed: int) -> tuple[Features, NDArray[np.bool_], Choice]:
    """Rows that are kept, and the rest of the choice."""
    keep, _ = thinned(rows.fraud, float(choice[PER_FRAUD] or 0), np.random.default_rng(seed))
    return rows.x[keep], rows.fraud[keep], {k: v for k, v in choice.items() if k != PER_FRAUD}


def _lightgbm(rows: Rows, choice: Choice, seed: int) -> Score:
    x, y, rest = _thin(rows, choice, seed)
    words = [rows.names.index(name) for name in rows.categorical]
    model = LGBMClassifier(random_state=seed, n_jobs=THREADS, verbose=-1, subsample_freq=1, **rest)
    booster = model.fit(x, y, categorical_feature=words).booster_
    return lambda z: np.asarray(booster.predict(z, raw_score=True, num_threads=THREADS))


def _xgboost(rows: Rows, choice: Choice, seed: int) -> Score:
    x, y, rest = _thin(rows, choice, seed)
    model = XGBClassifier(random_state=seed, n_jobs=THREADS, **rest).fit(x, y)
    return lambda z: model.predict(z, output_margin=True).astype(np.float64)


def _forest(rows: Rows, choice: Choice, seed: int) -> Score:
    x, y, rest = _thin(rows, choice, seed)
    model = RandomForestClassifier(random_state=seed, n_jobs=THREADS, **rest).fit(x, y)
    return lambda z: np.asarray(model.predict_proba(z)[:, 1])


def _tabm(rows: Rows, choice: Choice, seed: int) -> Score:
    x, y, rest = _thin(rows, choice, seed)
    return fit_tabm(x, y, seed, **rest)  # type: ignore[arg-type]


def _agent(genome: Genome) -> Callable[[Rows, Choice, int], Score]:
    def fit(rows: Rows, choice: Choice, seed: int) -> Score:
        agent = train(
            replace(genome, seed=seed, **choice), rows.x, rows.fraud, rows.event_time,
            feature_names=rows.names, categorical=frozenset(rows.categorical), threads=THREADS,
        )  # fmt: skip
        columns = [rows.names.index(name) for name in agent.feature_names]
        return lambda z: agent.logits(np.ascontiguousarray(z[:, columns])).astype(np.float64)

    return fit


BOOSTED = Genome(expert="trees", memory=1.0, trend_max=0.9)
MIXED = Genome(members=2, genuine_per_fraud=30, trend_max=0.9)
TREES = Learner(
    name="RLFA, trees",
    choices={
        PER_FRAUD: (30, 100, 15),
        "experts": (4, 6),
        "rounds": (120, 80, 200),
        "leaves": (16, 8, 24),
        "shrinkage": (0.05, 0.07, 0.03),
        "feature_share": (0.6, 0.4, 0.8),
        "leaf_rows_min": (20, 10, 40),
        "row_share": (0.8, 0.6),
    },
    fit=_agent(BOOSTED),
)
NEURAL = Learner(
    name="RLFA, neural",
    choices={
        PER_FRAUD: (30, 15),
        "gate": ("softmax", "gumbel", "top_k"),
        "experts": (6, 4),
        "hidden": (16, 32),
        "bins": (16, 32),
        "learning_rate": (0.005, 0.01),
        "weight_decay": (0.1, 0.03),
        "dropout": (0.0, 0.1),
    },
    fit=_agent(MIXED),
)
LIGHTGBM = Learner(
    name="LightGBM",
    choices={
        PER_FRAUD: (100, 30, 10),
        "n_estimators": (100, 200, 400),
        "learning_rate": (0.1, 0.05, 0.025),
        "num_leaves": (31, 16, 8),
        "min_child_samples": (20, 10, 40),
        "colsample_bytree": (1.0, 0.6, 0.4),
        "subsample": (1.0, 0.8, 0.6),
        "reg_lambda": (0.0, 1.0, 5.0),
    },
    fit=_lightgbm,
)
XGBOOST = Learner(
    name="XGBoost",
    choices={
        PER_FRAUD: (100, 30, 10),
        "n_estimators": (100, 200, 400),
        "learning_rate": (0.3, 0.1, 0.05, 0.025),
        "max_depth": (6, 4, 3),
        "min_child_weight": (1, 3, 10),
        "colsample_bytree": (1.0, 0.6, 0.4),
        "subsample": (1.0, 0.8, 0.6),
        "reg_lambda": (1.0, 5.0),
    },
    fit=_xgboost,
)
FOREST = Learner(
    name="random forest",
    choices={
        PER_FRAUD: (30, 10, 100),
        "n_estimators": (100, 200),
        "max_features": ("sqrt", 0.4),
        "min_samples_leaf": (1, 2, 4),
        "max_depth": (None, 20, 10),
    },
    fit=_forest,
)
TABM = Learner(
    name="TabM",
    choices={
        PER_FRAUD: (30, 15),
        "epochs": (10, 6),
        "learning_rate": (0.003, 0.006, 0.002),
        "weight_decay": (3e-4, 1e-2),
        "width": (64, 128),
        "blocks": (2, 1),
        "dropout": (0.1, 0.0, 0.3),
        "bins": (16, 32),
    },
    fit=_tabm,
)

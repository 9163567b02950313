"""What teams do today: LightGBM fitted once, every week or every day, and River's adaptive random forest."""

from __future__ import annotations

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray

from agents.thinning import thinned
from benchmarks.drift.history import History

GENUINE_PER_FRAUD = 30.0  # of every method's training rows, ours included; the prior is put right afterwards
THREADS = 1
NEVER = 100_000
Scores = NDArray[np.float64]


def lightgbm(history: History, every: int, seed: int, **parameters: float) -> tuple[Scores, int]:
    """Score each day by a model fitted on what was known that morning, or some mornings before.

    Args:
        history: the stream.
        every: days between two fits.
        seed: of the model, and of the genuine rows that are kept.
        parameters: of the model, besides its defaults.

    Returns:
        float64[n], NaN before the first scored day; and the number of fits.
    """
    score = np.full(len(history.day), np.nan)
    words = [history.names.index(name) for name in history.categorical]
    fits, shift, booster = 0, 0.0, None
    for day in range(history.first_day, history.last_day + 1):
        known = history.known(day)
        x, y = history.x[known], history.fraud[known]
        # A window of one class teaches nothing: the last model stays.
        if (day - history.first_day) % every == 0 and y.any() and not y.all():
            keep, shift = thinned(y, GENUINE_PER_FRAUD, np.random.default_rng((seed, day)))
            model = LGBMClassifier(random_state=seed, n_jobs=THREADS, verbose=-1, **parameters)
            booster, fits = model.fit(x[keep], y[keep], categorical_feature=words).booster_, fits + 1
        rows = history.rows(day)
        if booster is None:
            score[rows] = y.mean()
            continue
        raw = np.asarray(booster.predict(history.x[rows], raw_score=True, num_threads=THREADS))
        score[rows] = 1.0 / (1.0 + np.exp(-(raw + shift)))
    return score, fits


def adaptive_forest(history: History, seed: int) -> tuple[Scores, int]:
    """Each cohort is learnt row by row on the morning on which it closes.

    Args:
        history: the stream.
        seed: of the forest, and of the genuine rows that are kept.

    Returns:
        float64[n], NaN before the first scored day; and the number of cohorts learnt.
    """
    from river.forest import ARFClassifier

    score = np.full(len(history.day), np.nan)
    forest = ARFClassifier(n_models=10, seed=seed)
    learnt, begin = 0, history.known(history.first_day).start
    for day in range(history.first_day, history.last_day + 1):
        end = history.known(day).stop
        y = history.fraud[begin:end]
        keep, shift = thinned(y, GENUINE_PER_FRAUD, np.random.default_rng((seed, day)))
        for i in (keep + begin).tolist():
            forest.learn_one(_record(history, i), bool(history.fraud[i]))
        begin, learnt = end, learnt + 1
        rows = history.rows(day)
        p = [forest.predict_proba_one(_record(history, i)).get(True, 0.0) for i in range(rows.start, rows.stop)]
        odds = np.clip(p, 1e-6, 1 - 1e-6)
        score[rows] = 1.0 / (1.0 + np.exp(-(np.log(odds / (1 - odds)) + shift)))
    return score, learnt


def forest_by_row(history: History, seed: int) -> tuple[Scores, int]:
    """Each row is predicted and then learnt, with no delay at all: the forest's own protocol."""
    from river.forest import ARFClassifier

    score = np.full(len(history.day), np.nan)
    forest = ARFClassifier(n_models=10, seed=seed)
    first = history.rows(history.first_day).start
    for i in range(len(history.day)):
        record = _record(history, i)
        if i >= first:
            score[i] = forest.predict_proba_one(record).get(True, 0.0)
        forest.learn_one(record, bool(history.fraud[i]))
    return score, len(history.day)


def _record(history: History, i: int) -> dict[str, float]:
    return dict(zip(history.names, np.nan_to_num(history.x[i], nan=-1.0).tolist(), strict=True))

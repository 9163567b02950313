"""What a team would do without us: a LightGBM trained again every day, on the same features, labels and delay."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rlfa.backtest.played import Played
from rlfa.lineup.slots import DAY_MS
from streams.codec import categories, feature_of
from streams.history import FRAUD, UNKNOWN

VALUES_MAX = 60_000_000  # rows x features of one training
VALUES_ALL = 1_000_000_000  # of all trainings together: some minutes


def is_installed() -> bool:
    """Whether LightGBM is there: extra `trees`."""
    return importlib.util.find_spec("lightgbm") is not None


def daily_lightgbm(
    played: Played,
    *,
    every_days: int = 1,
    threads: int = 1,
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> NDArray[np.float64]:
    """Score each played day with a model of the rows whose label delay had passed by that morning.

    Args:
        played: n rows; LightGBM's defaults learn from the same features, and from the labels known in time.
        every_days: days between two trainings.
        threads: of LightGBM.
        seed: of LightGBM.
        progress: told the fraction done.

    Returns:
        float64[n]; NaN until there is a fraud to learn from.
    """
    from lightgbm import LGBMClassifier

    history, delay = played.history, played.service.spec.label_delay_ms
    x, columns = _renumbered(played)
    day = history.event_time // DAY_MS
    closes = (day + 1) * DAY_MS + delay
    fraud = (history.label == FRAUD) & (history.label_time <= closes)
    usable = np.flatnonzero(played.taken & (history.label != UNKNOWN))
    rows_max = rows_of_a_training(played, every_days)
    score = np.full(len(played.rows), np.nan)
    days, begins = np.unique(played.day, return_index=True)
    ends = [*begins[1:].tolist(), len(played.rows)]
    booster = None
    for i, (today, begin, end) in enumerate(zip(days.tolist(), begins.tolist(), ends, strict=True)):
        known = usable[: int(np.searchsorted(closes[usable], today * DAY_MS, side="right"))][-rows_max:]
        if (booster is None or (today - played.first_day) % every_days == 0) and fraud[known].any():
            model = LGBMClassifier(random_state=seed, n_jobs=threads, verbose=-1)
            booster = model.fit(x[known], fraud[known], categorical_feature=columns).booster_
        if booster is not None:
            score[begin:end] = booster.predict(x[played.rows[begin:end]], num_threads=threads)
        progress((i + 1) / len(days))
    return score


def rows_of_a_training(played: Played, every_days: int = 1) -> int:
    """The newest rows of each training, at most: a wide table has more than a few minutes can learn from every day."""
    trainings = max(len(np.unique(played.day)) // every_days, 1)
    return max(min(VALUES_MAX, VALUES_ALL // trainings) // len(played.feature_names), 1)


def _renumbered(played: Played) -> tuple[NDArray[np.float32], list[int]]:
    """The features with the categories' codes counted from 0, as LightGBM wants them, and where these are."""
    named = {feature_of(name) for name in categories(played.service.spec)}
    columns = [j for j, name in enumerate(played.feature_names) if name in named]
    x = played.x.copy() if columns else played.x
    for j in columns:
        _, places = np.unique(x[:, j], return_inverse=True)
        x[:, j] = places
    return x, columns

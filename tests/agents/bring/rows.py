"""Made-up payments: four numbers with holes, and a country's code."""

from __future__ import annotations

import numpy as np

from agents.bring import Rows

NAMES = ("amount", "hour", "count_1d", "share_7d", "country")
COUNTRIES = 9


def made_up(n: int = 1500, seed: int = 0, *, complete: bool = False) -> Rows:
    rng = np.random.default_rng(seed)
    numbers = np.column_stack([rng.lognormal(3, 1, n), rng.uniform(0, 24, n), rng.poisson(2, n), rng.random(n)])
    fraud = (numbers[:, 0] > 30) & (numbers[:, 1] < 9) | (rng.random(n) < 0.03)
    country = rng.integers(0, COUNTRIES, n)
    fraud |= np.isin(country, [2, 5, 7]) & (rng.random(n) < 0.3)
    if not complete:
        numbers[rng.random(numbers.shape) < 0.1] = np.nan
    x = np.column_stack([numbers, country]).astype(np.float32)
    return Rows(features=x, fraud=fraud, event_time=np.arange(n, dtype=np.int64) * 60_000, feature_names=NAMES)


def hard(n: int = 500, seed: int = 1, *, complete: bool = False) -> np.ndarray:
    """Fresh rows with missing values, categories never seen and numbers beyond all others."""
    x = made_up(n, seed, complete=complete).features
    rng = np.random.default_rng(seed)
    x[rng.random(n) < 0.2, 4] = 40 + COUNTRIES
    x[rng.random(n) < 0.1, 0] = 1e6
    return x

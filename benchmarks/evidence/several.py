"""Part E: several challengers of one slot at once, all compared with the same incumbent on the same frauds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.evidence.rule import log_e

ALPHA = 0.05
RECALL = 0.60
SHARED = 0.8  # of the variance of an agent's score of a fraud: hard frauds are hard for all
FRAUDS = 600
_D = np.array([1.0, -1.0])
METHODS = ("each at 1/α", "each at m/α", "e-BH", "e-BH on running maxima", "mean of the e-values")


@dataclass(slots=True)
class Found:
    """What one method did over the streams.

    Attributes:
        any_false: streams in which at any look a challenger was promoted that isn't better.
        share_false: sum over streams of false promotions over promotions, at the first look with any.
        share_false_end: the same after the last fraud.
        better_end: sum over streams of the share of the better challengers promoted after the last fraud.
    """

    any_false: int = 0
    share_false: float = 0.0
    share_false_end: float = 0.0
    better_end: float = 0.0


def e_bh(log_es: NDArray[np.float64], alpha: float) -> NDArray[np.bool_]:
    """Which challengers e-BH promotes: the k* with the largest e, `k* = max{k: e_(k) >= m/(alpha·k)}`.

    Args:
        log_es: float64[..., m].
        alpha: the false discovery rate.

    Returns:
        bool[..., m].

    Source: Wang & Ramdas 2022, "False discovery rate control with e-values".
    """
    m = log_es.shape[-1]
    k = np.arange(1, m + 1)
    falling = -np.sort(-log_es, axis=-1)
    passes = falling >= np.log(m / (alpha * k))
    k_star = np.where(passes, k, 0).max(axis=-1)
    least = np.take_along_axis(falling, np.maximum(k_star - 1, 0)[..., None], axis=-1)
    return (k_star > 0)[..., None] & (log_es >= least)


def promoted(log_es: NDArray[np.float64], method: str) -> NDArray[np.bool_]:
    """bool[looks, m], who is promoted at each look."""
    m = log_es.shape[-1]
    match method:
        case "each at 1/α":
            return log_es >= np.log(1 / ALPHA)
        case "each at m/α":
            return log_es >= np.log(m / ALPHA)
        case "e-BH":
            return e_bh(log_es, ALPHA)
        case "e-BH on running maxima":
            return e_bh(np.maximum.accumulate(log_es, axis=0), ALPHA)
        case _:
            mean = np.logaddexp.reduce(log_es, axis=-1) - np.log(m)
            # It says only that someone is better; the best looking one is taken.
            return (mean >= np.log(1 / ALPHA))[:, None] & (log_es == log_es.max(axis=-1, keepdims=True))


def run(gains: NDArray[np.float64], streams: int, rng: np.random.Generator) -> dict[str, Found]:
    """Every method on the same streams, looked at after each fraud.

    Args:
        gains: float64[m], points of recall by which each challenger is better; 0 is a null.
        streams: how many.
        rng: of the frauds.
    """
    found = {method: Found() for method in METHODS}
    better = gains > 0
    for _ in range(streams):
        log_es = log_e_paths(gains, rng)
        for method, f in found.items():
            who = promoted(log_es, method)
            f.any_false += bool(who[:, ~better].any())
            looks = np.flatnonzero(who.any(axis=1))
            if len(looks):
                f.share_false += float(who[looks[0], ~better].sum() / who[looks[0]].sum())
            f.share_false_end += float(who[-1, ~better].sum() / max(who[-1].sum(), 1))
            f.better_end += float(who[-1, better].mean()) if better.any() else 0.0
    return found


def log_e_paths(gains: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """float64[FRAUDS, m], each challenger's log e-value after each fraud."""
    ease = np.sqrt(SHARED) * rng.normal(size=(FRAUDS, 1))
    score = ease + np.sqrt(1 - SHARED) * rng.normal(size=(FRAUDS, len(gains) + 1))
    caught = score > norm.ppf(1 - (RECALL + np.concatenate([[0.0], gains])))
    wins = (caught[:, 1:] & ~caught[:, :1]).cumsum(axis=0)
    losses = (~caught[:, 1:] & caught[:, :1]).cumsum(axis=0)
    return log_e(np.stack([wins, losses], axis=-1), _D)

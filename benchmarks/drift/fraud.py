"""Fraud streams: every method on each of them, under one delay and one label rule."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.drift import ours, recorded, rivals
from benchmarks.drift.cache import Cache, Lazy, Measured
from benchmarks.drift.campaigns import CAMPAIGNS, simulated
from benchmarks.drift.history import History
from benchmarks.drift.measures import figures, rolling_ap

SHARES = {"handbook": 0.1, "synccfd": 0.25}  # of the cards; the rest of the streams are whole
TUNED = {
    "num_leaves": 16, "learning_rate": 0.05, "n_estimators": 200, "colsample_bytree": 0.5, "subsample": 0.8,
    "subsample_freq": 1, "min_child_samples": 40, "reg_lambda": 5,
}  # fmt: skip
LINEUP = ours.Lineup()
FIXED = (("trees",), ("small_trees",), ("mlp",), ("trees", "small_trees"), ("trees", "small_trees", "mlp"))
OURS, BEST_FIXED = "RLFA, free agency", "RLFA, best fixed lineup"
Run = Callable[[History], tuple[np.ndarray, int, dict[str, int]]]


def streams(data: Path, seed: int) -> list[Lazy]:
    """All fraud streams, the real one first."""
    return [
        Lazy("UCSD-FICO", lambda: recorded.ucsd_fico(data / "ucsd_fico")),
        *(Lazy(f"simulator, {n}", lambda c=c: simulated(c, seed)) for n, c in CAMPAIGNS.items()),
        Lazy("synccfd", lambda: recorded.synccfd(data / "synccfd").sampled(SHARES["synccfd"])),
        Lazy("handbook", lambda: recorded.handbook(data / "handbook").sampled(SHARES["handbook"])),
    ]


def methods(seed: int) -> dict[str, Run]:
    """By name; ours last."""
    every = {"static": rivals.NEVER, "every week": 7, "every day": 1}
    found: dict[str, Run] = {f"LightGBM, {n}": _lightgbm(e, seed) for n, e in every.items()}
    # With many codes LightGBM's own treatment of categories overfits; as numbers, and with smaller trees, it doesn't.
    found |= {f"LightGBM, {n}, tuned": _tuned(e, seed) for n, e in every.items()}
    found["River, adaptive random forest"] = lambda h: (*rivals.adaptive_forest(h, seed), {})
    found |= {_name(slots): _fixed(slots, seed) for slots in FIXED}
    return found | {OURS: _ours(LINEUP, seed)}


def measure(cache: Cache, stream: Lazy, method: str, run: Run) -> Measured:
    """From the cache, or now."""

    def now() -> Measured:
        history = stream.get()
        begin = time.process_time()
        score, fits, moves = run(history)
        seconds = time.process_time() - begin
        days, curve = rolling_ap(history, score)
        return Measured(
            figures=figures(history, score),
            days=days.tolist(),
            curve=[None if np.isnan(x) else float(x) for x in curve],
            fits=fits,
            seconds=seconds,
            moves=moves,
            rows=len(history.scored),
        )

    return cache.get(stream.name, method, now)


def with_best_fixed(found: dict[str, Measured]) -> dict[str, Measured]:
    """The fixed lineup that had the best AP in hindsight in place of all of them."""
    fixed = {name: m for name, m in found.items() if name in map(_name, FIXED)}
    rest = {name: m for name, m in found.items() if name not in fixed}
    if not fixed:
        return rest
    best = max(fixed.values(), key=lambda m: m.figures["AP"])
    return {**{n: m for n, m in rest.items() if n != OURS}, BEST_FIXED: best, **_only(rest, OURS)}


def _only(found: dict[str, Measured], name: str) -> dict[str, Measured]:
    return {name: found[name]} if name in found else {}


def _name(slots: tuple[str, ...]) -> str:
    return f"RLFA, fixed: {' + '.join(slots)}"


def _fixed(slots: tuple[str, ...], seed: int) -> Run:
    return lambda h: (ours.fixed(h, slots, seed), len(slots), {})


def _lightgbm(every: int, seed: int, **parameters: float) -> Run:
    return lambda h: (*rivals.lightgbm(h, every, seed, **parameters), {})


def _tuned(every: int, seed: int) -> Run:
    return lambda h: (*rivals.lightgbm(replace(h, categorical=()), every, seed, **TUNED), {})


def _ours(lineup: ours.Lineup, seed: int) -> Run:
    def run(history: History) -> tuple[np.ndarray, int, dict[str, int]]:
        score, moves = ours.play(history, lineup, seed)
        return score, moves["trainings"] + len(lineup.slots), moves

    return run

"""Trees grown by LightGBM, and taken over into arrays; nothing of it is needed to score."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.booster_text import trees_of
from agents.errors import GenomeError
from agents.forest import Forest, joined
from agents.genome import Genome
from agents.inputs import Features, InputStats
from agents.thinning import thinned
from agents.tree import place

DAY_MS = 86_400_000
FRAUDS_MIN = 40  # an expert with a short memory looks back until it has seen as many
SMOOTHING = 20.0  # rows at the base rate that every category begins with
BLOCKS = 5  # stretches of time; a training row's rate comes from the other four


def grow(
    genome: Genome,
    inputs: InputStats,
    x: Features,
    y: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    threads: int,
) -> Forest:
    """A booster per expert, each over a memory of its own.

    Args:
        genome: the recipe; its expert is "trees".
        inputs: of the same features.
        x: float32[n, d], at least a fraud and a genuine row.
        y: bool[n].
        event_time: int64[n], ms UTC.
        threads: of LightGBM.

    Raises:
        GenomeError: LightGBM isn't installed.
    """
    lightgbm = _lightgbm()
    rates, counts, of_rows = _category_tables(inputs, x, y, event_time)
    columns = joined(inputs, x, of_rows)
    blank = Forest.blank(genome, [len(known) for known in inputs.codes])
    forest = dataclasses.replace(blank, rates=rates, counts=counts)
    for expert in range(genome.experts):
        rng = np.random.default_rng((genome.seed, expert))
        seen = np.flatnonzero(event_time >= _memory_from(event_time, y, genome.memory**expert))
        keep, shift = thinned(y[seen], genome.genuine_per_fraud, rng)
        rows = seen[keep]
        weight = _weights(event_time[rows], genome.half_life_days)
        data = lightgbm.Dataset(columns[rows], y[rows].astype(np.float32), weight=weight)
        booster = lightgbm.train(_parameters(genome, expert, threads), data, num_boost_round=genome.rounds)
        _take_over(forest, expert, booster.model_to_string(), shift)
    return forest


def _lightgbm() -> ModuleType:
    try:
        import lightgbm
    except ImportError as error:
        raise GenomeError("genome.expert", "'trees' without LightGBM", "pip install 'rlfa[trees]'") from error
    return lightgbm  # type: ignore[no-any-return]


def _parameters(genome: Genome, expert: int, threads: int) -> dict[str, Any]:
    return {
        "objective": "binary",
        "num_leaves": genome.leaves,
        "learning_rate": genome.shrinkage,
        "min_data_in_leaf": genome.leaf_rows_min,
        "feature_fraction": genome.feature_share,
        "bagging_fraction": genome.row_share,
        "bagging_freq": 1 if genome.row_share < 1 else 0,
        "lambda_l2": 1.0,
        "seed": genome.seed * 1009 + expert,
        "num_threads": threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }


def _memory_from(event_time: NDArray[np.int64], y: NDArray[np.bool_], share: float) -> int:
    """Event time from which an expert remembers: a share of the window, and further back for enough frauds."""
    first, last = int(event_time.min()), int(event_time.max())
    frauds = np.sort(event_time[y])
    enough = int(frauds[-FRAUDS_MIN]) if len(frauds) >= FRAUDS_MIN else first
    start = min(last - int((last - first) * share), enough)
    return start if not y[event_time >= start].all() else first


def _weights(event_time: NDArray[np.int64], half_life_days: float) -> NDArray[np.float64] | None:
    if half_life_days == 0:
        return None
    age = (event_time.max() - event_time) / DAY_MS
    return np.asarray(0.5 ** (age / half_life_days))


def _category_tables(
    inputs: InputStats, x: Features, y: NDArray[np.bool_], event_time: NDArray[np.int64]
) -> tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...], list[NDArray[np.float32]]]:
    """Log odds and log count of each category's rows; and both for the training rows, whose own time is left out."""
    rows = inputs.rows(x).numpy()
    base = float(y.mean())
    block = (np.argsort(np.argsort(event_time, kind="stable"), kind="stable") * BLOCKS) // max(len(x), 1)
    rates, counts, own_rates, own_counts = [], [], [], []
    for i, known in enumerate(inputs.codes):
        size = len(known) + 2
        by_block = block * size + rows[:, i]
        seen = np.bincount(by_block, minlength=BLOCKS * size).reshape(BLOCKS, size).astype(np.float64)
        frauds = np.bincount(by_block[y], minlength=BLOCKS * size).reshape(BLOCKS, size).astype(np.float64)
        others = _log_odds(frauds.sum(axis=0) - frauds, seen.sum(axis=0) - seen, base)
        rates.append(_log_odds(frauds.sum(axis=0), seen.sum(axis=0), base).astype(np.float32))
        counts.append(np.log1p(seen.sum(axis=0)).astype(np.float32))
        own_rates.append(others[block, rows[:, i]].astype(np.float32))
        own_counts.append(counts[-1][rows[:, i]])
    return tuple(rates), tuple(counts), own_rates + own_counts


def _log_odds(frauds: NDArray[np.float64], seen: NDArray[np.float64], base: float) -> NDArray[np.float64]:
    share = (frauds + SMOOTHING * base) / (seen + SMOOTHING)
    return np.asarray(np.log(share) - np.log1p(-share))


def _take_over(forest: Forest, expert: int, text: str, shift: float) -> None:
    """One booster's trees into the arrays, from LightGBM's text format."""
    for r, tree in enumerate(trees_of(text)):
        place(forest, (expert, r), tree, shift if r == 0 else 0.0)

"""Part A: how often a challenger that isn't better is promoted."""

from __future__ import annotations

import numpy as np

from benchmarks.evidence.kernels import E_DAY, E_ROW, NEVER, Z_DAY, Z_ROW, first_crossings
from benchmarks.evidence.nulls import PER_DAY, Null
from benchmarks.evidence.shares import Share
from rlfa.free_agency.evalue import BETS, WEIGHTS

ALPHA = 0.05
Z_BOUND = 1.6448536269514722  # one-sided, at ALPHA
PLAIN_DAYS = 14
METHODS = (
    "ours, each row",
    "ours, each cohort",
    "ours, by label arrival",
    "ours, every row of a burst",
    "plain threshold",
    "z, each row",
    "z, each day",
    "fixed horizon",
)


def false_promotions(null: Null, streams: int, rng: np.random.Generator) -> dict[str, Share]:
    """Each method's share of false promotions; all of them see the same streams.

    Ours takes one observation per compromised card; the others take every row, as teams do.
    """
    hits = np.zeros(len(METHODS), np.int64)
    for _ in range(streams):
        hits += _promoted(null, rng)
    found = {m: Share(int(h), streams) for m, h in zip(METHODS, hits, strict=True)}
    if not null.bursts:
        del found["ours, every row of a burst"]  # the same as by row
    return found


def _promoted(null: Null, rng: np.random.Generator) -> np.ndarray:
    stream = null.make(rng, null.days)
    mine = stream.counts
    ours, _ = _watch(stream.row[mine], stream.d[mine], null.cohorts)
    every, z_end = _watch(stream.row, stream.d, null.cohorts)
    arrival = stream.row[mine] / PER_DAY + stream.delay_days[mine]
    order = np.argsort(arrival, kind="stable")
    arrived, _ = _watch((arrival[order] * PER_DAY).astype(np.int64), stream.d[mine][order], null.days)
    within = stream.row < PLAIN_DAYS * PER_DAY
    return np.array(
        [
            ours[E_ROW] != NEVER,
            ours[E_DAY] != NEVER,
            arrived[E_ROW] != NEVER,
            every[E_ROW] != NEVER,
            stream.d[within].sum() > 0,
            every[Z_ROW] != NEVER,
            every[Z_DAY] != NEVER,
            z_end >= Z_BOUND,
        ],
        np.int64,
    )


def _watch(row: np.ndarray, d: np.ndarray, days: int) -> tuple[np.ndarray, float]:
    return first_crossings(row, d, PER_DAY, days, np.array(BETS), np.array(WEIGHTS), 1 / ALPHA, Z_BOUND)

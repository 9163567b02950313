"""Compiled loops over single observations: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit

E_ROW, E_DAY, Z_ROW, Z_DAY = range(4)
NEVER = -1


@njit(cache=True, nogil=True)
def first_crossings(row, d, per_day, days, bets, weights, bound, z_bound):
    """The first row after which each test would promote a challenger.

    Rows without an observation change neither wealth nor, upwards, a z-value: looking after each observation is
    looking after each transaction.

    Args:
        row: int64[m], ascending, the transaction of each observation.
        d: float64[m] in [-1, 1].
        per_day: transactions a day.
        days: cohorts; observations of later rows are left out.
        bets: float64[j].
        weights: float64[j].
        bound: the e-value that promotes.
        z_bound: the z-value that promotes.

    Returns:
        int64[4], transactions seen by then: e at each, e at each day's end, z at each, z at each day's end;
        -1 is never. And float64, z at the end of it all.
    """
    found = np.full(4, NEVER, np.int64)
    wealth = np.ones(len(bets))
    total, squares, i = 0.0, 0.0, 0
    z = 0.0
    for day in range(days):
        until = (day + 1) * per_day
        while i < len(row) and row[i] < until:
            total += d[i]
            squares += d[i] * d[i]
            e = 0.0
            for j in range(len(bets)):
                wealth[j] *= 1.0 + bets[j] * d[i]
                e += weights[j] * wealth[j]
            n = row[i] + 1
            if e >= bound and found[E_ROW] == NEVER:
                found[E_ROW] = n
            if found[Z_ROW] == NEVER and total > 0.0:
                spread = squares - total * total / n
                if spread > 0.0 and total >= z_bound * np.sqrt(spread):
                    found[Z_ROW] = n
            i += 1
        e = 0.0
        for j in range(len(bets)):
            e += weights[j] * wealth[j]
        if e >= bound and found[E_DAY] == NEVER:
            found[E_DAY] = until
        spread = squares - total * total / until
        z = total / np.sqrt(spread) if spread > 0.0 else 0.0
        if z >= z_bound and found[Z_DAY] == NEVER:
            found[Z_DAY] = until
    return found, z


@njit(cache=True, nogil=True)
def frauds_until_promoted(rng, chances, values, bets, weights, bound, z_bound, frauds_max):
    """Live through one probation looked at after each observation, without minimums.

    Args:
        rng: numpy's generator.
        chances: float64[v], per transaction, of each kind of observation; the first three are frauds.
        values: float64[v], its d.
        bets: float64[j].
        weights: float64[j].
        bound: the e-value that promotes.
        z_bound: the z-value that promotes.
        frauds_max: both tests give up at so many.

    Returns:
        frauds and transactions at the e-value's promotion, the same at the z-value's; -1 is never.
    """
    wealth = np.ones(len(bets))
    any_kind = chances.sum()
    frauds, n = 0, 0
    total, squares = 0.0, 0.0
    e_frauds, e_rows, z_frauds, z_rows = NEVER, NEVER, NEVER, NEVER
    while frauds < frauds_max and min(e_frauds, z_frauds) == NEVER:
        n += int(np.ceil(np.log1p(-rng.random()) / np.log1p(-any_kind)))  # transactions up to the next observation
        u, kind = rng.random() * any_kind, 0
        while kind < len(chances) - 1 and u >= chances[kind]:
            u -= chances[kind]
            kind += 1
        d = values[kind]
        frauds += kind < 3
        total += d
        squares += d * d
        e = 0.0
        for j in range(len(bets)):
            wealth[j] *= 1.0 + bets[j] * d
            e += weights[j] * wealth[j]
        if e_frauds == NEVER and e >= bound:
            e_frauds, e_rows = frauds, n
        spread = squares - total * total / n
        if z_frauds == NEVER and spread > 0.0 and total >= z_bound * np.sqrt(spread):
            z_frauds, z_rows = frauds, n
    return e_frauds, e_rows, z_frauds, z_rows

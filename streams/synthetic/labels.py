"""When the truth about a day's transactions becomes known, and from whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.scenario import DAY_MS, LabelDelays

SOURCES = ("chargeback", "analyst")
CHARGEBACK, ANALYST = range(2)


@dataclass(frozen=True, slots=True)
class Reports:
    """`m` labels of a day's transactions, in the order in which they become known."""

    row: NDArray[np.intp]  # of the transaction in its day
    time: NDArray[np.int64]  # when it becomes known, in the unit and from the origin of the transactions' times
    is_fraud: NDArray[np.bool_]
    source: NDArray[np.int8]


def reports(
    rng: np.random.Generator, delays: LabelDelays, time: NDArray[np.int64], is_fraud: NDArray[np.bool_]
) -> Reports:
    """Labels of a day's transactions.

    Args:
        rng: random numbers for this purpose and day.
        delays: their distribution.
        time: int64[n], ms.
        is_fraud: bool[n].
    """
    fraud = np.flatnonzero(is_fraud)
    fraud = fraud[rng.random(len(fraud)) >= delays.never_reported_share]
    by_analyst = rng.random(len(fraud)) < delays.analyst_share
    genuine = np.flatnonzero(~is_fraud) if delays.genuine_share else fraud[:0]
    genuine = genuine[rng.random(len(genuine)) < delays.genuine_share]
    row = np.concatenate([fraud, genuine])
    analyst = np.concatenate([by_analyst, np.ones(len(genuine), bool)])
    median = np.where(analyst, delays.analyst_median_days, delays.chargeback_median_days)
    days = np.minimum(median * rng.lognormal(0.0, delays.spread, len(row)), delays.max_days)
    known = time[row] + np.maximum(1, (days * DAY_MS).astype(np.int64))
    order = np.argsort(known, kind="stable")
    source = np.where(analyst, ANALYST, CHARGEBACK).astype(np.int8)
    return Reports(row[order], known[order], is_fraud[row][order], source[order])

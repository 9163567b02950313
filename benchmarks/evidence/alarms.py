"""Part D: the guard after a swap, day by day for thousands of swaps at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlfa.free_agency.evalue import BETS, WEIGHTS
from rlfa.free_agency.guard import ESR, esr_step

FRAUDS_A_DAY = 6.0
ALARM_AT = 365.0
TRUTHS = {  # shares of frauds that only the bench, only the newcomer catches
    "equal": (0.10, 0.10),
    "worse by 10 points": (0.15, 0.05),
    "worse by 20 points": (0.25, 0.05),
    "worse by 40 points": (0.43, 0.03),
}
Begin = Callable[[NDArray[np.float64]], NDArray[np.float64]]
DETECTORS: dict[str, Begin] = {  # what a day starts from; both are 0 before the first
    "e-SR": lambda sums: sums + 1.0,
    "e-CUSUM": lambda sums: np.maximum(sums, 1.0),
}


@dataclass(frozen=True, slots=True)
class Alarms:
    """When a detector rang.

    Attributes:
        day: int[s], cohorts after the swap; days_max where it was silent.
        rang: bool[s].
    """

    day: NDArray[np.int64]
    rang: NDArray[np.bool_]


def alarms(begin: Begin, lost: float, won: float, streams: int, days_max: int, rng: np.random.Generator) -> Alarms:
    """Let the days pass until every detector has rung or days_max is over."""
    factor = np.log1p(np.outer([1.0, -1.0], BETS))
    sums = np.zeros((streams, len(BETS)))
    day, waiting = np.full(streams, days_max), np.arange(streams)
    for now in range(1, days_max + 1):
        counts = rng.poisson([FRAUDS_A_DAY * lost, FRAUDS_A_DAY * won], (len(waiting), 2))
        sums = begin(sums) * np.exp(counts @ factor)
        rings = sums @ np.array(WEIGHTS) >= ALARM_AT
        day[waiting[rings]] = now
        waiting, sums = waiting[~rings], sums[~rings]
        if not len(waiting):
            break
    rang = np.ones(streams, np.bool_)
    rang[waiting] = False
    return Alarms(day, rang)


def alarm_of_the_guard(lost: float, won: float, days_max: int, rng: np.random.Generator) -> int:
    """The same life through the project's own `esr_step`; days until the alarm."""
    state = ESR()
    for now in range(1, days_max + 1):
        worse, better = rng.poisson([FRAUDS_A_DAY * lost, FRAUDS_A_DAY * won])
        state = esr_step(state, np.repeat([1.0, -1.0], [worse, better]))
        if state.log_sr >= np.log(ALARM_AT):
            return now
    return days_max

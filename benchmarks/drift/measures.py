"""Figures of one method on one stream: detection, money by one rule for all, and days until it has recovered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.metrics import average_precision, card_precision
from benchmarks.drift.history import History
from rlfa.rewards.money import Costs, net_gain

COSTS = Costs(rank_by="net_gain")
LEVEL_DAYS, WINDOW_DAYS, BACK_AT, DIP_WITHIN = 7, 3, 0.9, 7
Scores = NDArray[np.float64]  # [n], NaN before the first scored day


def figures(history: History, score: Scores) -> dict[str, float]:
    """AP, CP@100, value detection rate, cost per 1,000, and the days of each change's recovery.

    Args:
        history: the stream.
        score: float64[n], probabilities of fraud.
    """
    rows = history.scored
    fraud, amount, day = history.fraud[rows], history.amount[rows], history.day[rows]
    stopped = stops(score[rows], amount, day, history.budget)
    missed = COSTS.prevented_share * amount[fraud & ~stopped].sum()
    cost = missed + COSTS.review * stopped.sum() + COSTS.false_positive * (stopped & ~fraud).sum()
    found = {
        "AP": average_precision(fraud, score[rows]),
        "CP@100": card_precision(fraud, score[rows], day, history.card[rows].view(np.int64), history.customers_a_day),
        "value detected": float(amount[fraud & stopped].sum() / amount[fraud].sum()),
        "cost per 1,000": float(1000 * cost / len(rows)),
    }
    ends = (*history.changes, history.last_day + 1)[1:]
    times = [recovery(history, score, at, end) for at, end in zip(history.changes, ends, strict=True)]
    return found | ({"recovery days": float(np.mean(times))} if times else {})


def stops(score: Scores, amount: NDArray[np.float64], day: NDArray[np.int64], budget: int) -> NDArray[np.bool_]:
    """The day's largest expected gains, as many as the budget allows and none below 0, for every method alike."""
    clipped = np.clip(score, 1e-7, 1 - 1e-7)
    gain = net_gain(np.log(clipped / (1 - clipped)).astype(np.float32), amount, COSTS)
    order = np.lexsort((-gain, day))
    rank = np.arange(len(order)) - np.searchsorted(day[order], day[order])
    stopped = np.zeros(len(order), np.bool_)
    stopped[order[rank < budget]] = True
    return stopped & (gain > 0)


def recovery(history: History, score: Scores, change: int, end: int) -> int:
    """Days from a change until the 3-day AP is back at 90% of its level before; 0 where it never fell below.

    The level is the AP of the week before the change. The fall has to begin within a week and the label delay; a
    method that isn't back before the next change, or the end, has the days until then.

    Args:
        history: the stream.
        score: float64[n].
        change: its day.
        end: day of the next change, or the one after the stream's last.
    """
    level = _ap(history, score, change - LEVEL_DAYS, change)
    last = range(change + WINDOW_DAYS - 1, end)
    low = [day for day in last if _ap(history, score, day - WINDOW_DAYS + 1, day + 1) < BACK_AT * level]
    if not low or low[0] >= change + DIP_WITHIN + history.delay_days:
        return 0
    back = next((day for day in last if day > low[0] and day not in low), end - 1)
    return back - change + 1


def rolling_ap(history: History, score: Scores, days: int = WINDOW_DAYS) -> tuple[NDArray[np.int64], Scores]:
    """The AP of the last few days as of each scored day, for the plot."""
    at = np.arange(history.first_day + days - 1, history.last_day + 1)
    return at, np.array([_ap(history, score, day - days + 1, day + 1) for day in at])


def _ap(history: History, score: Scores, first: int, end: int) -> float:
    rows = slice(history.rows(first).start, history.rows(end).start)
    return average_precision(history.fraud[rows], score[rows])

"""A backtest in figures: detection and cost by week, ours beside a rival's under the same rule of spending."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.metrics import average_precision
from rlfa.backtest.played import Played
from rlfa.lineup.actions import ACTIONS, choose
from rlfa.lineup.budget import worth
from rlfa.rewards.money import Costs
from streams.history import FRAUD, UNKNOWN

WEEK_DAYS = 7
DECIDED = "RLFA, as decided"
OURS = "RLFA"
APPROVE_ALL = "approving everything"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of some scores and actions on rows whose truth is known."""

    rows: int
    frauds: int
    average_precision: float | None
    """None where there is no score, or no fraud."""
    alerts: int
    caught: int
    """Frauds reviewed or declined."""
    value_detection_rate: float | None
    """Share of the fraud's amount that was reviewed or declined; None without fraud."""
    cost_per_1000: float
    """In the stream's currency; see `costs_of`."""


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """Seven played days, or what is left of them at the end."""

    first_day: int
    methods: dict[str, Figures]


def costs_of(
    fraud: NDArray[np.bool_], amount: NDArray[np.float64], action: NDArray[np.int8], costs: Costs
) -> NDArray[np.float64]:
    """What each row cost.

    A fraud that is approved costs `rho·amount`, one under review the share of it that analysts don't recognise; each
    review costs `review`, each genuine payment declined `fp`.

    Args:
        fraud: bool[n].
        amount: float64[n].
        action: int8[n], index into `ACTIONS`.
        costs: of the user.

    Returns:
        float64[n], in the stream's currency.
    """
    review, decline = action == ACTIONS.index("review"), action == ACTIONS.index("decline")
    missed = np.where(decline, 0.0, np.where(review, 1.0 - costs.review_catch_rate, 1.0))
    lost = np.where(fraud, costs.prevented_share * amount * missed, 0.0)
    total: NDArray[np.float64] = lost + costs.review * review + np.where(decline & ~fraud, costs.false_positive, 0.0)
    return total


def within_budget(
    score: NDArray[np.float64], amount: NDArray[np.float64], day: NDArray[np.int64], costs: Costs
) -> NDArray[np.int8]:
    """The day's best actions of those that pay, as many as the budget allows, looked for when the day is over.

    The same for every method, so that scores are compared and not the art of spending. A row without a score is
    approved.

    Args:
        score: float64[n], probabilities; NaN for none.
        amount: float64[n].
        day: int64[n], ascending.
        costs: with the budget.
    """
    known = np.nan_to_num(score, nan=0.0)
    action = choose(known, amount, costs)
    worths = np.where(action > 0, worth(known, amount, costs), -np.inf)
    order = np.lexsort((-worths, day))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(day[order], day[order])
    return np.where(rank < costs.alert_budget_per_day, action, np.int8(0)).astype(np.int8)


def by_week(played: Played, rivals: Mapping[str, NDArray[np.float64]]) -> list[Week]:
    """Each week's figures: ours as decided, ours and each rival's under the common rule, and approving everything.

    Args:
        played: n rows.
        rivals: float64[n] scores by name; NaN for none.
    """
    day = played.day
    first = int(day[0])
    weeks = np.unique((day - first) // WEEK_DAYS)
    return [
        Week(
            first_day=first + int(week) * WEEK_DAYS,
            methods=figures(played, rivals, np.flatnonzero((day - first) // WEEK_DAYS == week)),
        )
        for week in weeks
    ]


def figures(
    played: Played, rivals: Mapping[str, NDArray[np.float64]], rows: NDArray[np.intp] | None = None
) -> dict[str, Figures]:
    """Figures by method, of all played rows or of some.

    Args:
        played: n rows.
        rivals: float64[n] scores by name; NaN for none.
        rows: intp[m] of the n, ascending.
    """
    rows = np.arange(len(played.rows)) if rows is None else rows
    rows = rows[played.label[rows] != UNKNOWN]
    costs = played.service.settings.free_agency.costs
    fraud, amount, day = played.label[rows] == FRAUD, played.history.amount[played.rows[rows]], played.day[rows]

    def of(score: NDArray[np.float64] | None, action: NDArray[np.int8]) -> Figures:
        return _figures(fraud, amount, score, action, costs)

    found = {DECIDED: of(played.score[rows], played.action[rows])}
    for name, score in {OURS: played.score, **rivals}.items():
        mine = score[rows]
        found[name] = of(mine, within_budget(mine, amount, day, costs))
    return {**found, APPROVE_ALL: of(None, np.zeros(len(rows), np.int8))}


def _figures(
    fraud: NDArray[np.bool_],
    amount: NDArray[np.float64],
    score: NDArray[np.float64] | None,
    action: NDArray[np.int8],
    costs: Costs,
) -> Figures:
    stopped = action > 0
    ranked = score is not None and fraud.any() and np.isfinite(score).all()
    value = float(amount[fraud].sum())
    return Figures(
        rows=len(fraud),
        frauds=int(fraud.sum()),
        average_precision=average_precision(fraud, score) if ranked and score is not None else None,
        alerts=int(stopped.sum()),
        caught=int((fraud & stopped).sum()),
        value_detection_rate=float(amount[fraud & stopped].sum()) / value if value else None,
        cost_per_1000=1000.0 * float(costs_of(fraud, amount, action, costs).sum()) / max(len(fraud), 1),
    )

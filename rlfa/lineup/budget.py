"""The alert budget of a day: of what expected cost would stop, the best that people can look at.

A floor on what an alert is worth is fixed before the day, from closed days, so that about the budget is raised in it.
On a day with more than that, such as one of an attack, the last part is kept for alerts that would be among a day's
best, and nothing is raised above the stop: the rest is approved, and its decision says so. Which rows these are depends
on the order in which rows come, and on nothing else: not on batches, not on the time of day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from rlfa.lineup.actions import gains
from rlfa.lineup.slots import DAY_MS, AlertFloor, Day
from rlfa.rewards.budget import rule_of
from rlfa.rewards.money import Costs


class AlertRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the lineup keeps to the alert budget of `costs`. An alert is a review or a decline."""

    enforced: bool = True
    """Whether there is a budget: without it everything is stopped that pays by expected cost."""
    stop: Annotated[float, Meta(ge=1, le=100)] = 1.2
    """Hard stop: no more alerts in a day of event time than this many times the budget. Several lanes share it by
    their partitions."""
    reserve: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Last part before the stop, as a share of the budget, kept for alerts that would be among the best so many of a
    day."""
    days: Annotated[int, Meta(ge=1, le=90)] = 7
    """Closed days whose floors give the next one, by their median: a day of an attack doesn't move it."""


@dataclass(frozen=True, slots=True)
class Share:
    """A lane's part of something that the partitions share: so many partitions before it, its own, and all."""

    before: int
    mine: int
    of: int

    def part(self, total: int) -> int:
        """Of a number; the parts of all lanes add up to it."""
        return total * (self.before + self.mine) // self.of - total * self.before // self.of


WHOLE = Share(0, 1, 1)


@dataclass(frozen=True, slots=True)
class Ration:
    """What may be raised, and what has been.

    Attributes:
        rules: of the user.
        share: of a lane.
        raised: alerts by day of event time.
    """

    rules: AlertRules
    share: Share = WHOLE
    raised: Mapping[Day, int] = field(default_factory=dict)

    def limits(self, costs: Costs) -> tuple[int, int]:
        """Alerts of a day at most: by the day's floor alone, and with the reserve."""
        budget, exact = costs.alert_budget_per_day, 1e-9  # 1.15 x 100 is a hair under 115
        stop = math.floor(self.rules.stop * budget + exact)
        plain = math.floor((self.rules.stop - self.rules.reserve) * budget + exact)
        return self.share.part(plain), self.share.part(stop)


@dataclass(frozen=True, slots=True)
class Rationed:
    """Actions within the budget.

    Attributes:
        action: int8[n], what is left of them.
        floor: float64[n], what an alert had to be worth more than: -inf anything, +inf nothing is enough; NaN where
            there was no alert to raise.
        over_budget: bool[n], would have been stopped, and is approved for the budget's sake.
        ration: after these rows.
    """

    action: NDArray[np.int8]
    floor: NDArray[np.float64]
    over_budget: NDArray[np.bool_]
    ration: Ration


def spend(
    action: NDArray[np.int8],
    worths: NDArray[np.float64],
    event_time: NDArray[np.int64],
    floors: Sequence[AlertFloor],
    costs: Costs,
    ration: Ration,
) -> Rationed:
    """Keep the alerts of n rows that fit into the budgets of their days.

    Args:
        action: int8[n], index into `ACTIONS`, as expected cost has it.
        worths: float64[n], see `worth`.
        event_time: int64[n], ms UTC, in the order in which rows are decided.
        floors: of the lineup.
        costs: with the budget.
        ration: before these rows.
    """
    floor = np.full(len(action), np.nan)
    wanted = np.flatnonzero(action > 0)
    if not ration.rules.enforced or not len(wanted):
        return Rationed(action, floor, np.zeros(len(action), np.bool_), ration)
    raised, (plain, stop) = dict(ration.raised), ration.limits(costs)
    days = event_time[wanted] // DAY_MS
    for number in np.unique(days).tolist():
        day = Day(number)
        rows, in_force = wanted[days == number], floor_on(day, floors, costs)
        floor[rows], raised[day] = _spend(worths[rows], in_force, raised.get(day, 0), plain, stop)
    over = np.zeros(len(action), np.bool_)
    over[wanted] = ~(worths[wanted] > floor[wanted])
    return Rationed(np.where(over, np.int8(0), action), floor, over, replace(ration, raised=raised))


def worth(score: NDArray[np.float64], amount: NDArray[np.float64], costs: Costs) -> NDArray[np.float64]:
    """What alerts are ranked by: probability, or expected gain against approving, as the costs say.

    It is made of the score as it is kept, float32, so that it can be made again.

    Args:
        score: float64[n], probabilities of fraud.
        amount: float64[n].
        costs: of the user.
    """
    kept = score.astype(np.float32).astype(np.float64)
    return kept if costs.rank_by == "probability" else gains(kept, amount, costs).max(axis=1)


def floor_on(day: Day, floors: Sequence[AlertFloor], costs: Costs) -> tuple[float, float]:
    """The floor of a day, and that of its reserve: the newest that is in force by then and means the same ranking."""
    known = [f for f in floors if f.from_day <= day and f.rule == rule_of(costs)]
    newest = max(known, key=lambda f: f.from_day, default=None)
    return (-math.inf, -math.inf) if newest is None else (_number(newest.value), _number(newest.best))


def floor_of(worths: NDArray[np.float64], alerts: int) -> float | None:
    """Half way between the last alert inside a number of them and the first outside; None where all are inside.

    Args:
        worths: float64[m], of a day's alerts by expected cost.
        alerts: so many, at least 1.
    """
    if len(worths) <= alerts:
        return None
    ordered = np.partition(worths, (len(worths) - alerts - 1, len(worths) - alerts))
    return float(ordered[len(worths) - alerts - 1] + ordered[len(worths) - alerts]) / 2.0


def median(floors: Sequence[float | None]) -> float | None:
    """The middle of several days' floors, the lower of two; a day without one counts as the lowest.

    Args:
        floors: at least one.
    """
    middle = sorted(map(_number, floors))[(len(floors) - 1) // 2]
    return None if math.isinf(middle) else middle


def _number(floor: float | None) -> float:
    return -math.inf if floor is None else floor


def _spend(
    worths: NDArray[np.float64], floors: tuple[float, float], raised: int, plain: int, stop: int
) -> tuple[NDArray[np.float64], int]:
    """The floor that each of a day's alerts met, one after another, and how many were raised by then."""
    base, best = floors
    if raised + int((worths > base).sum()) <= plain:
        return np.full(len(worths), base), raised + int((worths > base).sum())
    met = np.empty(len(worths))
    for i, value in enumerate(worths.tolist()):
        met[i] = base if raised < plain else best if raised < stop else math.inf
        raised += value > met[i]
    return met, raised

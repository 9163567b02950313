"""What an alert has to be worth on the days to come, so that the lineup raises about its budget."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from rlfa.free_agency.events import Event
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.standings import votes_of
from rlfa.free_agency.state import DailyFloor, ManagerState
from rlfa.free_agency.turn import Turn
from rlfa.lineup.actions import ACTIONS, choose, combine
from rlfa.lineup.budget import floor_of, median, worth
from rlfa.lineup.slots import AgentId, AlertFloor, Day
from rlfa.rewards.budget import rule_of
from rlfa.rules.deciding import NOBODY

KEPT = 3  # late transactions may still come for the days of older ones


def take_floors(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Give the lanes a floor from the next day of event time on.

    It is made of the scores that those who decide from now on gave on closed days, in shadow as well: after a swap the
    floor is the newcomer's at once. It needs no labels.
    """
    newest = _newest(state, turn)
    return (state if newest is None else with_floor(state, (newest,), Day(turn.today + 1), turn.rules)), ()


def with_floor(
    state: ManagerState, newest: Sequence[DailyFloor], from_day: Day, rules: FreeAgencyRules
) -> ManagerState:
    """The state with more closed days, and with the floor that they and those before them make.

    Args:
        state: before.
        newest: oldest first, all of the same agents and rule; at least one.
        from_day: the first day that is to keep to it.
        rules: of the user.
    """
    terms = (newest[-1].agents, newest[-1].rule)
    same = [d for d in state.daily_floors if (d.agents, d.rule) == terms]
    days = tuple((*same, *newest)[-rules.alerts.days :])
    floor = AlertFloor(
        from_day=from_day,
        value=median([d.value for d in days]),
        best=median([d.best for d in days]),
        rule=newest[-1].rule,
    )
    earlier = [f for f in state.floors if f.from_day < from_day]
    return replace(state, daily_floors=days, floors=(*earlier, floor)[-KEPT:])


def daily_floor(
    day: Day,
    agents: tuple[AgentId, ...],
    score: NDArray[np.float64],
    amount: NDArray[np.float64],
    rules: FreeAgencyRules,
    reviews: int = 0,
) -> DailyFloor:
    """What alerts had to be worth on a day for exactly the budget, or exactly its reserve, to be raised.

    Args:
        day: of the rows.
        agents: incumbents of the lineup.
        score: float64[n], that lineup's, on the rows that it decides.
        amount: float64[n].
        rules: of the user.
        reviews: alerts of the user's own rules, which come first.
    """
    costs, budget = rules.costs, rules.costs.alert_budget_per_day
    pays = choose(score, amount, costs) > 0
    worths = worth(score[pays], amount[pays], costs)
    return DailyFloor(
        day=day,
        agents=agents,
        value=floor_of(worths, max(budget - reviews, 1)),
        best=floor_of(worths, max(math.floor(rules.alerts.reserve * budget), 1)),
        rule=rule_of(costs),
    )


def left_by_rules(ruled: NDArray[np.int8]) -> tuple[NDArray[np.bool_], int]:
    """What the user's rules leave to the lineup, bool[n], and how many alerts they give.

    Args:
        ruled: int8[n], what they did, index into `ACTIONS`; `NOBODY` where none decided.
    """
    return ruled == NOBODY, int((ruled == ACTIONS.index("review")).sum())


def _newest(state: ManagerState, turn: Turn) -> DailyFloor | None:
    """The floor that the cohort would have needed under the present lineup; None where nobody of it scored."""
    cohort, shares = turn.cohort, votes_of(state, turn.cohort)
    logits = np.stack([cohort.logits_of(a) for a in shares], axis=1)
    weights = np.stack(list(shares.values()), axis=1)
    rows = (np.isfinite(logits) & (weights > 0)).any(axis=1)
    reviews = 0
    if cohort.ruled is not None:
        left, reviews = left_by_rules(cohort.ruled)
        rows &= left
    if not rows.any():
        return None
    score, _ = combine(logits[rows], weights[rows])
    return daily_floor(cohort.day, state.lineup.incumbents, score, cohort.amount[rows], turn.rules, reviews)

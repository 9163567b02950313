"""What an alert has to be worth on the days to come, so that the lineup raises about its budget."""

from __future__ import annotations

import math

import numpy as np
from msgspec.structs import replace

from rlfa.free_agency.events import Event
from rlfa.free_agency.standings import votes_of
from rlfa.free_agency.state import DailyFloor, ManagerState
from rlfa.free_agency.turn import Turn
from rlfa.lineup.actions import choose, combine
from rlfa.lineup.budget import floor_of, median, worth
from rlfa.lineup.slots import AlertFloor, Day
from rlfa.rewards.budget import rule_of

KEPT = 3  # late transactions may still come for the days of older ones


def take_floors(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Give the lanes a floor from the next day of event time on.

    It is made of the scores that those who decide from now on gave on closed days, in shadow as well: after a swap the
    floor is the newcomer's at once. It needs no labels.
    """
    newest = _newest(state, turn)
    if newest is None:
        return state, ()
    same = [d for d in state.daily_floors if (d.agents, d.rule) == (newest.agents, newest.rule)]
    days = tuple((*same, newest)[-turn.rules.alerts.days :])
    floor = AlertFloor(
        from_day=Day(turn.today + 1),
        value=median([d.value for d in days]),
        best=median([d.best for d in days]),
        rule=newest.rule,
    )
    earlier = [f for f in state.floors if f.from_day < floor.from_day]
    return replace(state, daily_floors=days, floors=(*earlier, floor)[-KEPT:]), ()


def _newest(state: ManagerState, turn: Turn) -> DailyFloor | None:
    """The floor that the cohort would have needed under the present lineup; None where nobody of it scored."""
    cohort, costs = turn.cohort, turn.rules.costs
    shares = votes_of(state, cohort)
    logits = np.stack([cohort.logits_of(a) for a in shares], axis=1)
    weights = np.stack(list(shares.values()), axis=1)
    rows = (np.isfinite(logits) & (weights > 0)).any(axis=1)
    if not rows.any():
        return None
    score, _ = combine(logits[rows], weights[rows])
    pays = choose(score, cohort.amount[rows], costs) > 0
    worths = worth(score[pays], cohort.amount[rows][pays], costs)
    budget = costs.alert_budget_per_day
    return DailyFloor(
        day=cohort.day,
        agents=state.lineup.incumbents,
        value=floor_of(worths, budget),
        best=floor_of(worths, max(math.floor(turn.rules.alerts.reserve * budget), 1)),
        rule=rule_of(costs),
    )

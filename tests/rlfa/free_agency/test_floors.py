"""The floor under alerts that lanes get: about the budget on days like the closed ones, whoever plays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace

from rlfa.free_agency.floors import take_floors
from rlfa.free_agency.policies.registry import policy_of
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import ManagerState
from rlfa.free_agency.turn import Turn
from rlfa.lineup.actions import ACTIONS, choose, combine
from rlfa.lineup.budget import AlertRules, Ration, spend, worth
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.money import Costs
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, first_state, rules
from tests.rlfa.free_agency.service import Service

BUDGET = 20
COSTS = Costs(alert_budget_per_day=BUDGET, false_positive=0.5)
UNDER = rules(costs=COSTS, alerts=AlertRules(days=3))


def turn(day: Cohort, under: FreeAgencyRules = UNDER) -> Turn:
    return Turn(
        day=day.day,
        today=Day(day.day + 2),
        rules=under,
        cohort=day,
        candidates=(),
        scout=SeededScout(("moe",)),
        policy=policy_of(under),
        drift={},
    )


def busy(day: int, **changes: float) -> Cohort:
    return cohort(day, {"a0": 3.0, "a1": 2.0, "new": 4.0}, rows=600, frauds=30, **changes)


def after(*days: Cohort, state: ManagerState | None = None) -> ManagerState:
    state = state or first_state()
    for day in days:
        state, events = take_floors(state, turn(day))
        assert not events
    return state


def alerts(state: ManagerState, day: Cohort, costs: Costs = COSTS) -> int:
    """Raised on a day by those who decide in a state, at its floor and without a stop."""
    logits = np.stack([day.logits_of(a) for a in state.lineup.incumbents], axis=1)
    score, _ = combine(logits, np.ones(logits.shape[1]))
    action, worths = choose(score, day.amount, costs), worth(score, day.amount, costs)
    made = spend(action, worths, day.event_time, state.floors, costs, Ration(AlertRules(stop=100, reserve=0)))
    return int((made.action > 0).sum())


@pytest.mark.parametrize("rank_by", ["probability", "net_gain"])
def test_a_day_like_the_closed_ones_has_about_the_budget_of_alerts(rank_by: str) -> None:
    costs = Costs(alert_budget_per_day=BUDGET, false_positive=0.5, rank_by=rank_by)
    state = first_state()
    for i in range(3):
        state, _ = take_floors(state, turn(busy(FIRST_DAY + i), rules(costs=costs)))
    counts = [alerts(state, busy(FIRST_DAY + 10 + i), costs) for i in range(40)]
    assert np.mean(counts) == pytest.approx(BUDGET, rel=0.15)
    assert min(alerts(first_state(), busy(FIRST_DAY + 10 + i), costs) for i in range(5)) > 2 * BUDGET


def test_a_floor_is_in_force_from_the_next_day_of_event_time_and_older_ones_are_kept_for_late_rows() -> None:
    state = after(*(busy(FIRST_DAY + i) for i in range(5)))
    assert [f.from_day for f in state.floors] == [FIRST_DAY + i + 3 for i in (2, 3, 4)]
    assert [d.day for d in state.daily_floors] == [FIRST_DAY + i for i in (2, 3, 4)]
    assert state.lineup.floors == state.floors
    newest = state.floors[-1]
    assert newest.value == sorted(d.value for d in state.daily_floors if d.value is not None)[1]
    assert newest.value is not None
    assert newest.best is not None
    assert newest.value < newest.best


def test_after_a_swap_the_floor_is_that_of_the_newcomers_scores() -> None:
    state = after(busy(FIRST_DAY), busy(FIRST_DAY + 1))
    first, *others = state.slots
    swapped = replace(state, slots=(replace(first, incumbent=AgentId("new")), *others))
    now = after(busy(FIRST_DAY + 2), state=swapped)
    assert [d.agents for d in now.daily_floors] == [("new", "a1")]


def test_a_quiet_day_needs_no_floor_and_a_silent_one_changes_nothing() -> None:
    quiet = after(cohort(FIRST_DAY, {"a0": 0.0, "a1": 0.0}, rows=10, frauds=1))
    assert quiet.floors[-1].value is None
    silent = after(cohort(FIRST_DAY + 1, {"a0": 1.0, "a1": 1.0}, silent=["a0", "a1"]), state=quiet)
    assert silent == quiet


def test_the_order_of_a_days_rows_changes_no_floor() -> None:
    day = busy(FIRST_DAY)
    order = np.random.default_rng(5).permutation(len(day))
    fields = {n: getattr(day, n)[order] for n in ("tx_hash", "event_time", "amount", "fraud", "score", "stopped")}
    logits = {a: x[order] for a, x in day.logits.items()}
    entities = {n: x[order] for n, x in day.entities.items()}
    shuffled = Cohort(day=day.day, logits=logits, entities=entities, **fields)
    assert after(shuffled).floors == after(day).floors


def test_every_cohort_of_a_life_moves_the_floor_without_an_epoch() -> None:
    service = Service(rules(), {"a0": 3.0, "a1": 3.0})
    service.live(4)
    assert service.state.epoch == 1
    assert [f.from_day for f in service.state.lineup.floors] == [FIRST_DAY + i + 2 for i in (1, 2, 3)]


def test_what_rules_decide_is_no_alert_of_the_lineup_and_their_reviews_leave_it_less() -> None:
    day = busy(FIRST_DAY)
    logits = day.logits_of(AgentId("a0")) + day.logits_of(AgentId("a1"))
    sure = logits >= np.sort(logits)[-10]
    by_rules = np.where(sure, np.int8(ACTIONS.index("decline")), np.int8(-1))
    (plain,), (declined,) = after(day).daily_floors, after(dataclasses.replace(day, ruled=by_rules)).daily_floors
    assert plain.value is not None
    assert declined.value is not None
    assert declined.value < plain.value  # the best ten are gone, and the budget is for the next ones
    for_review = np.where(sure, np.int8(ACTIONS.index("review")), np.int8(-1))
    (reviewed,) = after(dataclasses.replace(day, ruled=for_review)).daily_floors
    assert reviewed.value is not None
    assert declined.value < reviewed.value
    everything = dataclasses.replace(day, ruled=np.full(len(day), ACTIONS.index("review"), np.int8))
    assert after(everything).daily_floors == ()

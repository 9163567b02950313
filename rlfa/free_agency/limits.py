"""Limits before labels: a newcomer that is plainly unfit is undone within days, not after the label delay.

Only what needs no truth counts: scores that it doesn't give, and many times the alerts that the other agent would give
on the same transactions. Neither says who is better; that is for closed cohorts.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from rlfa.free_agency.events import Event, LimitBroken, RollbackHeld
from rlfa.free_agency.newcomers import undo_swap
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.state import ManagerState, SlotState
from rlfa.free_agency.swaps import end_probation
from rlfa.free_agency.turn import Turn, each_slot
from rlfa.lineup.actions import choose
from rlfa.lineup.slots import AgentId, Day, Epoch, date_of
from rlfa.outcomes.scored import ScoredDay
from rlfa.rewards.money import Costs, probability


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A newcomer and the agent that would be in its place, on the same transactions of a day.

    Attributes:
        rows: scored by the other.
        missing: of them without a score of the newcomer.
        alerts: that the newcomer alone would give by expected cost, where both scored.
        alerts_against: the other's.
    """

    rows: int
    missing: int
    alerts: int
    alerts_against: int


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A newcomer, the agent that decides where it may not, and the last day that isn't looked at."""

    newcomer: AgentId
    against: AgentId
    since: Day


def compare(day: ScoredDay, segment: str, newcomer: AgentId, against: AgentId, costs: Costs) -> Compared:
    """Count what two agents did on the rows of a segment."""
    own, other = (day.logits_of(agent, segment) for agent in (newcomer, against))
    return compare_logits(own, other, day.amount_of(segment), costs)


def compare_logits(
    own: NDArray[np.float32], other: NDArray[np.float32], amount: NDArray[np.float64], costs: Costs
) -> Compared:
    """Count what a newcomer's logits float32[n] make of n rows, and those of the other."""
    there = np.isfinite(other)
    both = there & np.isfinite(own)
    return Compared(
        rows=int(there.sum()),
        missing=int((there & ~both).sum()),
        alerts=_alerts(own[both], amount[both], costs),
        alerts_against=_alerts(other[both], amount[both], costs),
    )


def broken(seen: Compared, rules: FreeAgencyRules) -> str:
    """Which limit a newcomer breaks: missing, alerts, or none."""
    if seen.missing > rules.probation.missing_share_max * seen.rows:
        return "missing"
    many = seen.alerts >= rules.guard.alerts_min and seen.alerts > rules.guard.alert_rate_max * seen.alerts_against
    return "alerts" if many else ""


def enforce_limits(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Undo the swaps and trials whose newcomers break a limit on the newest whole day; a freeze holds that."""
    day = turn.scored
    if day is None:
        return state, ()
    return each_slot(state, lambda slot: _enforce(slot, day, state, turn))


def watched_in(slot: SlotState) -> tuple[Watched, ...]:
    """The newcomer in the slot first, then those on trial."""
    tried = tuple(
        Watched(newcomer=p.challenger, against=slot.incumbent, since=p.trial_since)
        for p in slot.probations
        if p.trial_since is not None
    )
    if slot.guard is None:
        return tried
    test = slot.guard.test
    return (Watched(newcomer=slot.incumbent, against=test.challenger, since=Day(test.first_full_day - 1)), *tried)


def _enforce(slot: SlotState, day: ScoredDay, state: ManagerState, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    events = list[Event]()
    for watched in watched_in(slot):
        is_gone = watched not in watched_in(slot)  # with the swap that its trial was beside
        if is_gone or day.day <= watched.since:
            continue
        seen = compare(day, slot.segment, watched.newcomer, watched.against, turn.rules.costs)
        if cause := broken(seen, turn.rules):
            found = _found(slot, watched, cause, day.day, seen, state.epoch, turn)
            slot, undone = _undo(slot, found, state, turn)
            events += (found, *undone)
    return slot, events


def _undo(slot: SlotState, found: LimitBroken, state: ManagerState, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    if turn.rules.swaps.freeze:
        return slot, (_held(found),)
    if slot.incumbent == found.agent:
        assert slot.guard is not None
        return undo_swap(slot, slot.guard, found.cause, state, turn, why=found.reason)
    tried = next(p for p in slot.probations if p.challenger == found.agent)
    return end_probation(slot, tried, found.cause, found.reason, state.epoch, turn)


def _found(
    slot: SlotState, watched: Watched, cause: str, day: Day, seen: Compared, epoch: Epoch, turn: Turn
) -> LimitBroken:
    if cause == "missing":
        allowed = f"at most {turn.rules.probation.missing_share_max:.0%}"
        reason = f"no score for {seen.missing} of {seen.rows} transactions, {allowed}"
    else:
        allowed = f"at most {turn.rules.guard.alert_rate_max:g} times as many"
        reason = f"{seen.alerts} alerts where {watched.against} gives {seen.alerts_against}, {allowed}"
    return LimitBroken(
        day=turn.day,
        epoch=epoch,
        slot=slot.id,
        agent=watched.newcomer,
        reason=f"{date_of(day)}: {reason}",
        cause=cause,
        against=watched.against,
        seen=day,
        rows=seen.rows,
        missing=seen.missing,
        alerts=seen.alerts,
        alerts_against=seen.alerts_against,
    )


def _held(found: LimitBroken) -> RollbackHeld:
    return RollbackHeld(
        day=found.day,
        epoch=found.epoch,
        slot=found.slot,
        agent=found.agent,
        reason=f"the lineup is frozen; {found.reason}",
        bench=found.against,
        alarm_at=0.0,
    )


def _alerts(logits: NDArray[np.float32], amount: NDArray[np.float64], costs: Costs) -> int:
    return int((choose(probability(logits), amount, costs) > 0).sum())

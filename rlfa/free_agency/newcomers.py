"""After a swap: the newcomer against the bench, cohort by cohort, and the way back when the alarm goes off."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from rlfa.free_agency.events import Event, GuardAdded, Released, RollbackHeld, RolledBack
from rlfa.free_agency.guard import esr_step
from rlfa.free_agency.moves import cool_down, start_guard, swap_back
from rlfa.free_agency.probation import advance, recalls
from rlfa.free_agency.state import Guard, ManagerState, SlotState
from rlfa.free_agency.turn import Turn, each_slot
from rlfa.lineup.slots import Epoch

UNFIT = frozenset({"unsafe", "missing", "alerts"})
"""Causes after which an agent isn't tried again."""
Alarm = Literal["", "guard", "unsafe"]


def watch_newcomers(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Take the cohort into every guard; one that began under other terms begins anew."""
    return each_slot(state, lambda slot: _watch(slot, state, turn))


def roll_back(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Undo the swaps whose newcomers do worse than the bench; no limit on swaps stands against that but a freeze.

    The paper's rule knows no such alarm: under a policy without evidence only a newcomer that gives no score goes.
    """
    return each_slot(state, lambda slot: _roll_back(slot, state, turn))


def alarm(guard: Guard, false_alarm_days: float) -> Alarm:
    """Why a newcomer has to go; empty while it may stay."""
    if guard.test.unsafe:
        return "unsafe"
    return "guard" if guard.esr.log_sr >= math.log(false_alarm_days) else ""


def explain(guard: Guard, false_alarm_days: float) -> str:
    """A guard in a sentence."""
    test = guard.test
    if test.unsafe:
        return f"{test.incumbent} gave no score for more than {test.rules.missing_share_max:.0%} of a day"
    value = f"alarm {math.exp(min(guard.esr.log_sr, 700.0)):.1f} of {false_alarm_days:g}"
    seen = f"after {test.frauds} frauds in {test.days} days"
    return f"{value} {seen} against {test.challenger}: {recalls(test, challenger_first=False)}"


def _watch(slot: SlotState, state: ManagerState, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    guard = slot.guard
    if guard is None:
        return slot, ()
    if guard.test.terms != turn.rules.terms:
        slot, started = start_guard(slot, guard.test.challenger, state.epoch, turn)
        return slot, (started,)
    after = _advance(guard, slot.segment, state, turn)
    moved = replace(slot, guard=after)
    return moved, ((_added(moved, after, state.epoch, turn),) if after.esr.cohorts > guard.esr.cohorts else ())


def _advance(guard: Guard, segment: str, state: ManagerState, turn: Turn) -> Guard:
    """A benched agent that didn't score says nothing; a newcomer that didn't, while the bench did, is unsafe."""
    share_max, cohort = guard.test.rules.missing_share_max, turn.cohort.within(segment)
    if not cohort.scored_whole(guard.test.challenger, share_max):
        return guard
    if turn.day >= guard.test.first_full_day and not cohort.scored_whole(guard.test.incumbent, share_max):
        return replace(guard, test=replace(guard.test, unsafe=True))
    test, losses = advance(guard.test, cohort, state.thresholds)
    return guard if losses is None else Guard(test=test, esr=esr_step(guard.esr, losses.difference))


def _added(slot: SlotState, guard: Guard, epoch: Epoch, turn: Turn) -> GuardAdded:
    test, alarm_at = guard.test, turn.rules.guard.false_alarm_days
    return GuardAdded(
        day=turn.day,
        epoch=epoch,
        slot=slot.id,
        agent=test.incumbent,
        reason=explain(guard, alarm_at),
        bench=test.challenger,
        rows=test.rows,
        frauds=test.frauds,
        wins=test.wins,
        losses=test.losses,
        days=test.days,
        log_sr=guard.esr.log_sr,
        alarm_at=alarm_at,
    )


def _roll_back(slot: SlotState, state: ManagerState, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    guard, alarm_at = slot.guard, turn.rules.guard.false_alarm_days
    if guard is None or not (cause := alarm(guard, alarm_at)):
        return slot, ()
    if cause == "guard" and not turn.policy.needs_evidence:
        return slot, ()
    if turn.rules.swaps.freeze:
        held = RollbackHeld(
            day=turn.day,
            epoch=state.epoch,
            slot=slot.id,
            agent=slot.incumbent,
            reason=f"the lineup is frozen; {explain(guard, alarm_at)}",
            bench=guard.test.challenger,
            alarm_at=alarm_at,
        )
        return slot, (held,)
    return undo_swap(slot, guard, cause, state, turn)


def undo_swap(
    slot: SlotState, guard: Guard, cause: str, state: ManagerState, turn: Turn, *, why: str = ""
) -> tuple[SlotState, tuple[Event, ...]]:
    """The agent on the bench has its slot again, and the newcomer is out.

    Args:
        slot: of the swap.
        guard: that compares the two.
        cause: guard, unsafe, policy, or the limit that was broken.
        state: that the slot is in.
        turn: of the step.
        why: of the policy or the limit, before the alarm's figures.
    """
    to = next(b for b in slot.bench if b.agent == guard.test.challenger)
    reason = "; ".join(filter(None, (why, explain(guard, turn.rules.guard.false_alarm_days))))
    back, returned = swap_back(slot, to, state, turn)
    rolled = RolledBack(
        day=turn.day,
        epoch=back.since_epoch,
        slot=slot.id,
        agent=to.agent,
        reason=reason,
        replaced=slot.incumbent,
        since=turn.today,
        cause=cause,
        rows=guard.test.rows,
        frauds=guard.test.frauds,
        days=guard.test.days,
    )
    released = Released(
        day=turn.day,
        epoch=back.since_epoch,
        slot=slot.id,
        agent=slot.incumbent,
        reason=f"rolled back: {reason}",
        cause=cause,
        rows=guard.test.rows,
        frauds=guard.test.frauds,
        days=guard.test.days,
    )
    if cause not in UNFIT:
        back = cool_down(back, slot.incumbent, slot.family, turn)
    return back, (rolled, released, *returned)

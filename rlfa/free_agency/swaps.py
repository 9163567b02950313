"""Promotion within its limits, the bench, and the end of probations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from rlfa.free_agency.events import (
    BenchReleased,
    Event,
    EvidenceAdded,
    Promoted,
    PromotionHeld,
    Released,
)
from rlfa.free_agency.moves import bench_until, cool_down, return_to_pool, swap_in, without
from rlfa.free_agency.probation import advance, explain, verdict
from rlfa.free_agency.rules import SwapLimits
from rlfa.free_agency.several import with_bounds
from rlfa.free_agency.state import ManagerState, Probation, SlotState
from rlfa.free_agency.turn import Turn, each_slot
from rlfa.lineup.slots import Day, Epoch


def end_changed_tests(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """End the probations that began under other terms: going on would bet on two questions at once."""

    def part(slot: SlotState) -> tuple[SlotState, Iterable[Event]]:
        changed = [p for p in slot.probations if p.terms != turn.rules.terms]
        reason = "the terms of the test changed: it starts afresh"
        return return_to_pool(slot, changed, reason, state.epoch, turn.day) if changed else (slot, ())

    return each_slot(state, part)


def add_evidence(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Take the cohort into every probation."""
    before = state.slots
    advanced = tuple(_advanced(slot, state, turn) for slot in state.slots)
    state = with_bounds(replace(state, slots=advanced))
    events = [e for old, new in zip(before, state.slots, strict=True) for e in _evidence(old, new, state, turn)]
    return state, tuple(events)


def release_losers(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """End the probations that are worse, futile, unsafe or at their limit."""
    return each_slot(state, lambda slot: _release(slot, state.epoch, turn))


def clear_bench(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Release the benched agents whose time is over."""
    return each_slot(state, lambda slot: _clear_bench(slot, state.epoch, turn))


def swap(
    slot: SlotState, best: Probation, reason: str, state: ManagerState, turn: Turn
) -> tuple[SlotState, tuple[Event, ...]]:
    """A challenger takes the slot.

    Args:
        slot: that it is tried for.
        best: the challenger.
        reason: of the policy; the evidence where that has none.
        state: that the slot is in.
        turn: of the step.
    """
    swapped, others = swap_in(slot, best.challenger, best.family, state, turn)
    return swapped, (_promoted(slot, best, reason, swapped.since_epoch, turn), *others)


def give_up(
    slot: SlotState, out: Probation, reason: str, epoch: Epoch, turn: Turn
) -> tuple[SlotState, tuple[Event, ...]]:
    """End a probation because the policy says so; the challenger cools down."""
    rest, released = end_probation(slot, out, "policy", f"{reason}; {explain(out, 'wait')}", epoch, turn)
    return cool_down(rest, out.challenger, out.family, turn), released


def end_probation(
    slot: SlotState, out: Probation, cause: str, reason: str, epoch: Epoch, turn: Turn
) -> tuple[SlotState, tuple[Event, ...]]:
    """Release a challenger."""
    return _without_probations(slot, [out], turn), (_released(slot, out, cause, reason, epoch, turn),)


def held_by(slot: SlotState, swaps: int, day: Day, limits: SwapLimits) -> str:
    """The limit that stands against a swap now, in words; empty if none does.

    Args:
        slot: to be swapped.
        swaps: of other slots in this step.
        day: the cohort.
        limits: of the user.
    """
    if limits.freeze:
        return "the lineup is frozen"
    if swaps >= limits.per_day:
        return f"{swaps} swaps today, at most {limits.per_day}"
    if slot.swapped is not None and day - slot.swapped < limits.days_between:
        return f"the slot's last swap was {day - slot.swapped} days ago, at least {limits.days_between}"
    return ""


def hold(slot: SlotState, best: Probation, why: str, epoch: Epoch, turn: Turn) -> PromotionHeld:
    """A challenger that has its evidence waits."""
    return PromotionHeld(
        day=turn.day,
        epoch=epoch,
        slot=slot.id,
        agent=best.challenger,
        reason=f"{why}; {explain(best, 'promote')}",
        log_up=best.e.log_up,
        bound=best.bound,
    )


def _advanced(slot: SlotState, state: ManagerState, turn: Turn) -> SlotState:
    cohort = turn.cohort.within(slot.segment)
    return replace(slot, probations=tuple(advance(p, cohort, state.thresholds)[0] for p in slot.probations))


def _evidence(before: SlotState, after: SlotState, state: ManagerState, turn: Turn) -> list[EvidenceAdded]:
    pairs = zip(before.probations, after.probations, strict=True)
    return [_evidence_added(after, new, state.epoch, turn) for old, new in pairs if new.days > old.days]


def _evidence_added(slot: SlotState, p: Probation, epoch: Epoch, turn: Turn) -> EvidenceAdded:
    return EvidenceAdded(
        day=turn.day,
        epoch=epoch,
        slot=slot.id,
        agent=p.challenger,
        reason=explain(p, "wait"),
        rows=p.rows,
        frauds=p.frauds,
        wins=p.wins,
        losses=p.losses,
        missing=p.missing,
        days=p.days,
        log_up=p.e.log_up,
        log_down=p.e.log_down,
        log_futility=p.e.log_futility,
        log_up_max=p.log_up_max,
        bound=p.bound,
        gain=p.gain,
        weight=p.weight,
    )


def _release(slot: SlotState, epoch: Epoch, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    verdicts = {p.challenger: verdict(p) for p in slot.probations}
    out = [p for p in slot.probations if verdicts[p.challenger] not in {"wait", "promote"}]
    if not out:
        return slot, ()
    released = _without_probations(slot, out, turn)
    for p in out:
        if verdicts[p.challenger] != "unsafe":
            released = cool_down(released, p.challenger, p.family, turn)
    reasons = [(p, verdicts[p.challenger], explain(p, verdicts[p.challenger])) for p in out]
    return released, [_released(slot, p, cause, reason, epoch, turn) for p, cause, reason in reasons]


def _without_probations(slot: SlotState, out: Sequence[Probation], turn: Turn) -> SlotState:
    kept = tuple(p for p in slot.probations if p not in out)
    return replace(slot, probations=kept, quiet_since=turn.day)


def _released(slot: SlotState, p: Probation, cause: str, reason: str, epoch: Epoch, turn: Turn) -> Released:
    return Released(
        day=turn.day,
        epoch=epoch,
        slot=slot.id,
        agent=p.challenger,
        reason=reason,
        cause=cause,
        log_up=p.e.log_up,
        log_down=p.e.log_down,
        log_futility=p.e.log_futility,
        rows=p.rows,
        frauds=p.frauds,
        days=p.days,
    )


def _promoted(slot: SlotState, best: Probation, reason: str, epoch: Epoch, turn: Turn) -> Promoted:
    return Promoted(
        day=turn.day,
        epoch=epoch,
        slot=slot.id,
        agent=best.challenger,
        reason=reason or explain(best, "promote"),
        replaced=slot.incumbent,
        since=turn.today,
        bench_until=bench_until(turn),
        log_up=best.e.log_up,
        bound=best.bound,
        rows=best.rows,
        frauds=best.frauds,
        days=best.days,
    )


def _clear_bench(slot: SlotState, epoch: Epoch, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    day = turn.day
    over = [b for b in slot.bench if b.until < day]
    if not over:
        return slot, ()
    reason = "its time on the bench is over"
    events = [BenchReleased(day=day, epoch=epoch, slot=slot.id, agent=b.agent, reason=reason) for b in over]
    for benched in over:
        slot = cool_down(without(slot, benched.agent), benched.agent, benched.family, turn)
    return slot, events

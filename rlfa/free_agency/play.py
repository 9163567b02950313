"""One move per slot and day: the state machine says what is allowed, the policy chooses, and it is carried out."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from rlfa.free_agency.events import Event
from rlfa.free_agency.newcomers import undo_swap
from rlfa.free_agency.policies.policy import Kind, Move, Situation, permitted
from rlfa.free_agency.signing import order_trainings
from rlfa.free_agency.situations import situation_of
from rlfa.free_agency.state import ManagerState, Probation, SlotState
from rlfa.free_agency.swaps import give_up, held_by, hold, swap
from rlfa.free_agency.trials import awaits, is_proved
from rlfa.free_agency.turn import Turn


def play(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Ask the policy slot by slot, and do what it says while the limits on swaps allow it.

    A challenger that has its evidence and isn't promoted, for a limit's sake or the policy's, is an entry of its own.
    """
    slots, events = list[SlotState](), list[Event]()
    swaps = 0
    for slot in state.slots:
        moved, of_slot = _play(slot, swaps, state, turn)
        swaps += moved.incumbent != slot.incumbent
        slots.append(moved)
        events += of_slot
    return replace(state, slots=tuple(slots)), tuple(events)


def _play(slot: SlotState, swaps: int, state: ManagerState, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    held = held_by(slot, swaps, turn.day, turn.rules.swaps)
    situation = situation_of(slot, state, turn)
    move = turn.policy.choose(situation, _allowed(situation, held, turn))
    match move.kind:
        case "promote":
            return swap(slot, _trial(slot, move), move.reason, state, turn)
        case "release":
            return give_up(slot, _trial(slot, move), move.reason, state.epoch, turn)
        case "rollback":
            assert slot.guard is not None
            return undo_swap(slot, slot.guard, "policy", state, turn, why=move.reason)
        case "scout":
            ordered, events = order_trainings(slot, situation, move, state, turn)
            return ordered, (*_holds(slot, held, state, turn), *events)
        case "hold":
            return slot, _holds(slot, held, state, turn)


def _allowed(situation: Situation, held: str, turn: Turn) -> frozenset[Kind]:
    if turn.rules.swaps.freeze:
        return frozenset({"hold"})
    return permitted(
        situation,
        needs_evidence=turn.policy.needs_evidence,
        may_swap=not held,
        cooldown_days=turn.rules.scout.cooldown_days,
    )


def _holds(slot: SlotState, held: str, state: ManagerState, turn: Turn) -> tuple[Event, ...]:
    best = max((p for p in slot.probations if is_proved(p)), key=lambda p: (p.e.log_up, p.challenger), default=None)
    if best is None or not turn.policy.needs_evidence:
        return ()
    why = held or awaits(best, turn) or f"the policy {turn.policy.name} waits"
    return (hold(slot, best, why, state.epoch, turn),)


def _trial(slot: SlotState, move: Move) -> Probation:
    return next(p for p in slot.probations if p.challenger == move.agent)

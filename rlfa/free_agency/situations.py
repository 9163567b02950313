"""A slot of the live manager as a policy sees it: the same view that the simulator gives."""

from __future__ import annotations

from msgspec.structs import replace

from rlfa.free_agency.drift import explain
from rlfa.free_agency.events import DriftSeen, Event
from rlfa.free_agency.policies.policy import Situation, Trial
from rlfa.free_agency.scouting import Arm
from rlfa.free_agency.state import ManagerState, Probation, SlotState
from rlfa.free_agency.trials import awaits, is_proved
from rlfa.free_agency.turn import Turn, each_slot
from rlfa.lineup.slots import Day, Epoch
from rlfa.rewards.discounted import PairRecord, Record

NEVER_QUIET = 365
"""Days without a scouting that a slot counts with before its first."""


def situation_of(slot: SlotState, state: ManagerState, turn: Turn) -> Situation:
    """All that a policy may know of a slot on this day."""
    record = state.records.get(slot.incumbent, Record())
    own, other = _expected(slot, state, turn)
    day, since = turn.day, slot.since_day if slot.swapped is None else slot.swapped
    return Situation(
        standing=slot.watch.standing,
        reward=record.reward,
        reward_error=record.reward_error,
        detection=record.detection(turn.rules.watch.frauds_min),
        level=slot.watch.level,
        delay_days=turn.today - day,
        days_held=day - since,
        days_quiet=NEVER_QUIET if slot.quiet_since is None else day - slot.quiet_since,
        review=_review_is_due(slot, turn),
        trials=tuple(sorted((_trial(p, slot, turn) for p in slot.probations), key=lambda t: (-t.log_up, t.agent))),
        training=len(slot.requests),
        pooled=len(slot.pool),
        log_guard=None if slot.guard is None else slot.guard.esr.log_sr,
        own=own,
        other=other,
        shift=turn.drift[slot.id].shift if slot.id in turn.drift else 0.0,
        drifted=_has_drifted(slot, turn),
    )


def note_drift(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Write down what days without labels show, at most once in `days_between`; nobody's place depends on it."""
    return each_slot(state, lambda slot: _note(slot, state.epoch, turn))


def _note(slot: SlotState, epoch: Epoch, turn: Turn) -> tuple[SlotState, tuple[Event, ...]]:
    sign = turn.drift.get(slot.id)
    if sign is None or not sign.lasted or not _is_due(slot.drift_seen, turn):
        return slot, ()
    seen = DriftSeen(day=turn.day, epoch=epoch, slot=slot.id, agent=slot.incumbent, reason=explain(sign), sign=sign)
    return replace(slot, drift_seen=turn.day), (seen,)


def _is_due(last: Day | None, turn: Turn) -> bool:
    return last is None or turn.day - last >= turn.rules.drift.days_between


def _has_drifted(slot: SlotState, turn: Turn) -> bool:
    """Whether drift may start a scouting now."""
    sign = turn.drift.get(slot.id)
    return sign is not None and sign.lasted and turn.rules.drift.scouts and _is_due(slot.scouted_early, turn)


def _trial(p: Probation, slot: SlotState, turn: Turn) -> Trial:
    return Trial(
        agent=p.challenger,
        log_up=p.e.log_up,
        log_down=p.e.log_down,
        log_futility=p.e.log_futility,
        bound=p.bound,
        ready=is_proved(p) and not awaits(p, turn),
        frauds=p.frauds,
        days=p.days,
        wins=p.wins,
        losses=p.losses,
        gap=slot.pairs.get(p.challenger, PairRecord()).gap,
    )


def _expected(slot: SlotState, state: ManagerState, turn: Turn) -> tuple[float, float]:
    """What scouting expects of the incumbent's family, and of the best other one."""
    arms = {f: state.arms.get(f, Arm(day=turn.day)).at(turn.day).mean for f in {slot.family, *turn.scout.families}}
    own = arms.pop(slot.family)
    return own, max(arms.values(), default=own)


def _review_is_due(slot: SlotState, turn: Turn) -> bool:
    wanted = turn.rules.scout.review_days
    return bool(wanted) and turn.day - max(slot.since_day, slot.quiet_since or slot.since_day) >= wanted

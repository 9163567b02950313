"""A slot of the live manager as a policy sees it: the same view that the simulator gives."""

from __future__ import annotations

from rlfa.free_agency.policies.policy import Situation, Trial
from rlfa.free_agency.probation import verdict
from rlfa.free_agency.scouting import Arm
from rlfa.free_agency.state import ManagerState, Probation, SlotState
from rlfa.free_agency.turn import Turn
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
        trials=tuple(sorted((_trial(p, slot) for p in slot.probations), key=lambda t: (-t.log_up, t.agent))),
        training=len(slot.requests),
        pooled=len(slot.pool),
        log_guard=None if slot.guard is None else slot.guard.esr.log_sr,
        own=own,
        other=other,
        drifted=slot.id in turn.scout_early,
    )


def _trial(p: Probation, slot: SlotState) -> Trial:
    return Trial(
        agent=p.challenger,
        log_up=p.e.log_up,
        log_down=p.e.log_down,
        log_futility=p.e.log_futility,
        bound=p.bound,
        ready=p.started is not None and verdict(p) == "promote",
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

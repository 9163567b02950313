"""The stage between shadow and slot: a challenger that looks better decides a small random share.

A trial shows what a shadow can't: that decisions of the challenger's come in the usual number and do no harm. The
evidence is the same, since both agents score every row of the slot whoever decides it: its e-process goes on from
shadow through the trial and is valid at any time, so that a stage more costs no evidence and no alpha.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import replace

from rlfa.free_agency.events import Event, TrialEnded, TrialStarted
from rlfa.free_agency.probation import explain, verdict
from rlfa.free_agency.state import ManagerState, Probation, SlotState
from rlfa.free_agency.turn import Turn, each_slot
from rlfa.lineup.slots import Epoch


def is_proved(p: Probation) -> bool:
    """Whether a challenger has the evidence that a promotion asks for, the minima included."""
    return p.started is not None and verdict(p) == "promote"


def awaits(p: Probation, turn: Turn) -> str:
    """What a challenger has to do on trial before it may be promoted, in words; empty for nothing."""
    rules = turn.rules.trial
    if not rules.share:
        return ""
    if p.trial_since is None:
        return "it goes on trial first"
    served = turn.today - p.trial_since
    return f"{served} days on trial, at least {rules.days_min}" if served < rules.days_min else ""


def begin_trials(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Let the challengers decide a share that look better so far; a policy without evidence has no such stage."""
    if not turn.rules.trial.share or turn.rules.swaps.freeze or not turn.policy.needs_evidence:
        return state, ()
    return each_slot(state, lambda slot: _begin(slot, state.epoch, turn))


def end_changed_trials(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Challengers on trial for another share than the settings now say are in shadow again, unless all is frozen."""
    if turn.rules.swaps.freeze:
        return state, ()
    return each_slot(state, lambda slot: _end_changed(slot, state.epoch, turn))


def _begin(slot: SlotState, epoch: Epoch, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    entering = [p for p in slot.probations if p.stage == "shadow" and _looks_better(p, turn)]
    tried = {p.challenger: _on_trial(p, turn) for p in entering}
    probations = tuple(tried.get(p.challenger, p) for p in slot.probations)
    return replace(slot, probations=probations), [_started(slot, p, epoch, turn) for p in tried.values()]


def _looks_better(p: Probation, turn: Turn) -> bool:
    enough = p.started is not None and not p.unsafe and p.frauds >= turn.rules.trial.frauds_min
    return enough and p.e.log_up >= math.log(_bound(p, turn))


def _bound(p: Probation, turn: Turn) -> float:
    return p.rivals / turn.rules.trial.alpha


def _on_trial(p: Probation, turn: Turn) -> Probation:
    return replace(p, stage="trial", share=turn.rules.trial.share, trial_since=turn.today)


def _started(slot: SlotState, p: Probation, epoch: Epoch, turn: Turn) -> TrialStarted:
    return TrialStarted(
        day=turn.day,
        epoch=epoch,
        slot=slot.id,
        agent=p.challenger,
        reason=f"it decides {p.share:.2%} of {slot.id}: {explain(p, 'wait')}",
        share=p.share,
        since=turn.today,
        log_up=p.e.log_up,
        bound=_bound(p, turn),
        rows=p.rows,
        frauds=p.frauds,
        days=p.days,
    )


def _end_changed(slot: SlotState, epoch: Epoch, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    share = turn.rules.trial.share
    changed = [p for p in slot.probations if p.stage == "trial" and p.share != share]
    back = {p.challenger: replace(p, stage="shadow", share=0.0, trial_since=None) for p in changed}
    events = [
        TrialEnded(
            day=turn.day,
            epoch=epoch,
            slot=slot.id,
            agent=p.challenger,
            reason=f"trials are for {share:.2%} now, this one was for {p.share:.2%}: in shadow again",
            share=p.share,
        )
        for p in changed
    ]
    return replace(slot, probations=tuple(back.get(p.challenger, p) for p in slot.probations)), events

"""Moves by hand: who plays, by which rules, frozen or not, and who learns; each with a name and a reason.

No limit on swaps and no freeze stands against a person, but a slot is never left without an incumbent: what can't be
done is refused, and the refusal is an entry of the ledger like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec.structs import replace

from rlfa.free_agency.events import (
    BenchReleased,
    CommandRefused,
    Event,
    Frozen,
    Promoted,
    Released,
    RolledBack,
    RulesChanged,
    Signed,
    Unfrozen,
)
from rlfa.free_agency.learning import signed_learner, with_learner
from rlfa.free_agency.learning_events import LearningHeld, LearningResumed
from rlfa.free_agency.manager import in_epoch
from rlfa.free_agency.moves import bench_until, swap_back, swap_in, without
from rlfa.free_agency.probation import explain
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.state import Benched, FreeAgent, ManagerState, Probation, SlotState, Version
from rlfa.free_agency.turn import Moment
from rlfa.lineup.slots import AgentId, Day, EventTime, SlotId, day_of

Verb = Literal["sign", "cut", "promote", "rollback", "freeze", "unfreeze", "rules", "hold", "restore", "learn"]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a person asks for."""

    id: int
    verb: Verb
    by: str
    why: str
    slot: SlotId = SlotId("")
    agent: AgentId = AgentId("")
    family: str = ""
    """Of an agent to be signed; empty where the store doesn't know it."""
    rules: str = ""
    """Id of the rule set that shall act; empty: none shall."""
    rules_known: bool = False
    """Whether the store has that set."""
    learned_through: Day | None = None
    """The newest day that an agent to be signed has learned; None of one that doesn't learn."""


Outcome = tuple[ManagerState, tuple[Event, ...]] | str  # a string says why not


def obey(
    state: ManagerState, command: Command, rules: FreeAgencyRules, now: EventTime
) -> tuple[ManagerState, tuple[Event, ...]]:
    """Do what a person asks for, or refuse it.

    Args:
        state: after the last step.
        command: with a name and a reason.
        rules: of the user.
        now: event time that the stream has reached, ms UTC.

    Returns:
        The state after it, and what happened; each event has the person's name.
    """
    at = Moment(day=state.day, today=day_of(now), rules=rules)
    outcome = "no name or no reason" if not (command.by and command.why) else _MOVES[command.verb](state, command, at)
    if isinstance(outcome, str):
        refused = CommandRefused(
            day=at.day,
            epoch=state.epoch,
            slot=command.slot,
            agent=command.agent,
            reason=f"{command.verb} refused: {outcome}",
            by=command.by,
            verb=command.verb,
        )
        return state, (refused,)
    after, events = in_epoch(state, *outcome, at)
    return after, tuple(replace(e, by=command.by) for e in events)


def _sign(state: ManagerState, command: Command, at: Moment) -> Outcome:
    slot = _slot(state, command.slot)
    if slot is None:
        return _no_slot(state, command.slot)
    if _home(state, command.agent) is not None:
        return f"{command.agent} is there already"
    if not command.family:
        return f"the store has no agent {command.agent!r}"
    signed = Signed(
        day=at.day,
        epoch=state.epoch,
        slot=slot.id,
        agent=command.agent,
        reason=command.why,
        request="",
        family=command.family,
        offline=None,
    )
    free = FreeAgent(agent=command.agent, family=command.family, since=at.day)
    if command.learned_through is not None and command.agent not in state.learners:
        state = with_learner(state, command.agent, signed_learner(command.agent, command.learned_through))
    return _with(state, replace(without(slot, command.agent), pool=(*slot.pool, free))), (signed,)


def _cut(state: ManagerState, command: Command, at: Moment) -> Outcome:
    slot = _home(state, command.agent)
    if slot is None:
        return f"{command.agent!r} is in no slot"
    if slot.incumbent == command.agent:
        if not slot.bench:
            return f"{slot.id} would have no incumbent: promote another agent first"
        return _back(state, slot, slot.bench[-1], "cut", command, at)
    rest = _with(state, without(slot, command.agent))
    if command.agent in {b.agent for b in slot.bench}:
        gone = BenchReleased(day=at.day, epoch=state.epoch, slot=slot.id, agent=command.agent, reason=command.why)
        return rest, (gone,)
    return rest, (_released(slot, command, "cut", _trial(slot, command.agent), state, at),)


def _promote(state: ManagerState, command: Command, at: Moment) -> Outcome:
    slot = _home(state, command.agent)
    if slot is None:
        return f"{command.agent!r} is in no slot: sign it first"
    if slot.incumbent == command.agent:
        return f"{command.agent} holds {slot.id} already"
    trial = _trial(slot, command.agent)
    families = {f.agent: f.family for f in slot.pool} | {b.agent: b.family for b in slot.bench}
    family = trial.family if trial else families[command.agent]
    taken, others = swap_in(slot, command.agent, family, state, at)
    evidence = explain(trial, "wait") if trial else "none: it was never on probation here"
    promoted = Promoted(
        day=at.day,
        epoch=taken.since_epoch,
        slot=slot.id,
        agent=command.agent,
        reason=f"{command.why}; evidence so far: {evidence}",
        replaced=slot.incumbent,
        since=at.today,
        bench_until=bench_until(at),
        log_up=trial.e.log_up if trial else 0.0,
        bound=trial.bound if trial else 1.0 / at.rules.probation.alpha,
        rows=trial.rows if trial else 0,
        frauds=trial.frauds if trial else 0,
        days=trial.days if trial else 0,
    )
    return _with(state, taken), (promoted, *others)


def _rollback(state: ManagerState, command: Command, at: Moment) -> Outcome:
    slot = _slot(state, command.slot)
    if slot is None:
        return _no_slot(state, command.slot)
    if not slot.bench:
        return f"nobody is on the bench of {slot.id}"
    return _back(state, slot, slot.bench[-1], "hand", command, at)


def _freeze(state: ManagerState, command: Command, at: Moment) -> Outcome:
    if state.frozen:
        return "the lineup is frozen already"
    return replace(state, frozen=True), (Frozen(day=at.day, epoch=state.epoch, reason=command.why),)


def _unfreeze(state: ManagerState, command: Command, at: Moment) -> Outcome:
    if at.rules.swaps.freeze:
        return "the settings freeze the lineup: free_agency.swaps.freeze"
    if not state.frozen:
        return "the lineup isn't frozen"
    return replace(state, frozen=False), (Unfrozen(day=at.day, epoch=state.epoch, reason=command.why),)


def _rules(state: ManagerState, command: Command, at: Moment) -> Outcome:
    if command.rules == state.rules:
        return f"{command.rules} acts already" if command.rules else "no rules act already"
    if command.rules and not command.rules_known:
        return f"the store has no rule set {command.rules!r}"
    changed = RulesChanged(day=at.day, epoch=state.epoch, reason=command.why, before=state.rules, rules=command.rules)
    return replace(state, rules=command.rules), (changed,)


def _hold(state: ManagerState, command: Command, at: Moment) -> Outcome:
    learner = state.learners.get(command.agent)
    if learner is None:
        return f"{command.agent!r} is no agent that learns"
    if learner.held:
        return f"{command.agent} is held already"
    return _held(state, command, command.agent, learner.plays, at)


def _restore(state: ManagerState, command: Command, at: Moment) -> Outcome:
    """The command names the version; its agent is the one that has been it."""
    found = [(a, v) for a, learner in state.learners.items() for v in learner.versions if v.id == command.agent]
    if not found:
        return f"{command.agent!r} is no version of an agent that learns"
    ((agent, version),) = found
    if state.learners[agent].plays == version:
        return f"{agent} plays as {version.id} already"
    return _held(state, command, agent, version, at)


def _held(state: ManagerState, command: Command, agent: AgentId, version: Version, at: Moment) -> Outcome:
    learner, home = state.learners[agent], _home(state, agent)
    held = LearningHeld(
        day=at.day,
        epoch=state.epoch,
        slot=home.id if home else SlotId(""),
        agent=agent,
        reason=command.why,
        version=version.id,
        before=learner.plays.id,
        since=at.today,
    )
    kept = learner.versions[: learner.versions.index(version) + 1]
    return with_learner(state, agent, replace(learner, plays=version, versions=kept, held=True)), (held,)


def _learn(state: ManagerState, command: Command, at: Moment) -> Outcome:
    learner, home = state.learners.get(command.agent), _home(state, command.agent)
    if learner is None:
        return f"{command.agent!r} is no agent that learns"
    if not learner.held:
        return f"{command.agent} learns already"
    resumed = LearningResumed(
        day=at.day,
        epoch=state.epoch,
        slot=home.id if home else SlotId(""),
        agent=command.agent,
        reason=command.why,
        version=learner.plays.id,
    )
    return with_learner(state, command.agent, replace(learner, held=False, tried=None)), (resumed,)


_MOVES: dict[Verb, Callable[[ManagerState, Command, Moment], Outcome]] = {
    "sign": _sign,
    "cut": _cut,
    "promote": _promote,
    "rollback": _rollback,
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "rules": _rules,
    "hold": _hold,
    "restore": _restore,
    "learn": _learn,
}


def _back(state: ManagerState, slot: SlotState, to: Benched, cause: str, command: Command, at: Moment) -> Outcome:
    back, returned = swap_back(slot, to, state, at)
    test = slot.guard.test if slot.guard else None
    rolled = RolledBack(
        day=at.day,
        epoch=back.since_epoch,
        slot=slot.id,
        agent=to.agent,
        reason=command.why,
        replaced=slot.incumbent,
        since=at.today,
        cause=cause,
        rows=test.rows if test else 0,
        frauds=test.frauds if test else 0,
        days=test.days if test else 0,
    )
    out = replace(command, agent=slot.incumbent)
    return _with(state, back), (rolled, _released(slot, out, cause, test, state, at), *returned)


def _released(
    slot: SlotState, command: Command, cause: str, trial: Probation | None, state: ManagerState, at: Moment
) -> Released:
    return Released(
        day=at.day,
        epoch=state.epoch,
        slot=slot.id,
        agent=command.agent,
        reason=command.why,
        cause=cause,
        log_up=trial.e.log_up if trial else 0.0,
        rows=trial.rows if trial else 0,
        frauds=trial.frauds if trial else 0,
        days=trial.days if trial else 0,
    )


def _slot(state: ManagerState, slot: SlotId) -> SlotState | None:
    return next((s for s in state.slots if s.id == slot), None)


def _no_slot(state: ManagerState, slot: SlotId) -> str:
    return f"no slot {slot!r}, only {', '.join(s.id for s in state.slots)}"


def _home(state: ManagerState, agent: AgentId) -> SlotState | None:
    """The slot that an agent plays in, is tried for, waits for or is benched in."""
    return next((s for s in state.slots if agent in {s.incumbent, *s.beside, *(f.agent for f in s.pool)}), None)


def _trial(slot: SlotState, agent: AgentId) -> Probation | None:
    return next((p for p in slot.probations if p.challenger == agent), None)


def _with(state: ManagerState, slot: SlotState) -> ManagerState:
    return replace(state, slots=tuple(slot if s.id == slot.id else s for s in state.slots))

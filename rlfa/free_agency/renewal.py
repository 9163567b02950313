"""Retraining on a schedule: the incumbent's own genome on the newest window, in its place without a probation.

A probation asks whether a stranger is better; that takes a label delay and a hundred frauds, and on a stream that moves
every week the answer comes too late for a mere refresh. A renewal is the same recipe on newer data: it has to pass the
offline gate, the agent that it replaces waits on the bench, and the guard watches. A slot that tries a challenger isn't
renewed meanwhile, since the test would end.
"""

from __future__ import annotations

from msgspec.structs import replace

from rlfa.free_agency.events import Event, Renewed, TrainingRequested
from rlfa.free_agency.moves import bench_until, delivered, swap_in
from rlfa.free_agency.state import Candidate, ManagerState, Request, SlotState
from rlfa.free_agency.turn import Moment, Turn
from rlfa.lineup.hedge import Hedge
from rlfa.lineup.slots import AgentId
from rlfa.trainers.offline_gate import passes

SUFFIX = "/renewal"  # of the request's id: who comes back from it needs no probation


def seat_renewal(state: ManagerState, candidate: Candidate, at: Moment) -> tuple[ManagerState, tuple[Event, ...]]:
    """Seat what came back from a renewal and passed the gate, with its predecessor's weight and standing.

    It waits for no cohort: it has nothing to prove that one could show, and each day makes it older. Whatever else came
    back, or meets a challenger or a freeze, changes nothing here: the next step signs it like any candidate.
    """
    slot = next((s for s in state.slots if s.id == candidate.slot), None)
    frozen = state.frozen or at.rules.swaps.freeze
    if slot is None or frozen or slot.probations or not _may_sit(candidate, state, at):
        return state, ()
    slot = replace(slot, requests=tuple(r for r in slot.requests if r.id != candidate.request))
    seated, events = _seated(slot, candidate, state, at)
    hedge = _renamed(state.hedge, slot.incumbent, candidate.agent)
    return replace(state, slots=tuple(seated if s.id == slot.id else s for s in state.slots), hedge=hedge), events


def order_renewals(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Order the retraining of every slot that is due and has nobody to try; what learns as days close needs none."""
    rules = turn.rules.renewal
    if not rules.every_days or turn.rules.swaps.freeze:
        return state, ()
    slots, events = list[SlotState](), list[Event]()
    for slot in state.slots:
        due = turn.today - slot.since_day >= rules.every_days and slot.incumbent not in state.learners
        if not due or slot.requests or slot.probations or slot.pool:
            slots.append(slot)
            continue
        request = Request(
            id=f"{slot.id}/{turn.day}{SUFFIX}", family=slot.family, genome_of=slot.incumbent, day=turn.day
        )
        slots.append(replace(slot, requests=(request,)))
        events.append(_requested(slot, request, state, turn))
    return replace(state, slots=tuple(slots)), tuple(events)


def _may_sit(candidate: Candidate, state: ManagerState, at: Moment) -> bool:
    asked = candidate.request in {r.id for r in state.requests} and candidate.request.endswith(SUFFIX)
    known = candidate.agent in {*state.lineup.agents, *(f.agent for s in state.slots for f in s.pool)}
    passed = candidate.offline is None or passes(candidate.offline, at.rules.scout.gate_margin)
    return asked and bool(candidate.agent) and not candidate.error and not known and passed


def _seated(
    slot: SlotState, candidate: Candidate, state: ManagerState, at: Moment
) -> tuple[SlotState, tuple[Event, ...]]:
    taken, others = swap_in(slot, candidate.agent, candidate.family, state, at)
    renewed = Renewed(
        day=at.day,
        epoch=taken.since_epoch,
        slot=slot.id,
        agent=candidate.agent,
        reason=f"{candidate.family} again on the newest window: it passed the offline gate",
        request=candidate.request,
        offline=candidate.offline,
        replaced=slot.incumbent,
        since=at.today,
        bench_until=bench_until(at),
    )
    kept = replace(taken, watch=slot.watch, quiet_since=slot.quiet_since, swapped=slot.swapped)
    return kept, (*delivered(candidate, renewed.epoch, at), renewed, *others)


def _renamed(hedge: Hedge, old: AgentId, new: AgentId) -> Hedge:
    """The newcomer's share is that of the agent it renews, not that of a stranger."""
    holdings = tuple(replace(h, agent=new) if h.agent == old else h for h in hedge.holdings)
    return replace(hedge, holdings=holdings)


def _requested(slot: SlotState, request: Request, state: ManagerState, turn: Turn) -> TrainingRequested:
    return TrainingRequested(
        day=turn.day,
        epoch=state.epoch,
        slot=slot.id,
        reason=f"{turn.today - slot.since_day} days since {slot.incumbent} took the slot: train its genome again",
        request=request.id,
        family=request.family,
        genome_of=request.genome_of,
    )

"""Retraining on a schedule: the incumbent's own genome on the newest window, in its place without a probation.

A probation asks whether a stranger is better; that takes a label delay and a hundred frauds, and on a stream that moves
every week the answer comes too late for a mere refresh. A renewal is the same recipe on newer data: it has to pass the
offline gate, the agent that it replaces waits on the bench, and the guard watches. A slot that tries a challenger isn't
renewed meanwhile, since the test would end.
"""

from __future__ import annotations

from msgspec.structs import replace

from rlfa.free_agency.events import Event, Renewed, TrainingRequested
from rlfa.free_agency.moves import bench_until, swap_in
from rlfa.free_agency.state import FreeAgent, ManagerState, Request, SlotState
from rlfa.free_agency.turn import Turn
from rlfa.lineup.hedge import Hedge
from rlfa.lineup.slots import AgentId

SUFFIX = "/renewal"  # of the request's id: who comes back from it needs no probation


def take_renewals(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Seat what came back from renewals and passed the gate; it has its predecessor's weight and its standing."""
    if turn.rules.swaps.freeze:
        return state, ()
    back = {c.agent for c in turn.candidates if c.request.endswith(SUFFIX)}
    slots, events, hedge = list[SlotState](), list[Event](), state.hedge
    for slot in state.slots:
        newer = next((f for f in slot.pool if f.agent in back), None)
        if newer is None or slot.probations:
            slots.append(slot)
            continue
        seated, of_swap = _seated(slot, newer, state, turn)
        hedge = _renamed(hedge, slot.incumbent, newer.agent)
        slots.append(seated)
        events += of_swap
    return replace(state, slots=tuple(slots), hedge=hedge), tuple(events)


def order_renewals(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Order the retraining of every slot that is due and has nobody to try."""
    rules = turn.rules.renewal
    if not rules.every_days or turn.rules.swaps.freeze:
        return state, ()
    slots, events = list[SlotState](), list[Event]()
    for slot in state.slots:
        due = turn.today - slot.since_day >= rules.every_days
        if not due or slot.requests or slot.probations or slot.pool:
            slots.append(slot)
            continue
        request = Request(
            id=f"{slot.id}/{turn.day}{SUFFIX}", family=slot.family, genome_of=slot.incumbent, day=turn.day
        )
        slots.append(replace(slot, requests=(request,)))
        events.append(_requested(slot, request, state, turn))
    return replace(state, slots=tuple(slots)), tuple(events)


def _seated(slot: SlotState, newer: FreeAgent, state: ManagerState, turn: Turn) -> tuple[SlotState, tuple[Event, ...]]:
    taken, others = swap_in(slot, newer.agent, newer.family, state, turn)
    renewed = Renewed(
        day=turn.day,
        epoch=taken.since_epoch,
        slot=slot.id,
        agent=newer.agent,
        reason=f"{newer.family} again, trained up to day {turn.day}: it passed the offline gate",
        replaced=slot.incumbent,
        since=turn.today,
        bench_until=bench_until(turn),
    )
    kept = replace(taken, watch=slot.watch, quiet_since=slot.quiet_since, swapped=slot.swapped)
    return kept, (renewed, *others)


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

"""What a swap does to a slot, whoever asked for it: a test's verdict, a guard's alarm, or a person."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from rlfa.free_agency.events import Event, GuardStarted, ReturnedToPool, TrainingDelivered
from rlfa.free_agency.state import (
    Benched,
    Candidate,
    Cooling,
    FreeAgent,
    Guard,
    ManagerState,
    Probation,
    SlotState,
    Watch,
)
from rlfa.free_agency.turn import Moment
from rlfa.lineup.slots import AgentId, Day, Epoch
from rlfa.rewards.discounted import Record
from rlfa.trainers.record import explain


def swap_in(
    slot: SlotState, agent: AgentId, family: str, state: ManagerState, at: Moment
) -> tuple[SlotState, tuple[Event, ...]]:
    """An agent takes a slot; the one that it replaces goes to the bench, and a guard compares the two."""
    benched = Benched(agent=slot.incumbent, family=slot.family, until=bench_until(at))
    taken, returned = _seated(slot, agent, family, state, at)
    taken = replace(taken, bench=(*taken.bench, benched))
    guarded, started = start_guard(taken, benched.agent, Epoch(state.epoch + 1), at)
    return guarded, (*returned, started)


def swap_back(slot: SlotState, to: Benched, state: ManagerState, at: Moment) -> tuple[SlotState, tuple[Event, ...]]:
    """A benched agent has its slot again; the caller says where the one that it replaces goes."""
    return _seated(slot, to.agent, to.family, state, at)


def bench_until(at: Moment) -> Day:
    """The last cohort that an agent benched now stays for."""
    return Day(at.today + at.rules.swaps.bench_days)


def start_guard(slot: SlotState, bench: AgentId, epoch: Epoch, at: Moment) -> tuple[SlotState, Event]:
    """Compare a slot's incumbent with a benched agent, on days that the incumbent has decided whole."""
    test = Probation(
        challenger=bench,
        family="",
        incumbent=slot.incumbent,
        stage="guard",
        rules=at.rules.probation,
        costs=at.rules.costs,
        chance_min=at.rules.exploration.propensity_min,
        first_full_day=Day(at.today + 1),
    )
    started = GuardStarted(
        day=at.day,
        epoch=epoch,
        slot=slot.id,
        agent=slot.incumbent,
        reason=f"{bench} scores on from the bench: it returns if {slot.incumbent} does worse",
        bench=bench,
        first_full_day=test.first_full_day,
        rules=test.rules,
        costs=test.costs,
        chance_min=test.chance_min,
        false_alarm_days=at.rules.guard.false_alarm_days,
    )
    return replace(slot, guard=Guard(test=test)), started


def return_to_pool(
    slot: SlotState, probations: Sequence[Probation], reason: str, epoch: Epoch, day: Day
) -> tuple[SlotState, tuple[Event, ...]]:
    """Back to the pool without a verdict."""
    pooled = [FreeAgent(agent=p.challenger, family=p.family, since=day) for p in probations]
    kept = tuple(p for p in slot.probations if p not in probations)
    events = tuple(
        ReturnedToPool(day=day, epoch=epoch, slot=slot.id, agent=p.challenger, reason=reason) for p in probations
    )
    return replace(slot, probations=kept, pool=(*slot.pool, *pooled)), events


def delivered(candidate: Candidate, epoch: Epoch, at: Moment) -> tuple[Event, ...]:
    """What the training of a candidate was, before what becomes of it; nothing where nobody recorded it."""
    if candidate.trained is None:
        return ()
    event = TrainingDelivered(
        day=at.day,
        epoch=epoch,
        slot=candidate.slot,
        agent=candidate.agent,
        reason=explain(candidate.trained),
        request=candidate.request,
        family=candidate.family,
        trained=candidate.trained,
    )
    return (event,)


def cool_down(slot: SlotState, agent: AgentId, family: str, at: Moment) -> SlotState:
    """A released agent may be tried again later, unless the settings say never."""
    days = at.rules.scout.return_days
    if not days:
        return slot
    return replace(slot, cooling=(*slot.cooling, Cooling(agent=agent, family=family, until=Day(at.day + days))))


def without(slot: SlotState, agent: AgentId) -> SlotState:
    """The slot with an agent gone from everywhere but the slot itself; a guard that compares with it ends."""
    guard = None if slot.guard is not None and slot.guard.test.challenger == agent else slot.guard
    return replace(
        slot,
        probations=tuple(p for p in slot.probations if p.challenger != agent),
        pool=tuple(f for f in slot.pool if f.agent != agent),
        bench=tuple(b for b in slot.bench if b.agent != agent),
        cooling=tuple(c for c in slot.cooling if c.agent != agent),
        guard=guard,
    )


def _seated(
    slot: SlotState, agent: AgentId, family: str, state: ManagerState, at: Moment
) -> tuple[SlotState, tuple[Event, ...]]:
    """The tests of the others end, since theirs was another incumbent."""
    epoch = Epoch(state.epoch + 1)
    others = [p for p in slot.probations if p.challenger != agent]
    reason = f"{agent} took the slot: the test against {slot.incumbent} ends"
    slot, returned = return_to_pool(without(slot, agent), others, reason, epoch, at.day)
    level = state.records.get(agent, Record()).detection(at.rules.watch.frauds_min)
    seated = replace(
        slot,
        incumbent=agent,
        family=family,
        since_epoch=epoch,
        since_day=at.today,
        watch=Watch(level=level),
        guard=None,
        pairs={},
        quiet_since=at.day,
        swapped=at.day,
    )
    return seated, returned

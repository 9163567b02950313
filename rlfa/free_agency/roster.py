"""The roster: who plays, who is tried, who waits; a fold over events, whatever wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

import msgspec
from msgspec.structs import replace

from rlfa.free_agency import events as ev
from rlfa.free_agency.learning_events import Learned, LearningHeld
from rlfa.lineup.slots import AgentId, Day, Epoch, SlotId


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Challenger(_Value, frozen=True, kw_only=True):
    """A probation as the ledger shows it."""

    agent: AgentId
    family: str
    stage: str
    since: Day
    bound: float
    log_up: float = 0.0
    frauds: int = 0
    rows: int = 0
    days: int = 0
    share: float = 0.0
    """Of the slot's transactions that it decides on trial."""


class Seat(_Value, frozen=True, kw_only=True):
    """A slot and everybody around it."""

    slot: SlotId
    incumbent: AgentId
    weight: float
    since_epoch: Epoch
    since_day: Day
    standing: str = "ok"
    probations: tuple[Challenger, ...] = ()
    bench: tuple[AgentId, ...] = ()
    guard: AgentId = AgentId("")
    """The benched agent that the incumbent is still compared with."""
    pool: tuple[AgentId, ...] = ()
    training: tuple[str, ...] = ()
    """Open requests."""


class Roster(_Value, frozen=True, kw_only=True):
    """Everybody, as of one entry of the ledger."""

    epoch: Epoch = Epoch(0)
    day: Day | None = None
    seats: tuple[Seat, ...] = ()
    released: tuple[AgentId, ...] = ()
    frozen: bool = False
    """By hand."""
    rules: str = ""
    """Id of the user's rule set; empty: none."""
    versions: dict[AgentId, AgentId] = {}
    """What the agents that have learned since they were signed play as."""
    families: dict[AgentId, str] = {}
    reward: dict[AgentId, float] = {}
    """Discounted, in money per transaction."""


def roster(events: Iterable[ev.Event]) -> Roster:
    """Fold a ledger, or any prefix of it."""
    return reduce(apply, events, Roster())


def apply(before: Roster, event: ev.Event) -> Roster:
    """The roster after one more event."""
    after = replace(before, day=event.day, epoch=event.epoch)
    match event:
        case ev.EpochChanged():
            return replace(after, seats=_seats(before, event), rules=event.rules)
        case ev.CohortTaken():
            return replace(after, reward=event.reward)
        case ev.Frozen() | ev.Unfrozen():
            return replace(after, frozen=isinstance(event, ev.Frozen))
        case Learned() | LearningHeld():
            return replace(after, versions={**before.versions, event.agent: event.version})
        case ev.ReleasedOffline() | ev.Signed():
            return _handed_in(after, event)
        case ev.ReturnedToPool():
            back = replace(after, released=tuple(a for a in after.released if a != event.agent))
            return _with_seat(back, event, lambda s: _pooled(_without(s, event.agent), event.agent))
        case ev.Released() | ev.BenchReleased():
            out = replace(after, released=(*after.released, event.agent))
            return _with_seat(out, event, lambda s: _without(s, event.agent))
        case _:
            return _with_seat(after, event, lambda s: _seat_after(s, event))


def _seat_after(seat: Seat, event: ev.Event) -> Seat:
    """What concerns one slot alone; an event of another kind changes nothing."""
    match event:
        case ev.WatchChanged():
            return replace(seat, standing=event.after)
        case ev.TrainingRequested():
            return replace(seat, training=(*seat.training, event.request))
        case ev.TrainingGivenUp():
            return _without_training(seat, event.request)
        case ev.ProbationStarted():
            return _on_probation(seat, event)
        case ev.TrialStarted():
            return _in_stage(seat, event.agent, "trial", event.share)
        case ev.TrialEnded():
            return _in_stage(seat, event.agent, "shadow", 0.0)
        case ev.EvidenceAdded():
            return _with_evidence(seat, event)
        case ev.Promoted():
            return _promoted(seat, event)
        case ev.Renewed():
            return _promoted(_without_training(seat, event.request), event)
        case ev.GuardStarted():
            return replace(seat, guard=event.bench)
        case ev.RolledBack():
            return _rolled_back(seat, event)
        case _:
            return seat


def _seats(before: Roster, event: ev.EpochChanged) -> tuple[Seat, ...]:
    known = {s.slot: s for s in before.seats}
    return tuple(
        replace(known[slot.id], weight=slot.weight)
        if slot.id in known
        else Seat(
            slot=slot.id,
            incumbent=slot.incumbent,
            weight=slot.weight,
            since_epoch=event.epoch,
            since_day=Day(event.day + 1),
        )
        for slot in event.slots
    )


def _with_seat(roster: Roster, event: ev.Event, change: Callable[[Seat], Seat]) -> Roster:
    return replace(roster, seats=tuple(change(s) if s.slot == event.slot else s for s in roster.seats))


def _handed_in(roster: Roster, event: ev.Signed | ev.ReleasedOffline) -> Roster:
    roster = replace(roster, families={**roster.families, event.agent: event.family})
    roster = _with_seat(roster, event, lambda s: _without_training(s, event.request))
    if isinstance(event, ev.Signed):
        roster = replace(roster, released=tuple(a for a in roster.released if a != event.agent))
        return _with_seat(roster, event, lambda s: _pooled(s, event.agent))
    return replace(roster, released=(*roster.released, event.agent))


def _without_training(seat: Seat, request: str) -> Seat:
    return replace(seat, training=tuple(r for r in seat.training if r != request))


def _pooled(seat: Seat, agent: AgentId) -> Seat:
    return replace(seat, pool=(*seat.pool, agent))


def _without(seat: Seat, agent: AgentId) -> Seat:
    """The seat with an agent gone from its pool, its probations and its bench."""
    return replace(
        seat,
        guard=AgentId("") if seat.guard == agent else seat.guard,
        pool=tuple(a for a in seat.pool if a != agent),
        probations=tuple(p for p in seat.probations if p.agent != agent),
        bench=tuple(a for a in seat.bench if a != agent),
    )


def _on_probation(seat: Seat, event: ev.ProbationStarted) -> Seat:
    challenger = Challenger(
        agent=event.agent,
        family=event.family,
        stage=event.stage,
        since=event.first_full_day,
        bound=event.challengers / event.rules.alpha,
    )
    seat = _without(seat, event.agent)
    return replace(seat, probations=(*seat.probations, challenger))


def _in_stage(seat: Seat, agent: AgentId, stage: str, share: float) -> Seat:
    moved = [replace(c, stage=stage, share=share) if c.agent == agent else c for c in seat.probations]
    return replace(seat, probations=tuple(moved))


def _with_evidence(seat: Seat, event: ev.EvidenceAdded) -> Seat:
    def added(challenger: Challenger) -> Challenger:
        if challenger.agent != event.agent:
            return challenger
        return replace(
            challenger,
            bound=event.bound,
            log_up=event.log_up,
            frauds=event.frauds,
            rows=event.rows,
            days=event.days,
        )

    return replace(seat, probations=tuple(added(c) for c in seat.probations))


def _promoted(seat: Seat, event: ev.Promoted | ev.Renewed) -> Seat:
    seat = _without(seat, event.agent)
    return replace(
        seat,
        incumbent=event.agent,
        since_epoch=event.epoch,
        since_day=event.since,
        standing="ok",
        bench=(*seat.bench, event.replaced),
    )


def _rolled_back(seat: Seat, event: ev.RolledBack) -> Seat:
    return replace(
        _without(seat, event.agent),
        incumbent=event.agent,
        since_epoch=event.epoch,
        since_day=event.since,
        standing="ok",
        guard=AgentId(""),
    )

"""From a vacancy to a probation: order trainings, sign what comes back, start what is signed."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from rlfa.free_agency.events import (
    Event,
    ProbationStarted,
    Released,
    ReleasedOffline,
    ReturnedToPool,
    Signed,
    TrainingGivenUp,
    TrainingRequested,
)
from rlfa.free_agency.moves import delivered, without
from rlfa.free_agency.payoffs import in_flight
from rlfa.free_agency.policies.policy import Move, Situation
from rlfa.free_agency.scouting import Pick, Vacancy
from rlfa.free_agency.state import Candidate, FreeAgent, ManagerState, Probation, Request, SlotState
from rlfa.free_agency.turn import Turn, each_slot
from rlfa.lineup.slots import AgentId, Day, Epoch
from rlfa.trainers.offline_gate import OfflineResult, passes


def sign_candidates(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Take what the trainers handed in: into the pool, or out at the offline gate."""
    known = {f.agent for s in state.slots for f in s.pool} | set(state.lineup.agents)

    def part(slot: SlotState) -> tuple[SlotState, Iterable[Event]]:
        events = list[Event]()
        for candidate in (c for c in turn.candidates if c.slot == slot.id):
            slot = replace(slot, requests=tuple(r for r in slot.requests if r.id != candidate.request))
            slot, event = _sign(slot, candidate, candidate.agent in known, state.epoch, turn)
            known.add(candidate.agent)
            if not isinstance(event, TrainingGivenUp):
                events += delivered(candidate, state.epoch, turn)
            events.append(event)
        return slot, events

    return each_slot(state, part)


def start_probations(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Take the newest free agents from each slot's pool while there is room for challengers."""
    return each_slot(state, lambda slot: _start(slot, state.epoch, turn))


def drop_stale(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Give up trainings that bring nothing, and release free agents that fraud has moved away from."""
    return each_slot(state, lambda slot: _drop_stale(slot, state.epoch, turn))


def order_trainings(
    slot: SlotState, situation: Situation, move: Move, state: ManagerState, turn: Turn
) -> tuple[SlotState, tuple[Event, ...]]:
    """Scout: train the incumbent's genome again and, within the settings' number, others that the scout chooses.

    Args:
        slot: that looks for somebody better.
        situation: that led to it.
        move: of the policy.
        state: that the slot is in.
        turn: of the step.
    """
    vacancy = Vacancy(
        slot=slot.id,
        incumbent=slot.incumbent,
        family=slot.family,
        day=turn.day,
        scoutings=slot.scoutings,
        arms=state.arms,
        in_flight=in_flight(state),
    )
    picks = turn.scout.choose(vacancy, min(1 + move.others, turn.rules.scout.candidates), state.seed)
    requests = tuple(
        Request(id=f"{slot.id}/{turn.day}/{i}", family=p.family, genome_of=p.genome_of, day=turn.day)
        for i, p in enumerate(picks)
    )
    why = move.reason or _why(slot, situation)
    ordered = zip(requests, picks, strict=True)
    events = [_requested(slot, request, pick, why, state.epoch) for request, pick in ordered]
    slot = replace(slot, requests=requests, scoutings=slot.scoutings + 1, quiet_since=turn.day)
    if situation.drifted:
        slot = replace(slot, scouted_early=turn.day)
    slot, returned = _try_again(slot, state, turn.day)
    return slot, (*events, *returned)


def _sign(slot: SlotState, candidate: Candidate, is_known: bool, epoch: Epoch, turn: Turn) -> tuple[SlotState, Event]:
    day, agent, family = turn.day, candidate.agent, candidate.family
    error = candidate.error or ("" if agent else "no agent") or (f"{agent} is there already" if is_known else "")
    if error:
        reason = f"training of {family} failed: {error}"
        return slot, TrainingGivenUp(
            day=day, epoch=epoch, slot=slot.id, reason=reason, request=candidate.request, family=family
        )
    if candidate.offline and not passes(candidate.offline, turn.rules.scout.gate_margin):
        return slot, ReleasedOffline(
            day=day,
            epoch=epoch,
            slot=slot.id,
            agent=agent,
            reason=f"offline gate: {_offline(candidate.offline)}",
            request=candidate.request,
            family=family,
            offline=candidate.offline,
        )
    reason = f"offline gate: {_offline(candidate.offline)}" if candidate.offline else "signed without an offline gate"
    signed = Signed(
        day=day,
        epoch=epoch,
        slot=slot.id,
        agent=agent,
        reason=reason,
        request=candidate.request,
        family=family,
        offline=candidate.offline,
    )
    slot = without(slot, agent)
    return replace(slot, pool=(*slot.pool, FreeAgent(agent=agent, family=family, since=day))), signed


def _offline(result: OfflineResult) -> str:
    return (
        f"loss {result.loss_candidate:.2f} against the incumbent's {result.loss_incumbent:.2f}, caught "
        f"{result.caught_candidate} against {result.caught_incumbent} of {result.frauds} frauds"
    )


def _start(slot: SlotState, epoch: Epoch, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    room = max(turn.rules.scout.challengers_max - len(slot.probations), 0)
    newest = sorted(slot.pool, key=lambda f: (-f.since, slot.pool.index(f)))[:room]
    if not newest:
        return slot, ()
    started = tuple(_probation(f, slot.incumbent, turn) for f in newest)
    everyone = (*slot.probations, *started)
    probations = tuple(replace(p, rivals=max(p.rivals, len(everyone))) for p in everyone)
    events = [
        ProbationStarted(
            day=turn.day,
            epoch=epoch,
            slot=slot.id,
            agent=p.challenger,
            reason=f"{p.challenger} scores in shadow of {slot.incumbent}, from its first full day on",
            family=p.family,
            incumbent=slot.incumbent,
            first_full_day=p.first_full_day,
            stage=p.stage,
            rules=p.rules,
            costs=p.costs,
            chance_min=p.chance_min,
            challengers=len(everyone),
        )
        for p in started
    ]
    return replace(slot, probations=probations, pool=tuple(f for f in slot.pool if f not in newest)), events


def _probation(free: FreeAgent, incumbent: AgentId, turn: Turn) -> Probation:
    return Probation(
        challenger=free.agent,
        family=free.family,
        incumbent=incumbent,
        rules=turn.rules.probation,
        costs=turn.rules.costs,
        chance_min=turn.rules.exploration.propensity_min,
        first_full_day=Day(turn.today + 1),
    )


def _drop_stale(slot: SlotState, epoch: Epoch, turn: Turn) -> tuple[SlotState, Iterable[Event]]:
    day, rules = turn.day, turn.rules.scout
    late = [r for r in slot.requests if day - r.day > rules.training_days_max]
    stale = [f for f in slot.pool if day - f.since > rules.pool_days_max]
    events: list[Event] = [
        TrainingGivenUp(
            day=day,
            epoch=epoch,
            slot=slot.id,
            reason=f"training of {r.family} brought nothing in {day - r.day} days",
            request=r.id,
            family=r.family,
        )
        for r in late
    ]
    events += [
        Released(
            day=day,
            epoch=epoch,
            slot=slot.id,
            agent=f.agent,
            reason=f"{day - f.since} days in the pool, at most {rules.pool_days_max}",
            cause="stale",
        )
        for f in stale
    ]
    kept = tuple(f for f in slot.pool if f not in stale)
    cooling = tuple(c for c in slot.cooling if day - c.until <= rules.pool_days_max)
    slot = replace(slot, cooling=cooling)
    return replace(slot, requests=tuple(r for r in slot.requests if r not in late), pool=kept), events


def _why(slot: SlotState, situation: Situation) -> str:
    """Why a slot looks for somebody better, in words."""
    if situation.standing == "under":
        return f"{slot.incumbent} underperforms"
    if situation.standing == "watch":
        return f"{slot.incumbent} is on watch"
    if situation.drifted:
        return "scores or features have drifted"
    return f"{min(situation.days_quiet, situation.days_held)} days without a probation"


def _try_again(slot: SlotState, state: ManagerState, day: Day) -> tuple[SlotState, tuple[Event, ...]]:
    """Of the agents that have cooled down the one that waits longest goes back to the pool."""
    elsewhere = {f.agent for s in state.slots for f in s.pool} | set(state.lineup.agents)
    cooled = next((c for c in slot.cooling if c.until <= day and c.agent not in elsewhere), None)
    if cooled is None:
        return slot, ()
    free = FreeAgent(agent=cooled.agent, family=cooled.family, since=day)
    back = ReturnedToPool(
        day=day, epoch=state.epoch, slot=slot.id, agent=cooled.agent, reason="it has cooled down and is tried again"
    )
    return replace(without(slot, cooled.agent), pool=(*slot.pool, free)), (back,)


def _requested(slot: SlotState, request: Request, pick: Pick, why: str, epoch: Epoch) -> TrainingRequested:
    what = f"{pick.family} again on the newest window" if pick.genome_of else pick.family
    return TrainingRequested(
        day=request.day,
        epoch=epoch,
        slot=slot.id,
        reason=f"{why}: train {what}",
        request=request.id,
        family=pick.family,
        genome_of=pick.genome_of,
    )

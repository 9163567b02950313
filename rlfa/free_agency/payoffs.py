"""What a step has taught scouting: the uplift of probations that ended, and what failed before them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from rlfa.free_agency.events import Event, EvidenceAdded, ReleasedOffline, TrainingGivenUp
from rlfa.free_agency.scouting import FAILED, Payoff, learn, uplift
from rlfa.free_agency.state import ManagerState, Probation


def take_payoffs(before: ManagerState, after: ManagerState, events: Sequence[Event]) -> ManagerState:
    """The state after a step, with its payoffs in the arms.

    A probation pays when it ends, whatever ended it: the estimate of its gain counts, not the verdict.

    Args:
        before: the step.
        after: the step, its arms those of `before`.
        events: of the step.
    """
    payoffs = [*_failures(events), *_ended(before, after, events)]
    return replace(after, arms=learn(before.arms, payoffs, after.day)) if payoffs else after


def in_flight(state: ManagerState) -> frozenset[str]:
    """Families whose payoff is on its way, in any slot: one training of each at a time."""
    waiting = [s.requests + s.pool + s.probations for s in state.slots]
    return frozenset(x.family for some in waiting for x in some)


def _failures(events: Sequence[Event]) -> Iterator[Payoff]:
    failed = (e for e in events if isinstance(e, ReleasedOffline | TrainingGivenUp))
    return (Payoff(family=e.family, value=FAILED) for e in failed)


def _ended(before: ManagerState, after: ManagerState, events: Sequence[Event]) -> Iterator[Payoff]:
    going_on = {(s.id, p.challenger) for s in after.slots for p in s.probations if p.started is not None}
    newest = {(e.slot, e.agent): e for e in events if isinstance(e, EvidenceAdded)}
    for slot in before.slots:
        for probation in slot.probations:
            key = (slot.id, probation.challenger)
            if key not in going_on and (payoff := _payoff(probation, newest.get(key))):
                yield payoff


def _payoff(probation: Probation, newest: EvidenceAdded | None) -> Payoff | None:
    seen = newest or probation
    found = uplift(seen.gain, seen.weight, seen.frauds, probation.rules.frauds_min)
    return Payoff(family=probation.family, value=found[0], weight=found[1]) if found else None

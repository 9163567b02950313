"""One turn of the manager: the cohort and everything else that its parts look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from rlfa.free_agency.drift import DriftSign
from rlfa.free_agency.events import Event
from rlfa.free_agency.policies.policy import Policy
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.scouting import Scout
from rlfa.free_agency.state import Candidate, ManagerState, SlotState
from rlfa.lineup.slots import AgentId, Day, SlotId
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.scored import ScoredDay
from rlfa.rewards.inefficiency import Footprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something happens, and under which rules.

    Attributes:
        day: the newest cohort taken.
        today: the day that event time has reached; the cohort is older by the label delay.
        rules: of the user.
    """

    day: Day
    today: Day
    rules: FreeAgencyRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Moment):
    """What one step is given besides.

    Attributes:
        cohort: closed and newer than the state; its day is the moment's.
        candidates: handed in since the last step.
        scout: chooses genomes.
        policy: chooses each slot's move.
        drift: what days without labels say of a slot, where they say anything; it removes nobody.
        scored: the newest whole day, long before its labels.
        footprints: latency and memory, of the agents that were measured.
    """

    cohort: Cohort
    candidates: tuple[Candidate, ...]
    scout: Scout
    policy: Policy
    drift: Mapping[SlotId, DriftSign]
    scored: ScoredDay | None = None
    footprints: Mapping[AgentId, Footprint] = field(default_factory=dict)


Part = Callable[[ManagerState, Turn], tuple[ManagerState, tuple[Event, ...]]]
SlotPart = Callable[[SlotState], tuple[SlotState, Iterable[Event]]]


def each_slot(state: ManagerState, part: SlotPart) -> tuple[ManagerState, tuple[Event, ...]]:
    """Apply a part to every slot, in order."""
    results = [part(slot) for slot in state.slots]
    events = tuple(event for _, of_slot in results for event in of_slot)
    return replace(state, slots=tuple(slot for slot, _ in results)), events

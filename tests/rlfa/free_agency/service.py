"""The loop around the manager, without a service: days pass, trainings deliver, agents score by their skill."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlfa.free_agency.events import Event, TrainingRequested
from rlfa.free_agency.manager import in_epoch, initial_state, step
from rlfa.free_agency.policies.policy import Policy
from rlfa.free_agency.renewal import seat_renewal
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import Candidate, ManagerState
from rlfa.free_agency.turn import Moment
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime, Slot, SlotId, day_of
from rlfa.outcomes.cohorts import Cohort
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, drifted, scored

DELAY_DAYS = 1


@dataclass
class Service:
    """The loop around the manager: trainings are done at once, shadows score from the next day on.

    Args:
        rules: of free agency.
        skills: of the first agents, a slot each.
        newcomers: skill of those that are trained.
        missing: share of rows that every agent but the first gives no score for.
        rows: transactions a day.
        silent: agents that give no score at all.
        scout_early: slots that drift asks to scout for.
        policy: that plays; that of the rules where none is given.
        segments: what a slot plays, where that isn't everything.
        silent_today: agents that give no score on the days that have no labels yet.
        loud: agents that alert on everything, on the days that have no labels yet.
    """

    rules: FreeAgencyRules
    skills: dict[str, float]
    newcomers: float = 4.0
    missing: float = 0.0
    rows: int = 60
    silent: set[str] = field(default_factory=set)
    scout_early: set[str] = field(default_factory=set)
    policy: Policy | None = None
    segments: dict[str, str] = field(default_factory=dict)
    silent_today: set[str] = field(default_factory=set)
    loud: set[str] = field(default_factory=set)
    state: ManagerState = field(init=False)
    events: list[Event] = field(init=False)
    candidates: list[Candidate] = field(default_factory=list)
    day: int = FIRST_DAY

    def __post_init__(self) -> None:
        slots = [
            Slot(id=SlotId(f"s{i}"), incumbent=AgentId(a), segment=self.segments.get(f"s{i}", ""))
            for i, a in enumerate(self.skills)
        ]
        families = {s.incumbent: "moe" for s in slots}
        self.state, first = initial_state(slots, families, FIRST_DAY, seed=3)
        self.events = list(first)

    def live(self, days: int = 1, *, seed: int = 0) -> list[Event]:
        """Events of so many more days."""
        fresh: list[Event] = []
        for _ in range(days):
            fresh += self._one_day(seed)
        return fresh

    def _one_day(self, seed: int) -> list[Event]:
        skills = {a: self.skills.get(a, self.newcomers) for a in self.state.lineup.agents}
        day = self._cohort(self.day, skills, seed, self.silent)
        newest = scored(self._cohort(self.day + DELAY_DAYS, skills, seed, self.silent_today), self.loud)
        now = EventTime((self.day + DELAY_DAYS) * DAY_MS)
        scout = SeededScout(("moe", "wide"))
        signs = {SlotId(s): drifted(self.day) for s in self.scout_early}
        self.state, new = step(
            self.state,
            day,
            self.candidates,
            self.rules,
            now,
            scout=scout,
            policy=self.policy,
            drift=signs,
            scored=newest,
        )
        ordered = [e for e in new if isinstance(e, TrainingRequested)]
        self.candidates = [
            Candidate(slot=e.slot, family=e.family, request=e.request, agent=AgentId(f"{e.request}-{e.family}"))
            for e in ordered
        ]
        new += self._seat_renewals(now)
        self.day += 1
        self.events += new
        return list(new)

    def _seat_renewals(self, now: EventTime) -> tuple[Event, ...]:
        """At once, as the front office does; the other candidates wait for the next step."""
        at = Moment(day=self.state.day, today=day_of(now), rules=self.rules)
        events, waiting = tuple[Event, ...](), list[Candidate]()
        for candidate in self.candidates:
            self.state, seated = in_epoch(self.state, *seat_renewal(self.state, candidate, at), at)
            events += seated
            waiting += [] if seated else [candidate]
        self.candidates = waiting
        return events

    def _cohort(self, day: int, skills: dict[str, float], seed: int, silent: set[str]) -> Cohort:
        segments = self.state.segments
        return cohort(day, skills, seed=seed, missing=self.missing, rows=self.rows, silent=silent, segments=segments)

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [e for e in self.events if isinstance(e, kinds)]

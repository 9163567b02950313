"""Scouting, gate, probation and swap together: the slot ends with the genome that suits the world, and again when the
world has changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlfa.free_agency.events import Promoted, TrainingRequested
from rlfa.free_agency.manager import initial_state, step
from rlfa.free_agency.rules import ScoutRules
from rlfa.free_agency.scouting import BanditScout
from rlfa.free_agency.state import Candidate, ManagerState
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime, Slot, SlotId
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, rules

FAMILIES = ("moe", "deep", "wide", "periodic")
CHANGE = FIRST_DAY + 100
SEEDS = range(8)


@dataclass
class World:
    """One slot. `deep` sees frauds until the change and `wide` after it; all others see few of them at any time."""

    seed: int
    state: ManagerState = field(init=False)
    candidates: list[Candidate] = field(default_factory=list)
    promoted: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        slot = Slot(id=SlotId("s"), incumbent=AgentId("first-moe"))
        self.state, _ = initial_state([slot], {slot.incumbent: "moe"}, FIRST_DAY, seed=self.seed)

    def live(self, last_day: int) -> str:
        """Until a day is over; the family that then holds the slot."""
        scout = BanditScout(FAMILIES)
        under = rules(scout=ScoutRules(cooldown_days=1, review_days=3))
        for day in range(self.state.day + 1, last_day):
            skills = {a: 5.0 if a.endswith(best_on(day)) else 1.5 for a in self.state.lineup.agents}
            seen = cohort(day, skills, seed=self.seed, rows=50, frauds=6)
            now = EventTime((day + 1) * DAY_MS)
            self.state, events = step(self.state, seen, self.candidates, under, now, scout=scout)
            ordered = [e for e in events if isinstance(e, TrainingRequested)]
            self.promoted += [(day, e.agent) for e in events if isinstance(e, Promoted)]
            self.candidates = [
                Candidate(slot=e.slot, family=e.family, request=e.request, agent=AgentId(f"{e.request}-{e.family}"))
                for e in ordered
            ]
        return self.state.slots[0].family


def best_on(day: int) -> str:
    return "deep" if day < CHANGE else "wide"


def test_slot_ends_with_the_better_genome_and_again_after_the_world_changes() -> None:
    """A slot that kept its first genome would never get there, one that swapped by chance in a quarter of worlds."""
    worlds = [World(seed) for seed in SEEDS]
    before = [w.live(CHANGE) for w in worlds]
    after = [w.live(CHANGE + 100) for w in worlds]
    assert before.count("deep") >= 6
    assert after.count("wide") >= 7
    learnt = [w.state.arms["wide"].mean > w.state.arms["deep"].at(w.state.arms["wide"].day).mean for w in worlds]
    assert sum(learnt) >= 6
    found = [next(day for day, agent in w.promoted if day >= CHANGE and "wide" in agent) for w in worlds]
    assert sorted(found)[len(found) // 2] <= CHANGE + 50

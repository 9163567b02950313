"""Whatever happens, in whatever order: days, strikes of bad luck, people, restarts. What must hold always holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rlfa.free_agency.events import Event, EvidenceAdded, GuardAdded, Promoted, RolledBack, TrainingRequested
from rlfa.free_agency.manager import initial_state, step
from rlfa.free_agency.manual import Command, obey
from rlfa.free_agency.roster import Roster, apply
from rlfa.free_agency.rules import GuardRules, ScoutRules, SwapLimits
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import Candidate, ManagerState, decode_state, encode_state
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime, Slot, SlotId
from rlfa.outcomes.cohorts import Cohort
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, rules

RULES = rules(
    guard=GuardRules(false_alarm_days=10),
    swaps=SwapLimits(days_between=1, bench_days=6),
    scout=ScoutRules(cooldown_days=1, training_days_max=3, pool_days_max=5, return_days=2, review_days=6),
)
SLOTS = tuple(Slot(id=SlotId(s), incumbent=AgentId(a)) for s, a in (("s0", "a"), ("s1", "b")))
VERBS = st.sampled_from(["sign", "cut", "promote", "rollback", "freeze", "unfreeze"])
SKILLS = st.sampled_from([0.0, 0.0, 4.0, 6.0])


def shuffled(day: Cohort, seed: int) -> Cohort:
    """The same rows in another order."""
    order = np.random.default_rng(seed).permutation(len(day))
    return Cohort(
        day=day.day,
        tx_hash=day.tx_hash[order],
        event_time=day.event_time[order],
        amount=day.amount[order],
        fraud=day.fraud[order],
        entities={n: e[order] for n, e in day.entities.items()},
        logits={a: x[order] for a, x in day.logits.items()},
        score=day.score[order],
        stopped=day.stopped[order],
    )


class FreeAgency(RuleBasedStateMachine):
    """A manager, and its twin that gets the same evidence in other batches and is restarted at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.state, first = initial_state(SLOTS, {s.incumbent: "moe" for s in SLOTS}, FIRST_DAY, seed=3)
        self.twin = self.state
        self.events: list[Event] = []
        self.roster = Roster()
        self.day = int(FIRST_DAY)
        self.skills: dict[str, float] = {"a": 4.0, "b": 3.0}
        self.candidates: list[Candidate] = []
        self.signed = 0
        self.keep(first)

    @rule(seed=st.integers(0, 9), missing=st.sampled_from([0.0] * 9 + [0.3]), lost=st.booleans())
    def a_day_closes(self, seed: int, missing: float, lost: bool) -> None:
        agents = self.state.lineup.agents
        day = cohort(self.day, {a: self.skills.get(a, 4.0) for a in agents}, seed=seed, missing=missing)
        candidates = [] if lost else self.candidates
        after, events = self.taken(self.state, day, candidates)
        twin, again = self.taken(decode_state(encode_state(self.twin)), shuffled(day, seed), candidates)
        assert again == events
        assert self.taken(twin, day, candidates) == (twin, ())
        self.state, self.twin = after, twin
        self.candidates = [
            Candidate(slot=e.slot, family=e.family, request=e.request, agent=AgentId(f"{e.request}-{e.family}"))
            for e in events
            if isinstance(e, TrainingRequested)
        ]
        self.day += 1
        self.keep(events)

    @rule(days=st.integers(3, 8), seed=st.integers(0, 9))
    def days_pass(self, days: int, seed: int) -> None:
        for _ in range(days):
            self.a_day_closes(seed, 0.0, lost=False)

    @rule(skill=SKILLS, which=st.integers(0, 1))
    def an_incumbent_changes(self, skill: float, which: int) -> None:
        self.skills[self.state.slots[which].incumbent] = skill

    @rule(skill=SKILLS)
    @precondition(lambda self: self.state.lineup.shadows)
    def a_shadow_changes(self, skill: float) -> None:
        self.skills[self.state.lineup.shadows[0].agent] = skill

    @rule(verb=VERBS, slot=st.sampled_from(["s0", "s1"]), pick=st.integers(0, 20))
    def somebody_steps_in(self, verb: str, slot: str, pick: int) -> None:
        known = [*self.state.lineup.agents, *(f.agent for s in self.state.slots for f in s.pool)]
        agent = f"signed-{self.signed}" if verb == "sign" else known[pick % len(known)]
        if verb == "sign" and pick % 2 and self.roster.released:
            agent = self.roster.released[pick % len(self.roster.released)]
        self.signed += verb == "sign"
        command = Command(
            id=1, verb=verb, by="ada", why="because", slot=SlotId(slot), agent=AgentId(agent), family="wide"
        )
        now = EventTime(self.day * DAY_MS)
        self.state, events = obey(self.state, command, RULES, now)
        self.twin, again = obey(decode_state(encode_state(self.twin)), command, RULES, now)
        assert again == events
        self.keep(events)

    @staticmethod
    def taken(
        state: ManagerState, day: Cohort, candidates: Sequence[Candidate]
    ) -> tuple[ManagerState, tuple[Event, ...]]:
        now = EventTime((day.day + 1) * DAY_MS)
        return step(state, day, candidates, RULES, now, scout=SeededScout(("moe", "wide")))

    def keep(self, events: Sequence[Event]) -> None:
        """Every prefix folds to a roster in which each slot has one incumbent and nobody is in two places."""
        for event in events:
            epoch = self.roster.epoch
            self.roster = apply(self.roster, event)
            self.events.append(event)
            assert self.roster.epoch >= epoch
            assert [s.slot for s in self.roster.seats] == ["s0", "s1"]
            incumbents = [s.incumbent for s in self.roster.seats]
            others = [a for s in self.roster.seats for a in (*s.bench, *s.pool, *(t.agent for t in s.probations))]
            assert len({*incumbents, *others}) == len(incumbents) + len(others)
            assert not {*incumbents, *others} & set(self.roster.released)
            self.has_its_evidence(event)

    def has_its_evidence(self, event: Event) -> None:
        """Nobody gets a slot without evidence in the ledger, or a name and a reason."""
        before = self.events[:-1]
        match event:
            case Promoted() if event.by:
                assert event.reason.startswith("because; evidence so far: ")
            case Promoted():
                newest = [e for e in before if isinstance(e, EvidenceAdded) and e.agent == event.agent][-1]
                assert (newest.day, newest.log_up) == (event.day, event.log_up)
                assert event.log_up >= math.log(event.bound)
                assert event.frauds >= RULES.probation.frauds_min
            case RolledBack(cause="guard"):
                alarm = [e for e in before if isinstance(e, GuardAdded) and e.agent == event.replaced][-1]
                assert alarm.log_sr >= math.log(RULES.guard.false_alarm_days)
            case RolledBack(cause="hand" | "cut"):
                assert event.by == "ada"
            case _:
                assert event.reason

    @invariant()
    def the_fold_of_the_ledger_agrees_with_the_state(self) -> None:
        assert (self.roster.epoch, self.roster.frozen) == (self.state.epoch, self.state.frozen)
        for seat, slot in zip(self.roster.seats, self.state.slots, strict=True):
            guard = slot.guard.test.challenger if slot.guard else ""
            mine = (slot.incumbent, slot.since_epoch, slot.watch.standing, guard)
            assert (seat.incumbent, seat.since_epoch, seat.standing, seat.guard) == mine
            assert seat.bench == tuple(b.agent for b in slot.bench)
            assert sorted(seat.pool) == sorted(f.agent for f in slot.pool)
            assert [t.agent for t in seat.probations] == [p.challenger for p in slot.probations]

    @invariant()
    def a_twin_with_other_batches_and_restarts_is_where_the_manager_is(self) -> None:
        assert self.twin.lineup == self.state.lineup
        assert [s.probations for s in self.twin.slots] == [s.probations for s in self.state.slots]
        assert [s.guard for s in self.twin.slots] == [s.guard for s in self.state.slots]


FreeAgency.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestFreeAgency = FreeAgency.TestCase

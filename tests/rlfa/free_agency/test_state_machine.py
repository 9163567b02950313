"""Whatever happens, in whatever order: days, strikes of bad luck, people, restarts. What must hold always holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rlfa.free_agency.events import (
    EpochChanged,
    Event,
    EvidenceAdded,
    GuardAdded,
    LimitBroken,
    Promoted,
    Released,
    RolledBack,
    TrainingRequested,
    TrialStarted,
)
from rlfa.free_agency.learning import due, take_lesson
from rlfa.free_agency.limits import watched_in
from rlfa.free_agency.manager import in_epoch, initial_state, step
from rlfa.free_agency.manual import Command, obey
from rlfa.free_agency.roster import Roster, apply
from rlfa.free_agency.rules import GuardRules, ScoutRules, SwapLimits, TrialRules
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import Candidate, LessonResult, ManagerState, decode_state, encode_state
from rlfa.free_agency.turn import Moment
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime, Slot, SlotId
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.scored import ScoredDay
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, rules, scored, shuffled

RULES = rules(
    guard=GuardRules(false_alarm_days=10, alerts_min=5),
    trial=TrialRules(share=0.2, alpha=0.8, frauds_min=3, days_min=1),
    swaps=SwapLimits(days_between=1, bench_days=6),
    scout=ScoutRules(cooldown_days=1, training_days_max=3, pool_days_max=5, return_days=2, review_days=6),
)
SLOTS = (
    Slot(id=SlotId("s0"), incumbent=AgentId("a")),
    Slot(id=SlotId("s1"), incumbent=AgentId("b"), segment="amount > 30"),
)
SEGMENTS = tuple(s.segment for s in SLOTS if s.segment)
VERBS = st.sampled_from(["sign", "cut", "promote", "rollback", "freeze", "unfreeze", "hold", "restore", "learn"])
UNFIT = st.sampled_from(["", "", "loud", "silent"])
SKILLS = st.sampled_from([0.0, 0.0, 4.0, 6.0])


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

    @rule(
        seed=st.integers(0, 9),
        missing=st.sampled_from([0.0] * 9 + [0.3]),
        lost=st.booleans(),
        unfit=UNFIT,
    )
    def a_day_closes(self, seed: int, missing: float, lost: bool, unfit: str) -> None:
        skills = {a: self.skills.get(a, 4.0) for a in self.state.lineup.agents}
        day = cohort(self.day, skills, seed=seed, missing=missing, segments=SEGMENTS)
        newcomers = {w.newcomer for s in self.state.slots for w in watched_in(s)} if unfit else set()
        silent = newcomers if unfit == "silent" else set()
        newest = cohort(self.day + 1, skills, seed=seed, silent=silent, segments=SEGMENTS)
        loud = newcomers if unfit == "loud" else set()
        candidates = [] if lost else self.candidates
        after, events = self.taken(self.state, day, candidates, scored(newest, loud))
        twin = decode_state(encode_state(self.twin))
        twin, again = self.taken(twin, shuffled(day, seed), candidates, scored(shuffled(newest, seed), loud))
        assert again == events
        assert self.taken(twin, day, candidates, scored(newest, loud)) == (twin, ())
        self.changes_who_decides_only_in_a_new_epoch(after)
        self.state, self.twin = after, twin
        self.candidates = [
            Candidate(slot=e.slot, family=e.family, request=e.request, agent=AgentId(f"{e.request}-{e.family}"))
            for e in events
            if isinstance(e, TrainingRequested)
        ]
        self.day += 1
        self.keep(events)

    @rule(days=st.integers(3, 8), seed=st.integers(0, 9), unfit=UNFIT)
    def days_pass(self, days: int, seed: int, unfit: str) -> None:
        for i in range(days):
            self.a_day_closes(seed, 0.0, lost=False, unfit=unfit if i > 2 else "")

    @rule(skill=SKILLS, which=st.integers(0, 1))
    def an_incumbent_changes(self, skill: float, which: int) -> None:
        self.skills[self.state.slots[which].incumbent] = skill

    @rule(skill=SKILLS)
    @precondition(lambda self: self.state.lineup.shadows)
    def a_shadow_changes(self, skill: float) -> None:
        self.skills[self.state.lineup.shadows[0].agent] = skill

    @rule(skill=SKILLS)
    @precondition(lambda self: self.state.lineup.trials)
    def a_challenger_on_trial_changes(self, skill: float) -> None:
        self.skills[self.state.lineup.trials[0].agent] = skill

    @rule(verb=VERBS, slot=st.sampled_from(["s0", "s1"]), pick=st.integers(0, 20))
    def somebody_steps_in(self, verb: str, slot: str, pick: int) -> None:
        known = [*self.state.lineup.agents, *(f.agent for s in self.state.slots for f in s.pool)]
        agent = f"signed-{self.signed}" if verb == "sign" else known[pick % len(known)]
        if verb == "sign" and pick % 2 and self.roster.released:
            agent = self.roster.released[pick % len(self.roster.released)]
        self.signed += verb == "sign"
        learned = Day(self.state.day - pick % 3) if verb == "sign" and pick % 3 else None
        versions = [v.id for learner in self.state.learners.values() for v in learner.versions]
        if verb == "restore" and versions:
            agent = versions[pick % len(versions)]
        command = Command(
            id=1,
            verb=verb,
            by="ada",
            why="because",
            slot=SlotId(slot),
            agent=AgentId(agent),
            family="wide",
            learned_through=learned,
        )
        now = EventTime(self.day * DAY_MS)
        after, events = obey(self.state, command, RULES, now)
        self.changes_who_decides_only_in_a_new_epoch(after)
        self.state = after
        self.twin, again = obey(decode_state(encode_state(self.twin)), command, RULES, now)
        assert again == events
        self.keep(events)

    @rule(fails=st.booleans(), late=st.booleans())
    @precondition(lambda self: due(self.state, RULES))
    def a_lesson_comes_back(self, fails: bool, late: bool) -> None:
        agent = due(self.state, RULES)[0]
        learner = self.state.learners[agent]
        made = {"error": "no memory"} if fails else {"version": f"{agent}-{learner.lessons + 2}"}
        through = self.state.day
        if late:
            self.a_day_closes(0, 0.0, lost=False, unfit="")
        result = LessonResult(agent=agent, base=learner.plays.id, through=through, **made)
        at = Moment(day=self.state.day, today=Day(self.day), rules=RULES)
        after, events = in_epoch(self.state, *take_lesson(self.state, result, at), at)
        twin = decode_state(encode_state(self.twin))
        self.twin, again = in_epoch(twin, *take_lesson(twin, result, at), at)
        assert again == events
        self.changes_who_decides_only_in_a_new_epoch(after)
        self.state = after
        self.keep(events)

    @staticmethod
    def taken(
        state: ManagerState, day: Cohort, candidates: Sequence[Candidate], newest: ScoredDay
    ) -> tuple[ManagerState, tuple[Event, ...]]:
        now = EventTime((day.day + 1) * DAY_MS)
        return step(state, day, candidates, RULES, now, scout=SeededScout(("moe", "wide")), scored=newest)

    def changes_who_decides_only_in_a_new_epoch(self, after: ManagerState) -> None:
        assert after.epoch >= self.state.epoch
        if after.deciding != self.state.deciding:
            assert after.epoch > self.state.epoch

    def keep(self, events: Sequence[Event]) -> None:
        """Every prefix folds to a roster in which each slot has one incumbent and nobody is in two places."""
        for event in events:
            epoch = self.roster.epoch
            self.roster = apply(self.roster, event)
            self.events.append(event)
            assert self.roster.epoch >= epoch
            assert [s.slot for s in self.roster.seats] == ["s0", "s1"]
            incumbents = [s.incumbent for s in self.roster.seats]
            others = [a for s in self.roster.seats for a in (*s.bench, *s.pool, *(c.agent for c in s.probations))]
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
                began = [e for e in before if isinstance(e, TrialStarted) and e.agent == event.agent][-1]
                assert event.since - began.since >= RULES.trial.days_min
            case TrialStarted():
                newest = [e for e in before if isinstance(e, EvidenceAdded) and e.agent == event.agent][-1]
                assert (newest.day, newest.log_up) == (event.day, event.log_up)
                assert event.log_up >= math.log(event.bound)
            case RolledBack(cause="missing" | "alerts") | Released(cause="missing" | "alerts"):
                out = event.replaced if isinstance(event, RolledBack) else event.agent
                limit = [e for e in before if isinstance(e, LimitBroken) and e.agent == out][-1]
                assert (limit.day, limit.cause) == (event.day, event.cause)
                most = RULES.guard.alert_rate_max * limit.alerts_against
                assert limit.missing > 0.01 * limit.rows if event.cause == "missing" else limit.alerts > most
            case RolledBack(cause="guard"):
                alarm = [e for e in before if isinstance(e, GuardAdded) and e.agent == event.replaced][-1]
                assert alarm.log_sr >= math.log(RULES.guard.false_alarm_days)
            case RolledBack(cause="hand" | "cut"):
                assert event.by == "ada"
            case _:
                assert event.reason

    @invariant()
    def nobody_has_learned_a_cohort_that_was_not_taken(self) -> None:
        for learner in self.state.learners.values():
            assert learner.reached <= self.state.day
            assert learner.versions[-1] == learner.plays

    @invariant()
    def the_fold_of_the_ledger_agrees_with_the_state(self) -> None:
        assert self.roster.versions == {a: self.state.version_of(a) for a in self.roster.versions}
        assert {p.agent for p in self.state.lineup.versions} <= set(self.roster.versions)
        assert (self.roster.epoch, self.roster.frozen) == (self.state.epoch, self.state.frozen)
        for seat, slot in zip(self.roster.seats, self.state.slots, strict=True):
            guard = slot.guard.test.challenger if slot.guard else ""
            mine = (slot.incumbent, slot.since_epoch, slot.watch.standing, guard)
            assert (seat.incumbent, seat.since_epoch, seat.standing, seat.guard) == mine
            assert seat.bench == tuple(b.agent for b in slot.bench)
            assert sorted(seat.pool) == sorted(f.agent for f in slot.pool)
            stages = [(p.challenger, p.stage, p.share) for p in slot.probations]
            assert [(c.agent, c.stage, c.share) for c in seat.probations] == stages

    @invariant()
    def the_newest_epoch_in_the_ledger_says_who_decides(self) -> None:
        newest = [e for e in self.events if isinstance(e, EpochChanged)][-1].lineup
        lineup = self.state.lineup
        assert (newest.epoch, newest.slots, newest.trials) == (lineup.epoch, lineup.slots, lineup.trials)

    @invariant()
    def a_twin_with_other_batches_and_restarts_is_where_the_manager_is(self) -> None:
        assert self.twin.lineup == self.state.lineup
        assert [s.probations for s in self.twin.slots] == [s.probations for s in self.state.slots]
        assert [s.guard for s in self.twin.slots] == [s.guard for s in self.state.slots]


FreeAgency.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestFreeAgency = FreeAgency.TestCase

"""Agents that learn as cohorts close: only closed ones, one version after another, and back again by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rlfa.free_agency.events import EpochChanged, Event, EvidenceAdded
from rlfa.free_agency.learning import due, newest_before, take_lesson
from rlfa.free_agency.learning_events import Learned, LearningHeld, LessonFailed
from rlfa.free_agency.manager import in_epoch
from rlfa.free_agency.manual import Command, Verb, obey
from rlfa.free_agency.roster import roster
from rlfa.free_agency.rules import LearningRules, RenewalRules, SwapLimits
from rlfa.free_agency.state import LessonResult, decode_state, encode_state
from rlfa.free_agency.turn import Moment
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime, SlotId
from tests.rlfa.free_agency.builders import rules
from tests.rlfa.free_agency.service import Service

PUPIL = AgentId("pupil")


def ask(service: Service, verb: Verb, agent: str, **more: object) -> tuple[Event, ...]:
    asked = Command(id=1, verb=verb, by="ada", why="because", slot=SlotId("s0"), agent=AgentId(agent), family="river")
    service.state, events = obey(service.state, replace(asked, **more), service.rules, _now(service))
    service.events += events
    return events


def with_pupil(*, holds_slot: bool = False, **changes: object) -> Service:
    """An agent that learns, on probation or in the slot; it has learned up to the day before the newest cohort."""
    service = Service(rules(**changes), {"old": 4.0})
    service.live(3)
    ask(service, "sign", PUPIL, learned_through=Day(service.state.day - 1))
    if holds_slot:
        ask(service, "promote", PUPIL)
    service.live(1)
    return service


def lesson(service: Service, version: str = "", **more: object) -> LessonResult:
    learner = service.state.learners[PUPIL]
    made = version or f"pupil-{learner.lessons + 2}"
    result = LessonResult(
        agent=PUPIL, base=learner.plays.id, through=service.state.day, version=AgentId(made), checksum="c0", rows=60
    )
    return replace(result, **more)


def hand_in(service: Service, result: LessonResult) -> tuple[Event, ...]:
    at = Moment(day=service.state.day, today=Day(service.day), rules=service.rules)
    service.state, events = in_epoch(service.state, *take_lesson(service.state, result, at), at)
    service.events += events
    return events


def test_an_agent_is_due_for_cohorts_that_were_taken_and_for_no_newer_ones() -> None:
    service = with_pupil()
    assert due(service.state, service.rules) == (PUPIL,)
    hand_in(service, lesson(service))
    assert due(service.state, service.rules) == ()
    service.live(1)
    assert due(service.state, service.rules) == (PUPIL,)
    assert due(decode_state(encode_state(service.state)), service.rules) == (PUPIL,), "after a restart as well"


def test_cohorts_are_saved_up_where_the_settings_say_so() -> None:
    service = with_pupil(learning=LearningRules(every_days=3))
    assert due(service.state, service.rules) == ()
    service.live(1)
    assert due(service.state, service.rules) == (PUPIL,)


def test_one_in_the_pool_or_in_a_freeze_learns_nothing() -> None:
    service = Service(rules(), {"old": 4.0})
    service.live(3)
    ask(service, "sign", PUPIL, learned_through=Day(service.state.day - 1))
    assert due(service.state, service.rules) == ()
    frozen = with_pupil(swaps=SwapLimits(freeze=True))
    assert due(frozen.state, frozen.rules) == ()
    assert hand_in(frozen, lesson(frozen)) == ()


def test_a_version_of_who_decides_is_an_epoch_that_names_it_and_one_of_a_shadow_is_not() -> None:
    deciding = with_pupil(holds_slot=True)
    before = deciding.state.epoch
    learned, changed = hand_in(deciding, lesson(deciding, "second"))
    assert isinstance(learned, Learned)
    assert isinstance(changed, EpochChanged)
    assert (learned.before, learned.version, learned.number, learned.checksum) == (PUPIL, "second", 2, "c0")
    assert learned.epoch == changed.epoch == before + 1
    assert changed.lineup.version_of(PUPIL) == "second"
    assert changed.lineup.scorers[0] == "second"
    assert changed.lineup.agents[0] == PUPIL
    watching = with_pupil()
    (learned,) = hand_in(watching, lesson(watching, "second"))
    assert watching.state.epoch == before - 1
    assert watching.state.lineup.version_of(PUPIL) == "second"
    assert roster(watching.events).versions == {PUPIL: "second"}


def test_a_probation_goes_on_through_versions() -> None:
    service = with_pupil()
    for _ in range(4):
        hand_in(service, lesson(service))
        service.live(1)
    evidence = [e.days for e in service.of(EvidenceAdded) if isinstance(e, EvidenceAdded)]
    assert evidence == sorted(set(evidence))
    assert len(evidence) >= 3
    assert service.state.learners[PUPIL].plays.number == 5


def test_a_lesson_that_failed_leaves_the_version_and_waits_for_the_next_cohort() -> None:
    service = with_pupil()
    (failed,) = hand_in(service, lesson(service, error="no memory"))
    assert isinstance(failed, LessonFailed)
    assert failed.reason.endswith("no memory")
    assert service.state.lineup.version_of(PUPIL) == PUPIL
    assert due(service.state, service.rules) == ()
    service.live(1)
    assert due(service.state, service.rules) == (PUPIL,)


def test_a_lesson_that_comes_too_late_changes_nothing() -> None:
    service = with_pupil()
    late = lesson(service)
    hand_in(service, late)
    assert hand_in(service, late) == (), "of a version that it isn't any more"
    service.live(1)
    ask(service, "hold", PUPIL)
    assert hand_in(service, lesson(service)) == (), "held meanwhile"
    ask(service, "learn", PUPIL)
    ask(service, "cut", PUPIL)
    assert hand_in(service, lesson(service)) == (), "out"


def test_a_person_takes_it_back_to_an_earlier_version_and_lets_it_learn_again() -> None:
    service = with_pupil(holds_slot=True)
    for _ in range(2):
        hand_in(service, lesson(service))
        service.live(1)
    epoch = service.state.epoch
    held, _ = ask(service, "restore", "pupil-2")
    assert isinstance(held, LearningHeld)
    assert (held.agent, held.version, held.before, held.by) == (PUPIL, "pupil-2", "pupil-3", "ada")
    assert service.state.epoch == epoch + 1
    assert due(service.state, service.rules) == ()
    ask(service, "learn", PUPIL)
    assert due(service.state, service.rules) == (PUPIL,)
    hand_in(service, lesson(service))
    learner = service.state.learners[PUPIL]
    assert [v.number for v in learner.versions] == [1, 2, 4], "a number isn't given twice"
    assert roster(service.events).versions == {PUPIL: "pupil-4"}


@pytest.mark.parametrize(
    ("verb", "agent", "reason"),
    [
        ("hold", "old", "'old' is no agent that learns"),
        ("learn", "old", "'old' is no agent that learns"),
        ("learn", PUPIL, "pupil learns already"),
        ("restore", "other", "'other' is no version of an agent that learns"),
        ("restore", PUPIL, "pupil plays as pupil already"),
    ],
)
def test_what_cannot_be_done_is_refused(verb: Verb, agent: str, reason: str) -> None:
    service = with_pupil()
    (refused,) = ask(service, verb, agent)
    assert refused.reason == f"{verb} refused: {reason}"


def test_it_is_judged_as_it_was_before_the_days_that_a_candidate_has_not_learned_either() -> None:
    service = with_pupil()
    for _ in range(3):
        hand_in(service, lesson(service))
        service.live(1)
    learner = service.state.learners[PUPIL]
    newest = learner.plays
    assert newest_before(learner, Day(newest.through + 1)) == newest
    assert newest_before(learner, newest.through).through == newest.through - 1
    assert newest_before(learner, Day(0)) == newest


def test_a_slot_whose_incumbent_learns_is_not_renewed() -> None:
    service = with_pupil(holds_slot=True, renewal=RenewalRules(every_days=2))
    assert not [e for e in service.live(5) if getattr(e, "request", "").endswith("/renewal")]


def _now(service: Service) -> EventTime:
    return EventTime(service.day * DAY_MS)

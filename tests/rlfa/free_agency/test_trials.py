"""Between shadow and slot a challenger decides a small share, while its test goes on."""

from __future__ import annotations

import math

import pytest

from rlfa.free_agency.events import (
    EpochChanged,
    EvidenceAdded,
    Promoted,
    PromotionHeld,
    Released,
    ReturnedToPool,
    TrialEnded,
    TrialStarted,
)
from rlfa.free_agency.manual import Command, Verb, obey
from rlfa.free_agency.roster import roster
from rlfa.free_agency.rules import ProbationRules, ScoutRules, SwapLimits, TrialRules
from rlfa.free_agency.state import decode_state, encode_state
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime, SlotId
from tests.rlfa.free_agency.builders import rules
from tests.rlfa.free_agency.service import Service

TRIAL = TrialRules(share=0.1, alpha=0.5, frauds_min=3, days_min=2)
ALONE = ScoutRules(candidates=1, challengers_max=1, cooldown_days=1, training_days_max=3, pool_days_max=5)
FROZEN = SwapLimits(days_between=1, bench_days=2, freeze=True)


def faded(**changes: object) -> Service:
    """A slot whose incumbent fades, and whose rules know a trial."""
    service = Service(rules(**{"trial": TRIAL, "scout": ALONE, **changes}), {"old": 4.0})
    service.live(8)
    service.skills["old"] = 1.0
    return service


def until(service: Service, kind: type, days: int = 30) -> Service:
    for _ in range(days):
        if service.of(kind):
            return service
        service.live()
    raise AssertionError(f"no {kind.__name__} in {days} days")


def by_hand(service: Service, verb: Verb, agent: str = "") -> None:
    command = Command(id=1, verb=verb, by="ada", why="because", slot=SlotId("s0"), agent=AgentId(agent))
    service.state, new = obey(service.state, command, service.rules, EventTime(service.day * DAY_MS))
    service.events += new


def test_a_challenger_goes_from_shadow_through_a_trial_into_the_slot() -> None:
    service = until(faded(), Promoted)
    (began,), (promoted,) = service.of(TrialStarted), service.of(Promoted)
    assert began.agent == promoted.agent
    assert isinstance(began, TrialStarted)
    assert isinstance(promoted, Promoted)
    assert began.log_up >= math.log(began.bound)
    assert began.bound < promoted.bound
    assert promoted.since - began.since >= TRIAL.days_min
    assert "it decides 10.00% of s0: e-value" in began.reason


def test_a_trials_start_and_its_end_are_epochs() -> None:
    service = until(faded(), Promoted)
    start, end = service.of(EpochChanged)[1:3]
    (began,) = service.of(TrialStarted)
    assert isinstance(start, EpochChanged)
    assert isinstance(end, EpochChanged)
    assert (start.epoch, end.epoch) == (2, 3)
    assert [(t.slot, t.agent, t.share) for t in start.trials] == [("s0", began.agent, 0.1)]
    assert start.lineup.incumbents == ("old",)
    assert began.agent not in {s.agent for s in start.shadows}
    assert f"s0 {began.agent} on trial for 10.00%" in start.reason
    assert end.trials == ()


def test_the_evidence_of_shadow_and_trial_is_one_test() -> None:
    tried, plain = until(faded(), Promoted), until(faded(trial=TrialRules()), Promoted)
    (promoted,) = tried.of(Promoted)
    e_values = {
        name: [(e.day, e.log_up) for e in s.of(EvidenceAdded) if e.agent == promoted.agent]
        for name, s in (("tried", tried), ("plain", plain))
    }
    assert e_values["tried"][: len(e_values["plain"])] == e_values["plain"]
    assert len(e_values["tried"]) > len(e_values["plain"])


def test_without_a_share_there_is_no_trial() -> None:
    service = until(faded(trial=TrialRules(share=0.0, alpha=0.9, frauds_min=1)), Promoted)
    assert not service.of(TrialStarted)
    assert all(not e.trials for e in service.of(EpochChanged))


def test_a_challenger_with_its_evidence_waits_for_its_days_on_trial_and_the_ledger_says_so() -> None:
    service = until(faded(trial=TrialRules(share=0.1, alpha=0.5, frauds_min=3, days_min=9)), Promoted, days=40)
    (promoted,) = service.of(Promoted)
    held = [e for e in service.of(PromotionHeld) if e.agent == promoted.agent]
    assert held
    assert all("days on trial, at least 9" in e.reason or "it goes on trial first" in e.reason for e in held)


def test_a_challenger_that_turns_out_no_better_is_released_from_its_trial_in_a_new_epoch() -> None:
    service = until(faded(trial=TrialRules(share=0.1, alpha=0.9, frauds_min=3, days_min=60)), TrialStarted)
    (began,) = service.of(TrialStarted)
    service.skills[began.agent] = 0.0
    service.skills["old"] = 4.0
    until(service, Released, days=40)
    released = next(e for e in service.of(Released) if e.agent == began.agent)
    assert released.cause in {"worse", "futile", "limit"}
    assert service.of(EpochChanged)[-1].epoch == released.epoch == began.epoch + 1
    assert service.state.lineup.trials == ()


def test_two_challengers_may_be_on_trial_at_once_and_only_one_is_promoted() -> None:
    both = ScoutRules(candidates=2, challengers_max=2, cooldown_days=1, training_days_max=3, pool_days_max=9)
    service = until(faded(scout=both, trial=TrialRules(share=0.1, alpha=0.8, frauds_min=3, days_min=6)), Promoted)
    assert max(len(e.trials) for e in service.of(EpochChanged)) == 2
    loser = next(e.agent for e in service.of(TrialStarted) if e.agent != service.of(Promoted)[0].agent)
    assert loser in {e.agent for e in service.of(ReturnedToPool)}
    assert service.state.lineup.trials == ()


@pytest.mark.parametrize(("verb", "kind"), [("cut", Released), ("promote", Promoted)])
def test_a_person_may_end_a_trial(verb: Verb, kind: type) -> None:
    service = until(faded(trial=TrialRules(share=0.1, alpha=0.8, frauds_min=3, days_min=60)), TrialStarted)
    agent = service.of(TrialStarted)[0].agent
    epoch = service.state.epoch
    by_hand(service, verb, agent)
    (ended,) = [e for e in service.of(kind) if e.agent == agent]
    assert (ended.by, service.state.epoch, service.state.lineup.trials) == ("ada", epoch + 1, ())
    assert service.of(EpochChanged)[-1].by == "ada"
    assert roster(service.events).seats[0].incumbent == service.state.slots[0].incumbent


def test_a_frozen_lineup_begins_no_trial() -> None:
    service = faded(swaps=FROZEN)
    service.live(12)
    assert not service.of(TrialStarted)


def test_trials_of_another_share_begin_anew_and_their_tests_go_on() -> None:
    slow = ProbationRules(alpha=0.2, frauds_min=5, rows_min=50, days_min=60)
    terms = {"scout": ALONE, "probation": slow}
    service = until(faded(**terms), TrialStarted)
    before = service.state.slots[0].probations[0]
    service.rules = rules(**terms, trial=TrialRules(share=0.2, alpha=0.5, frauds_min=3))
    service.live()
    after = service.state.slots[0].probations[0]
    assert [e.share for e in service.of(TrialEnded)] == [0.1]
    assert [t.share for t in service.state.lineup.trials] == [0.2]
    assert (after.started, after.days) == (before.started, before.days + 1)
    service.rules = rules(**terms)
    service.live()
    assert service.state.lineup.trials == ()
    (still,) = service.state.slots[0].probations
    assert (still.stage, still.share, still.days) == ("shadow", 0.0, before.days + 2)


def test_a_manager_that_starts_again_amid_a_trial_goes_on_with_it() -> None:
    service = until(faded(), TrialStarted)
    twin = until(faded(), TrialStarted)
    twin.state = decode_state(encode_state(twin.state))
    assert until(service, Promoted).events == until(twin, Promoted).events


def test_the_roster_shows_the_stage_and_the_share() -> None:
    service = until(faded(), TrialStarted)
    (challenger, *_) = [c for c in roster(service.events).seats[0].probations if c.stage == "trial"]
    assert (challenger.agent, challenger.share) == (service.of(TrialStarted)[0].agent, 0.1)


def test_synergy_counts_a_challenger_on_trial_by_the_rows_that_it_decides() -> None:
    service = until(faded(trial=TrialRules(share=0.5, alpha=0.8, frauds_min=3, days_min=60)), TrialStarted)
    service.live(3)
    agent = service.of(TrialStarted)[0].agent
    newest = [e.earned for e in service.events if type(e).__name__ == "CohortTaken"][-1]
    assert newest[agent].synergy != 0.0
    assert newest[AgentId("old")].synergy != 0.0

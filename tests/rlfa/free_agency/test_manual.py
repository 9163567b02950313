"""Moves by hand: done with a name and a reason, or refused with one."""

from __future__ import annotations

import pytest

from rlfa.free_agency.events import (
    CommandRefused,
    EvidenceAdded,
    GuardStarted,
    ProbationStarted,
    Promoted,
    PromotionHeld,
    Released,
    RolledBack,
)
from rlfa.free_agency.manual import Command, Verb, obey
from rlfa.free_agency.roster import roster
from rlfa.free_agency.rules import SwapLimits
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime, SlotId
from tests.rlfa.free_agency.builders import rules
from tests.rlfa.free_agency.service import Service


def ask(service: Service, verb: Verb, agent: str = "", slot: str = "", family: str = "", by: str = "ada") -> list:
    command = Command(id=1, verb=verb, by=by, why="because", agent=AgentId(agent), slot=SlotId(slot), family=family)
    service.state, events = obey(service.state, command, service.rules, EventTime(service.day * DAY_MS))
    service.events += events
    return list(events)


def quiet(**changes: object) -> Service:
    service = Service(rules(**changes), {"a": 4.0, "b": 4.0})
    service.live(3)
    return service


def with_trial() -> Service:
    service = quiet()
    ask(service, "sign", "new", "s0", "wide")
    service.live(3)
    assert service.of(EvidenceAdded)
    return service


def refusal(service: Service, verb: Verb, agent: str = "", slot: str = "", **more: str) -> str:
    before = service.state
    (event,) = ask(service, verb, agent, slot, **more)
    assert isinstance(event, CommandRefused)
    assert service.state == before
    return event.reason


def test_signed_agent_goes_on_probation_like_any_other() -> None:
    service = with_trial()
    (started,) = service.of(ProbationStarted)
    assert (started.agent, started.slot, started.by) == ("new", "s0", "")


def test_promotion_by_hand_says_who_why_and_the_evidence_so_far() -> None:
    service = with_trial()
    ask(service, "promote", "new")
    (promoted,) = service.of(Promoted)
    assert isinstance(promoted, Promoted)
    assert (promoted.by, promoted.epoch, promoted.replaced) == ("ada", 2, "a")
    assert promoted.reason.startswith("because; evidence so far: e-value ")
    assert promoted.days == 1
    assert service.of(GuardStarted)
    assert service.state.lineup.incumbents == ("new", "b")


def test_promotion_of_an_agent_never_tried_says_that_there_is_no_evidence() -> None:
    service = quiet()
    ask(service, "sign", "new", "s0", "wide")
    promoted = ask(service, "promote", "new")[0]
    assert promoted.reason == "because; evidence so far: none: it was never on probation here"
    service.live(3)
    assert service.state.slots[0].guard is not None


def test_rollback_by_hand_brings_the_benched_agent_back_and_releases_the_newcomer() -> None:
    service = with_trial()
    ask(service, "promote", "new")
    ask(service, "rollback", slot="s0")
    (rolled,) = service.of(RolledBack)
    assert (rolled.agent, rolled.by, rolled.epoch) == ("a", "ada", 3)
    assert service.state.lineup.incumbents == ("a", "b")
    assert roster(service.events).released == ("new",)


def test_cut_of_an_incumbent_needs_somebody_on_the_bench() -> None:
    service = with_trial()
    assert refusal(service, "cut", "a") == ("cut refused: s0 would have no incumbent: promote another agent first")
    ask(service, "promote", "new")
    ask(service, "cut", "new")
    assert service.state.lineup.incumbents == ("a", "b")


def test_cut_ends_a_probation_and_clears_the_bench() -> None:
    service = with_trial()
    ask(service, "cut", "new")
    assert [e.cause for e in service.of(Released) if isinstance(e, Released)] == ["cut"]
    assert "new" not in service.state.lineup.agents
    ask(service, "sign", "newer", "s0", "wide")
    ask(service, "promote", "newer")
    ask(service, "cut", "a")
    assert service.state.slots[0].guard is None
    assert service.state.lineup.agents == ("newer", "b")


def test_freeze_by_hand_holds_promotions_until_it_ends() -> None:
    service = quiet(swaps=SwapLimits(days_between=0, bench_days=2))
    ask(service, "freeze")
    service.skills["a"] = 0.0
    ask(service, "sign", "new", "s0", "wide")
    service.live(8)
    assert service.of(PromotionHeld)
    assert not service.of(Promoted)
    assert roster(service.events).frozen
    ask(service, "unfreeze")
    service.live()
    assert service.of(Promoted)


@pytest.mark.parametrize(
    ("verb", "agent", "slot", "more", "why"),
    [
        ("sign", "a", "s0", {"family": "moe"}, "a is there already"),
        ("sign", "x", "s0", {}, "the store has no agent 'x'"),
        ("sign", "x", "s9", {"family": "moe"}, "no slot 's9', only s0, s1"),
        ("cut", "x", "", {}, "'x' is in no slot"),
        ("promote", "x", "", {}, "'x' is in no slot: sign it first"),
        ("promote", "a", "", {}, "a holds s0 already"),
        ("rollback", "", "s0", {}, "nobody is on the bench of s0"),
        ("rollback", "", "s9", {}, "no slot 's9', only s0, s1"),
        ("unfreeze", "", "", {}, "the lineup isn't frozen"),
        ("freeze", "", "", {"by": ""}, "no name or no reason"),
    ],
)
def test_what_cannot_be_done_is_refused_in_the_ledger(
    verb: Verb, agent: str, slot: str, more: dict[str, str], why: str
) -> None:
    assert refusal(quiet(), verb, agent, slot, **more) == f"{verb} refused: {why}"


def test_freeze_of_the_settings_is_not_lifted_by_hand() -> None:
    service = quiet(swaps=SwapLimits(freeze=True))
    assert "the settings freeze the lineup" in refusal(service, "unfreeze")

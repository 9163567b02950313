"""Before any label: a newcomer that gives no scores or far too many alerts is undone within days."""

from __future__ import annotations

import numpy as np
import pytest

from rlfa.free_agency.events import (
    EpochChanged,
    LimitBroken,
    ProbationStarted,
    Promoted,
    Released,
    RollbackHeld,
    RolledBack,
    TrialStarted,
)
from rlfa.free_agency.limits import Compared, broken, compare
from rlfa.free_agency.rules import FreeAgencyRules, GuardRules, SwapLimits, TrialRules
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.scored import ScoredDay
from rlfa.rewards.money import Costs
from tests.rlfa.free_agency.builders import rules
from tests.rlfa.free_agency.service import Service
from tests.rlfa.free_agency.test_trials import until

A, B = AgentId("a"), AgentId("b")
BENCH = SwapLimits(days_between=1, bench_days=20)
TRIAL = TrialRules(share=0.1, alpha=0.8, frauds_min=3, days_min=60)


def swapped(**changes: object) -> Service:
    """A slot whose incumbent faded and was replaced."""
    service = Service(rules(**{"swaps": BENCH, **changes}), {"old": 4.0})
    service.live(8)
    service.skills["old"] = 0.0
    return until(service, Promoted)


def tried() -> Service:
    service = Service(rules(trial=TRIAL), {"old": 4.0})
    service.live(8)
    service.skills["old"] = 0.0
    return until(service, TrialStarted)


@pytest.mark.parametrize(
    ("seen", "limit"),
    [
        ((1000, 0, 30, 10), ""),
        ((1000, 0, 31, 10), "alerts"),
        ((1000, 0, 19, 0), ""),
        ((1000, 0, 20, 0), "alerts"),
        ((1000, 10, 0, 10), ""),
        ((1000, 11, 0, 10), "missing"),
        ((0, 0, 0, 0), ""),
    ],
)
def test_limits_are_what_they_say(seen: tuple[int, int, int, int], limit: str) -> None:
    rows, missing, alerts, against = seen
    found = Compared(rows=rows, missing=missing, alerts=alerts, alerts_against=against)
    assert broken(found, FreeAgencyRules()) == limit


def test_both_agents_are_counted_on_the_same_rows() -> None:
    nan = np.float32(np.nan)
    day = ScoredDay(
        day=Day(5),
        amount=np.full(6, 100.0),
        logits={A: np.array([5, 5, nan, 5, -9, 5], np.float32), B: np.array([5, -9, 5, nan, -9, 5], np.float32)},
        segments={"amount > 1": np.array([True] * 5 + [False])},
    )
    assert compare(day, "", A, B, Costs()) == Compared(rows=5, missing=1, alerts=3, alerts_against=2)
    assert compare(day, "amount > 1", A, B, Costs()) == Compared(rows=4, missing=1, alerts=2, alerts_against=1)
    assert compare(day, "", A, AgentId("away"), Costs()).rows == 0


@pytest.mark.parametrize("cause", ["alerts", "missing"])
def test_a_swap_is_undone_at_once(cause: str) -> None:
    service = swapped()
    newcomer = service.state.slots[0].incumbent
    (service.loud if cause == "alerts" else service.silent_today).add(newcomer)
    service.live(2)
    (found,), (rolled,) = service.of(LimitBroken), service.of(RolledBack)
    assert isinstance(found, LimitBroken)
    assert isinstance(rolled, RolledBack)
    assert (found.agent, found.against, found.cause, rolled.cause) == (newcomer, "old", cause, cause)
    assert rolled.days == 0  # of evidence with labels
    assert found.seen > found.day
    assert found.reason in rolled.reason
    assert ("alerts where old gives" if cause == "alerts" else "no score for 60 of 60") in found.reason
    assert service.of(EpochChanged)[-1].epoch == found.epoch == 3
    assert service.state.lineup.incumbents == ("old",)
    assert not service.state.slots[0].cooling  # it isn't tried again


def test_a_trial_is_ended_at_once_and_the_incumbent_stays() -> None:
    service = tried()
    agent = service.of(TrialStarted)[0].agent
    service.loud.add(agent)
    service.live(2)
    (found,) = service.of(LimitBroken)
    assert found.agent == agent
    (out,) = [e for e in service.of(Released) if e.agent == agent]
    assert isinstance(out, Released)
    assert (out.cause, out.epoch) == ("alerts", found.epoch)
    assert service.state.lineup.incumbents == ("old",)
    assert agent not in service.state.lineup.agents


def test_a_challenger_in_shadow_harms_nobody_and_is_left_to_its_test() -> None:
    service = Service(rules(), {"old": 4.0})
    service.live(8)
    service.skills["old"] = 0.0
    until(service, ProbationStarted)
    service.loud |= {e.agent for e in service.of(ProbationStarted)}
    service.live(2)
    assert not service.of(LimitBroken)


def test_the_day_of_the_swap_itself_says_nothing() -> None:
    service = swapped()
    since = service.of(Promoted)[0].since
    service.loud.add(service.state.slots[0].incumbent)
    service.live(3)
    assert service.of(LimitBroken)[0].seen == since + 1


def test_a_freeze_holds_the_limits_too() -> None:
    service = swapped()
    service.loud.add(service.state.slots[0].incumbent)
    service.rules = rules(swaps=SwapLimits(days_between=1, bench_days=20, freeze=True), guard=GuardRules())
    service.live(3)
    held = service.of(RollbackHeld)
    assert held
    assert not service.of(RolledBack)
    assert "the lineup is frozen; " in held[0].reason

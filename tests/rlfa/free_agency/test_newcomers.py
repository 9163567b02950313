"""After a swap: a newcomer that does worse than the bench has to go, one that does as well stays."""

from __future__ import annotations

from msgspec.structs import replace

from rlfa.free_agency.events import (
    BenchReleased,
    EpochChanged,
    GuardAdded,
    GuardStarted,
    Promoted,
    Released,
    RollbackHeld,
    RolledBack,
)
from rlfa.free_agency.roster import roster
from rlfa.free_agency.rules import GuardRules, SwapLimits
from rlfa.rewards.money import Costs
from tests.rlfa.free_agency.builders import rules
from tests.rlfa.free_agency.service import Service

GUARD = {"guard": GuardRules(false_alarm_days=30), "swaps": SwapLimits(days_between=1, bench_days=20)}


def swapped(**changes: object) -> Service:
    """A slot whose incumbent faded and was replaced; the bench has recovered since."""
    service = Service(rules(**{**GUARD, **changes}), {"old": 4.0})
    service.live(10)
    service.skills["old"] = 0.0
    while not service.of(Promoted):
        service.live()
    service.skills["old"] = 4.0
    return service


def test_newcomer_that_fails_is_rolled_back_in_a_new_epoch_and_released() -> None:
    service = swapped()
    newcomer = service.state.slots[0].incumbent
    service.skills[newcomer] = 0.0
    service.live(15)
    (rolled,) = service.of(RolledBack)
    assert isinstance(rolled, RolledBack)
    assert (rolled.agent, rolled.replaced, rolled.cause, rolled.epoch) == ("old", newcomer, "guard", 3)
    assert "alarm " in rolled.reason
    assert [e.agent for e in service.of(Released) if isinstance(e, Released) and e.cause == "guard"] == [newcomer]
    assert service.of(EpochChanged)[-1].epoch == 3
    assert service.state.lineup.incumbents == ("old",)
    assert service.state.slots[0].guard is None
    assert newcomer not in service.state.lineup.agents


def test_newcomer_as_good_as_the_bench_keeps_its_slot_until_the_guard_ends_with_the_bench() -> None:
    service = swapped()
    service.live(30)
    assert not service.of(RolledBack)
    assert service.of(BenchReleased)
    assert service.state.slots[0].guard is None


def test_guard_takes_only_days_after_the_swap() -> None:
    service = swapped()
    (started,) = service.of(GuardStarted)
    assert isinstance(started, GuardStarted)
    service.live(6)
    days = [e.day for e in service.of(GuardAdded)]
    assert days == list(range(started.first_full_day, service.day))


def test_newcomer_without_scores_is_rolled_back_as_unsafe() -> None:
    service = swapped()
    service.live(4)
    service.silent.add(service.state.slots[0].incumbent)
    service.live()
    (rolled,) = service.of(RolledBack)
    assert isinstance(rolled, RolledBack)
    assert (rolled.agent, rolled.cause) == ("old", "unsafe")


def test_bench_without_scores_moves_no_alarm() -> None:
    service = swapped()
    service.live(4)
    before = service.state.slots[0].guard
    service.silent.add("old")
    service.live(2)
    assert service.state.slots[0].guard == before


def test_frozen_lineup_holds_a_rollback_and_says_so() -> None:
    service = swapped()
    service.skills[service.state.slots[0].incumbent] = 0.0
    service.rules = replace(service.rules, swaps=replace(service.rules.swaps, freeze=True))
    service.live(15)
    assert not service.of(RolledBack)
    assert service.of(RollbackHeld)[0].reason.startswith("the lineup is frozen; alarm ")
    service.rules = replace(service.rules, swaps=replace(service.rules.swaps, freeze=False))
    service.live()
    assert service.of(RolledBack)


def test_new_terms_begin_the_guard_anew() -> None:
    service = swapped()
    service.live(3)
    service.rules = replace(service.rules, costs=Costs(alert_budget_per_day=4))
    service.live()
    guard = service.state.slots[0].guard
    assert guard is not None
    assert (guard.esr.cohorts, guard.test.costs) == (0, service.rules.costs)
    assert len(service.of(GuardStarted)) == 2


def test_ledger_shows_who_the_newcomer_is_compared_with() -> None:
    service = swapped()
    assert roster(service.events).seats[0].guard == "old"

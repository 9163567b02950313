"""Retraining on a schedule: no probation, but the gate, the bench and the guard."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from rlfa.free_agency.events import GuardStarted, ProbationStarted, Promoted, Renewed, RolledBack, TrainingRequested
from rlfa.free_agency.roster import roster
from rlfa.free_agency.rules import RenewalRules, SwapLimits
from rlfa.lineup.hedge import Hedge, HedgeRules, Holding
from rlfa.lineup.slots import AgentId
from tests.rlfa.free_agency.builders import FIRST_DAY, rules
from tests.rlfa.free_agency.service import Service

EVERY = RenewalRules(every_days=4)


def test_healthy_slot_is_renewed_on_schedule_without_a_probation() -> None:
    service = Service(rules(renewal=EVERY), {"old": 4.0})
    service.live(16)
    renewed = service.of(Renewed)
    days = [e.day for e in renewed]
    assert len(renewed) >= 3
    assert all(later - earlier == 4 for earlier, later in pairwise(days)), "it waits for no cohort"
    assert not service.of(ProbationStarted, Promoted)
    assert isinstance(renewed[0], Renewed)
    assert renewed[0].replaced == "old"
    assert "old" in {e.bench for e in service.of(GuardStarted) if isinstance(e, GuardStarted)}


def test_nothing_is_renewed_unless_the_settings_say_so() -> None:
    service = Service(rules(), {"old": 4.0})
    service.live(16)
    assert not service.of(Renewed, TrainingRequested)


def test_frozen_lineup_is_not_renewed() -> None:
    service = Service(rules(renewal=EVERY, swaps=SwapLimits(freeze=True)), {"old": 4.0})
    service.live(16)
    assert not service.of(Renewed, TrainingRequested)


def test_slot_with_a_challenger_waits_with_its_renewal() -> None:
    service = Service(rules(renewal=EVERY), {"old": 4.0})
    service.live(3)
    service.skills["old"] = 0.0
    service.newcomers = 0.0  # nobody is better, so probations last
    service.live(14)
    trials = {e.day for e in service.of(ProbationStarted)}
    assert trials
    for day in (e.day for e in service.of(Renewed)):
        assert not any(s <= day < s + 2 for s in trials)


def test_guard_undoes_a_renewal_that_does_worse() -> None:
    service = Service(rules(renewal=RenewalRules(every_days=30), swaps=SwapLimits(bench_days=60)), {"old": 4.0})
    service.newcomers = 0.0
    service.live(75)
    assert service.of(Renewed)
    assert "old" in {e.agent for e in service.of(RolledBack)}


def weighed(hedge: HedgeRules) -> Service:
    """Two slots, one with four fifths of the weight, on the day before both are renewed."""
    service = Service(rules(renewal=EVERY, hedge=hedge), {"a": 4.0, "b": 4.0})
    held = [
        Holding(slot=s.id, agent=s.incumbent, weight=w) for s, w in zip(service.state.slots, (0.8, 0.2), strict=True)
    ]
    slots = tuple(replace(s, weight=h.weight) for s, h in zip(service.state.slots, held, strict=True))
    service.state = replace(service.state, hedge=Hedge(holdings=tuple(held)), slots=slots)
    service.live(3)
    assert not service.of(Renewed)
    return service


def test_renewed_agent_has_its_predecessors_weight_even_above_a_strangers() -> None:
    service = weighed(HedgeRules(eta=0.0, share=0.0))
    service.live(1)
    assert len(service.of(Renewed)) == 2
    assert [h.weight for h in service.state.hedge.holdings] == pytest.approx([0.8, 0.2])
    assert [h.agent for h in service.state.hedge.holdings] == [s.incumbent for s in service.state.slots]


def test_predecessor_speaks_for_the_weight_of_one_that_has_scored_no_closed_day() -> None:
    service = weighed(HedgeRules(eta=2.0, share=0.0, ranges_min=1))
    service.live(1)
    before = [h.weight for h in service.state.hedge.holdings]
    service.silent = {s.incumbent for s in service.state.slots}
    service.live(1)
    assert [h.weight for h in service.state.hedge.holdings] != pytest.approx(before)


@pytest.mark.parametrize("days", [5, 6, 11])
def test_roster_of_the_ledger_follows_renewals(days: int) -> None:
    service = Service(rules(renewal=EVERY), {"old": 4.0})
    service.live(days)
    shown = {s.slot: s.incumbent for s in roster(service.events).seats}
    assert shown == {s.id: s.incumbent for s in service.state.slots}
    assert service.state.slots[0].since_day >= FIRST_DAY or shown["s0"] == AgentId("old")

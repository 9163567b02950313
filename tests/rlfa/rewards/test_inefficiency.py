"""The third part of the reward, worked out by hand, and that promotion doesn't look at it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rlfa.free_agency.events import CohortTaken, Event, EvidenceAdded
from rlfa.free_agency.manager import step
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import FreeAgent
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime
from rlfa.rewards.discounted import Earned, Record, after
from rlfa.rewards.inefficiency import EfficiencyRules, Footprint, inefficiency
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, first_state, rules

RULES = EfficiencyRules(latency_us_max=500, weights_mib_max=64, scoring_second=0.05, mib_day=0.01)
HUGE = Footprint(latency_us=2_500.0, weights_bytes=164 << 20)


def test_latency_and_memory_over_their_limits_cost_money() -> None:
    # 100,000 rows x 2,000 us over = 200 s, at .05 a second = 10; 100 MiB over at .01 = 1
    assert inefficiency(HUGE, 100_000, RULES) == pytest.approx(11.0)
    assert inefficiency(Footprint(latency_us=2_500.0, weights_bytes=0), 100_000, RULES) == pytest.approx(10.0)


def test_within_the_limits_or_unmeasured_it_is_free() -> None:
    assert inefficiency(Footprint(latency_us=500.0, weights_bytes=64 << 20), 10**9, RULES) == 0.0
    assert inefficiency(None, 10**9, RULES) == 0.0


def test_the_reward_is_its_four_parts() -> None:
    day = Earned(
        rows=10, missing=1, frauds=1, caught=1, stopped=2, accuracy=90.0, synergy=20.0, inefficiency=11.0, penalties=9.0
    )
    assert day.reward == 90.0
    assert after(Record(), day, 7.0).reward == 9.0  # a transaction


def live(footprints: dict[AgentId, Footprint]) -> list[Event]:
    """Four days on which a challenger is tried."""
    state = first_state(1)
    waiting = FreeAgent(agent=AgentId("new"), family="moe", since=FIRST_DAY)
    state = replace(state, slots=(replace(state.slots[0], pool=(waiting,)),))
    told: list[Event] = []
    for i in range(4):
        day, now = cohort(FIRST_DAY + i, {"a0": 1.0, "new": 2.0}), EventTime((FIRST_DAY + i) * DAY_MS)
        scout = SeededScout(("moe",))
        state, events = step(state, day, (), rules(efficiency=RULES), now, scout=scout, footprints=footprints)
        told += events
    return told


def test_rewards_have_it_and_evidence_does_not() -> None:
    free, huge = live({}), live({AgentId("new"): HUGE})
    evidence = [[e for e in told if isinstance(e, EvidenceAdded)] for told in (free, huge)]
    assert evidence[0]
    assert evidence[0] == evidence[1]
    days = [[e.earned for e in told if isinstance(e, CohortTaken) and "new" in e.earned] for told in (free, huge)]
    assert days[1]
    for without, with_cost in zip(*days, strict=True):
        assert with_cost[AgentId("a0")] == without[AgentId("a0")]
        cost = 60 * 2_000e-6 * 0.05 + 1.0
        assert with_cost[AgentId("new")].inefficiency == pytest.approx(cost)
        assert with_cost[AgentId("new")].reward == pytest.approx(without[AgentId("new")].reward - cost)

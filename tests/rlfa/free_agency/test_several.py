"""Several challengers at once: the bound that each must reach, and what became of those that were released."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rlfa.free_agency.evalue import EValue
from rlfa.free_agency.events import Released, ReturnedToPool, TrainingRequested
from rlfa.free_agency.rules import FreeAgencyRules, ProbationRules, ScoutRules, WatchRules
from rlfa.free_agency.several import e_bh_bound, with_bounds
from rlfa.free_agency.state import ManagerState
from rlfa.lineup.slots import AgentId
from tests.rlfa.free_agency.builders import first_state, probation, rules
from tests.rlfa.free_agency.service import Service

LogE = st.lists(st.floats(-5, 12), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("e", "m", "bound"),
    [
        ([19.0, 19.0], 2, 40.0),
        ([20.0, 20.0], 2, 20.0),
        ([40.0, 1.0], 2, 40.0),
        ([30.0, 30.0, 1.0], 3, 30.0),
        ([30.0, 30.0], 4, 80.0),
    ],
)
def test_bound_is_that_of_the_e_benjamini_hochberg_procedure(e: list[float], m: int, bound: float) -> None:
    assert e_bh_bound([math.log(x) + 1e-12 for x in e], m, 0.05) == pytest.approx(bound)


@given(log_e=LogE, extra=st.integers(0, 3))
def test_no_challenger_needs_less_than_alone_or_more_than_all_together(log_e: list[float], extra: int) -> None:
    m = len(log_e) + extra
    assert 1 / 0.05 * (1 - 1e-12) <= e_bh_bound(log_e, m, 0.05) <= m / 0.05 * (1 + 1e-12)


def test_share_of_false_discoveries_stays_under_alpha() -> None:
    """Four of five hypotheses are true nulls with e-values of mean 1, the fifth is plainly false."""
    rng, alpha, lives = np.random.default_rng(0), 0.2, 4000
    shares = []
    for _ in range(lives):
        null = np.where(rng.random(4) < 0.2, 5.0, 1e-9)
        e = [*null, 1e6]
        bound = e_bh_bound([math.log(x) for x in e], 5, alpha)
        found = [x >= bound for x in e]
        shares.append(sum(found[:4]) / max(sum(found), 1))
    assert 0.0 < float(np.mean(shares)) <= alpha


def two_slots(error: str) -> ManagerState:
    under = FreeAgencyRules(probation=ProbationRules(error=error))
    e = EValue(up=(math.log(30.0),) * 5)
    state = first_state()
    slots = [
        replace(
            slot,
            probations=tuple(probation(under, challenger=AgentId(f"{slot.id}-{i}"), rivals=2, e=e) for i in range(n)),
        )
        for slot, n in zip(state.slots, (2, 1), strict=True)
    ]
    return with_bounds(replace(state, slots=tuple(slots)))


@pytest.mark.parametrize(
    ("error", "bounds"), [("slot", [40.0, 40.0, 40.0]), ("slot_fdr", [20.0, 20.0, 40.0]), ("all_fdr", [80 / 3] * 3)]
)
def test_setting_says_over_whom_the_error_is_bounded(error: str, bounds: list[float]) -> None:
    found = [p.bound for s in two_slots(error).slots for p in s.probations]
    assert found == pytest.approx(bounds)


def scouting(**changes: object) -> Service:
    scout = ScoutRules(**{"cooldown_days": 1, "candidates": 1, "return_days": 4, **changes})
    return Service(rules(scout=scout), {"old": 4.0}, newcomers=0.0)


def test_released_challenger_returns_once_it_has_cooled_down_and_the_slot_scouts() -> None:
    service = scouting()
    service.live(10)
    service.skills["old"] = 0.6
    service.live(40)
    back = service.of(ReturnedToPool)
    assert back
    first = next(e for e in service.of(Released) if e.agent == back[0].agent)
    assert back[0].day - first.day >= 4
    assert back[0].reason == "it has cooled down and is tried again"


def test_nobody_returns_where_the_settings_say_never() -> None:
    service = scouting(return_days=0)
    service.live(10)
    service.skills["old"] = 0.6
    service.live(40)
    assert service.of(Released)
    assert not service.of(ReturnedToPool)


def test_healthy_slot_is_reviewed_after_its_time() -> None:
    service = Service(rules(watch=WatchRules(), scout=ScoutRules(review_days=10, candidates=1)), {"a": 4.0})
    service.live(15)
    (asked,) = service.of(TrainingRequested)
    assert asked.reason.startswith("10 days without a probation: train moe")


def test_drift_without_labels_starts_scouting_early_and_removes_nobody() -> None:
    service = Service(rules(watch=WatchRules()), {"a": 4.0})
    service.live(3)
    service.scout_early = {"s0"}
    service.live()
    assert service.of(TrainingRequested)[0].reason.startswith("scores or features have drifted: train ")
    assert service.state.lineup.incumbents == ("a",)

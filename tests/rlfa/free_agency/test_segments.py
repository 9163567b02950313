"""A slot that plays a part of the stream is judged, tested and paid on that part alone."""

from __future__ import annotations

from dataclasses import replace as with_columns

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.free_agency.events import CohortTaken, EvidenceAdded, Promoted, TrainingRequested
from rlfa.free_agency.manager import step
from rlfa.free_agency.scouting import SeededScout
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime
from rlfa.outcomes.cohorts import Cohort, CohortError
from rlfa.rewards.budget import daily_threshold
from rlfa.rewards.money import Costs
from tests.rlfa.free_agency.builders import cohort, rules, shuffled
from tests.rlfa.free_agency.service import Service

LARGE = "amount > 60"
A, B = AgentId("a"), AgentId("b")


def service(**changes: object) -> Service:
    return Service(rules(**changes), {"a": 4.0, "b": 4.0}, segments={"s1": LARGE}, rows=120)


def outside_changed(day: Cohort) -> Cohort:
    """The same day, with other truth and other scores outside the segment."""
    outside = ~day.inside(LARGE)
    logits = {a: np.where(outside, np.float32(-3.0) * x, x) for a, x in day.logits.items()}
    return with_columns(day, fraud=day.fraud ^ outside, logits=logits)


def test_a_cohort_within_a_segment_has_its_rows_and_its_share_of_the_day() -> None:
    day = cohort(100, {"a": 4.0}, segments=(LARGE,))
    part = day.within(LARGE)
    rows = np.flatnonzero(day.amount > 60)
    assert 0 < len(part) < len(day)
    assert part.tx_hash.tolist() == day.tx_hash[rows].tolist()
    assert part.logits_of(A).tolist() == day.logits_of(A)[rows].tolist()
    assert part.share == len(rows) / len(day)
    assert part.within(LARGE).tx_hash.tolist() == part.tx_hash.tolist()
    assert day.within("") is day


def test_a_segment_that_a_cohort_was_loaded_without_is_an_error() -> None:
    with pytest.raises(CohortError, match="found 'amount > 60', allowed: one of its segments"):
        cohort(100, {"a": 4.0}).within(LARGE)


@pytest.mark.parametrize(("share", "alerts"), [(1.0, 10), (0.25, 2), (0.01, 1)])
def test_a_segment_has_its_share_of_the_alert_budget(share: float, alerts: int) -> None:
    ranks = np.arange(100.0)
    limit = daily_threshold(cohort(1, {}).day, ranks, Costs(alert_budget_per_day=10), share)
    assert limit is not None
    assert (ranks > limit.value).sum() == alerts


def test_what_lies_outside_a_segment_changes_nothing_for_its_slot() -> None:
    plain, other = service(), service()
    for s in (plain, other):
        s.live(8)
        s.skills["b"] = 0.0
        s.live(4)
    day = cohort(plain.day, dict.fromkeys(plain.state.lineup.agents, 2.0), rows=120, segments=(LARGE,))
    now = EventTime((plain.day + 1) * DAY_MS)
    scout = SeededScout(("moe", "wide"))
    ends = [step(plain.state, d, [], plain.rules, now, scout=scout)[0] for d in (day, outside_changed(day))]
    own, theirs = (end.slots[1] for end in ends)
    assert own.probations == theirs.probations
    assert own.probations
    assert own.watch == theirs.watch
    assert ends[0].thresholds[B] == ends[1].thresholds[B]
    assert ends[0].thresholds[A] != ends[1].thresholds[A]
    assert ends[0].records[B].caught == ends[1].records[B].caught


def test_evidence_and_rewards_count_the_rows_of_the_segment() -> None:
    s = service()
    s.live(8)
    s.skills["b"] = 0.0
    s.live(8)
    taken = s.of(CohortTaken)[-1]
    assert isinstance(taken, CohortTaken)
    whole = cohort(s.day - 1, {"a": 4.0}, rows=120, segments=(LARGE,))
    assert taken.rows == 120
    assert taken.earned[A].rows == 120
    assert 0 < s.of(EvidenceAdded)[0].rows < 120
    assert {e.slot for e in s.of(TrainingRequested)} == {"s1"}
    assert all(e.rows < 120 for a, e in taken.earned.items() if s.state.homes[a].id == "s1")
    assert len(whole.within(LARGE)) < 120


def test_a_challenger_wins_a_segment_and_the_other_slot_is_untouched() -> None:
    s = service()
    s.live(8)
    s.skills["b"] = 0.0
    while not s.of(Promoted):
        s.live()
    assert s.of(Promoted)[0].slot == "s1"
    assert s.state.slots[0].incumbent == "a"
    assert s.state.slots[1].segment == LARGE


@given(seed=st.integers(0, 50))
def test_the_order_of_rows_changes_nothing_in_a_segment(seed: int) -> None:
    s = service()
    s.live(3)
    day = cohort(s.day, {"a": 4.0, "b": 1.0}, seed=seed, segments=(LARGE,))
    now = EventTime((s.day + 1) * DAY_MS)
    scout = SeededScout(("moe",))
    one, other = (step(s.state, d, [], s.rules, now, scout=scout) for d in (day, shuffled(day, seed)))
    assert one == other


def test_a_day_without_a_transaction_of_the_segment_moves_nothing_there() -> None:
    s = service()
    s.live(5)
    before = s.state.slots[1]
    day = cohort(s.day, {"a": 4.0, "b": 0.0})
    day = with_columns(day, segments={LARGE: np.zeros(len(day), np.bool_)})
    after, _ = step(s.state, day, [], s.rules, EventTime((s.day + 1) * DAY_MS), scout=SeededScout(("moe",)))
    assert after.slots[1].watch == before.watch
    assert after.records[B] == s.state.records[B]

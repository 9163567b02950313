"""The benchmark of selective labels asks what the service does."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evidence.rule import log_e
from benchmarks.evidence.selective import NULLS, frauds_until_promoted, promoted_by_the_service
from benchmarks.selective_data import EVERYTHING, World, covered_truth, figures, seen_days
from rlfa.free_agency.evalue import EValue, bet
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.cohorts import Cohort

AGENT = AgentId("a")


def told(rows: int = 400) -> World:
    rng = np.random.default_rng(3)
    day = Cohort(
        day=Day(0),
        tx_hash=rng.integers(1, 2**63, rows).astype(np.uint64),
        event_time=np.arange(rows),
        amount=np.full(rows, 100.0),
        fraud=rng.random(rows) < 0.3,
        entities={},
        logits={},
        score=np.zeros(rows),
        stopped=np.zeros(rows, np.bool_),
    )
    actions = rng.choice([0, 1, 2], rows).astype(np.int8)
    return World((day,), (actions,), {AGENT: (rng.random(rows) < 0.5,)})


def test_over_all_parts_of_the_draw_every_decline_passes_once() -> None:
    world = told()
    declined = world.actions[0] == 2
    passed = sum(seen_days(world, EVERYTHING, k)[0].seen[declined].astype(int) for k in range(100))
    assert set(np.unique(passed)) == {1}


def test_the_whole_truth_is_the_mean_over_all_parts() -> None:
    world = told()
    whole = figures(covered_truth(world, EVERYTHING), world.stopped[AGENT])
    days = [seen_days(world, EVERYTHING, k)[0] for k in range(100)]
    caught = np.mean([(d.weight * (d.fraud & world.stopped[AGENT][0])).sum() for d in days])
    frauds = np.mean([(d.weight * d.fraud).sum() for d in days])
    assert caught / frauds == pytest.approx(whole[1])


def test_the_vectorised_bets_are_those_of_the_project() -> None:
    values, counts = np.array([0.05, -1.0, 0.02, -0.001]), np.array([40, 1, 3, 70])
    assert log_e(counts, values) == pytest.approx(bet(EValue(), np.repeat(values, counts)).log_up)
    # Every card is won and 1/20 counts: the bets cross 20 after so many wins and not before.
    (needed,) = frauds_until_promoted(0.05, 1.0, 0.0, 1, np.random.default_rng(0))
    wins = np.full(int(needed), 0.05)
    assert bet(EValue(), wins).log_up >= np.log(20) > bet(EValue(), wins[1:]).log_up


def test_the_nulls_are_no_better() -> None:
    for null in NULLS:
        mean = null.won - null.lost + 0.02 * (null.alarms_incumbent - null.alarms_challenger)
        assert mean == pytest.approx(0.0)


def test_a_life_through_the_service_ends() -> None:
    assert promoted_by_the_service(np.random.default_rng(1), 12, "challenger", 0.1) is False

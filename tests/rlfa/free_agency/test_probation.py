"""Probation: whole cohorts in, a verdict when the minima are met."""

from __future__ import annotations

import math

import pytest

from rlfa.free_agency.evalue import EValue
from rlfa.free_agency.probation import advance, explain, verdict
from rlfa.free_agency.rules import FreeAgencyRules, ProbationRules
from rlfa.free_agency.state import Probation
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.budget import DailyThreshold, rule_of
from rlfa.rewards.money import Costs
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, probation

RULES = ProbationRules()
BOTH = {AgentId(a): (DailyThreshold(Day(99), 2.0, rule_of(Costs())),) for a in ("old", "new")}


def day_of_both(day: int = FIRST_DAY, *, missing: float = 0.0) -> Cohort:
    return cohort(day, {"old": 1.0, "new": 4.0}, missing=missing)


def after(before: Probation, day: Cohort) -> Probation:
    return advance(before, day, BOTH)[0]


def judged(**changes: object) -> Probation:
    """Past every minimum, with no evidence either way."""
    return probation(**{"frauds": 30, "rows": 5_000, "days": 3, "started": FIRST_DAY, **changes})


def sure(bound: float) -> tuple[float, ...]:
    return (math.log(bound),) * 5


def test_cohort_adds_its_losses_to_the_evidence() -> None:
    got, losses = advance(probation(), day_of_both(), BOTH)
    assert losses is not None
    assert (got.started, got.days, got.rows, got.frauds) == (FIRST_DAY, 1, 60, 5)
    assert got.wins == losses.wins > 0
    assert got.e.log_up > 0


def test_challenger_starts_at_its_first_full_cohort() -> None:
    waiting = probation(first_full_day=Day(FIRST_DAY + 1))
    assert after(waiting, day_of_both(FIRST_DAY)) == waiting
    assert after(waiting, day_of_both(FIRST_DAY + 1)).days == 1


def test_challenger_that_joined_at_noon_waits_for_a_whole_day() -> None:
    assert after(probation(), day_of_both(missing=0.5)) == probation()


def test_first_cohort_without_history_gives_no_evidence() -> None:
    only_old = {AgentId("old"): BOTH[AgentId("old")]}
    assert advance(probation(), day_of_both(), only_old)[1] is None


def test_challenger_that_fails_to_score_once_started_is_unsafe() -> None:
    got = after(after(probation(), day_of_both()), day_of_both(FIRST_DAY + 1, missing=0.5))
    assert verdict(got) == "unsafe"
    assert "without a score, more than 1% of a day" in explain(got, "unsafe")


def test_challenger_that_never_joins_is_unsafe() -> None:
    late = day_of_both(FIRST_DAY + RULES.joining_days_max, missing=1.0)
    assert verdict(after(probation(), late)) == "unsafe"


def test_evidence_of_brier_losses_has_an_observation_for_every_customer() -> None:
    got, losses = advance(probation(FreeAgencyRules(probation=ProbationRules(loss="brier"))), day_of_both(), BOTH)
    assert losses is not None
    assert len(losses.difference) == 60
    assert got.e.log_up > 0


@pytest.mark.parametrize("minimum", [{"frauds": 29}, {"rows": 4_999}, {"days": 2}], ids=str)
def test_no_verdict_before_each_minimum(minimum: dict[str, int]) -> None:
    everything = EValue(up=sure(1e6), down=sure(1e6), futility=sure(1e6))
    assert verdict(judged(e=everything, **minimum)) == "wait"
    assert verdict(judged(e=everything)) == "promote"


def test_several_challengers_raise_the_bound_for_each() -> None:
    e = EValue(up=sure(39.0))
    assert verdict(judged(e=e)) == "promote"
    assert verdict(judged(e=e, rivals=2)) == "wait"


def test_mirrored_bound_releases_as_worse_and_the_margin_as_futile() -> None:
    assert verdict(judged(e=EValue(down=sure(20.1)))) == "worse"
    assert verdict(judged(e=EValue(futility=sure(10.1)))) == "futile"
    assert verdict(judged()) == "wait"


@pytest.mark.parametrize("limit", [{"frauds": 600}, {"days": 90}], ids=str)
def test_probation_ends_at_its_limit(limit: dict[str, int]) -> None:
    assert verdict(judged(**limit)) == "limit"


def test_limit_of_frauds_waits_for_the_days_that_a_promotion_needs() -> None:
    assert verdict(judged(frauds=600, days=2)) == "wait"
    assert verdict(judged(frauds=600, days=3)) == "limit"


def test_reason_is_a_sentence_with_its_numbers() -> None:
    p = judged(
        frauds=58,
        days=9,
        e=EValue(up=sure(31.2)),
        fraud_rows=100,
        caught_challenger=71,
        caught_incumbent=43,
        costs=Costs(alert_budget_per_day=20),
    )
    expected = "e-value 31.2 >= 20 after 58 frauds in 9 days: recall at 20 alerts a day .71 against .43"
    assert explain(p, "promote") == expected

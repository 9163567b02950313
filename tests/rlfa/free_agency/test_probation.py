"""Probation: whole cohorts in, a verdict when the minima are met."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

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


def withholding(day: Cohort, where: NDArray[np.bool_]) -> Cohort:
    """The same day, on which the challenger gave no score for some rows."""
    new = AgentId("new")
    return replace(day, logits={**day.logits, new: np.where(where, np.float32(np.nan), day.logits[new])})


def missed_and_just_under(day: Cohort, share: float = 0.01) -> NDArray[np.bool_]:
    """The share of its rows that a challenger would withhold: those just under the threshold of 2.0."""
    x = day.logits[AgentId("new")]
    under = np.where(x <= 2.0, x, -np.inf)
    rows = np.zeros(len(day), np.bool_)
    rows[np.argsort(under)[-round(share * len(day)) :]] = True
    return rows


def alike(seed: int) -> Cohort:
    """A day with much fraud and two agents that are equally good."""
    return cohort(FIRST_DAY, {"old": 2.0, "new": 2.0}, seed=seed, rows=2_000, frauds=300)


def test_a_challenger_gains_nothing_by_silence_just_under_its_threshold() -> None:
    for seed in range(5):
        day = alike(seed)
        silent = withholding(day, missed_and_just_under(day))
        honest, withheld = after(probation(), day), after(probation(), silent)
        assert withheld.missing == 20
        assert (withheld.e, withheld.wins, withheld.losses) == (honest.e, honest.wins, honest.losses)


def test_dropping_those_rows_for_both_would_pay_it() -> None:
    """What the reference's §3.4 says, beside ours: why we count silence as approval."""
    gained = []
    for seed in range(5):
        day = alike(seed)
        rows = missed_and_just_under(day)
        kept = {n: getattr(day, n)[~rows] for n in ("tx_hash", "event_time", "amount", "fraud", "score", "stopped")}
        wide = {n: {k: v[~rows] for k, v in getattr(day, n).items()} for n in ("entities", "logits")}
        dropped, honest = after(probation(), replace(day, **kept, **wide)), after(probation(), day)
        gained.append((dropped.wins - dropped.losses) - (honest.wins - honest.losses))
    assert min(gained) > 0


def test_silence_of_the_incumbent_counts_as_its_approval_too() -> None:
    day = alike(0)
    x = day.logits[AgentId("old")]
    quiet = replace(day, logits={**day.logits, AgentId("old"): np.where(x > 2.0, np.float32(np.nan), x)})
    got = after(probation(), quiet)
    assert got.losses == 0
    assert got.wins > after(probation(), day).wins


def test_silence_is_the_probability_0_for_a_proper_loss_and_pays_nobody() -> None:
    under = FreeAgencyRules(probation=ProbationRules(loss="brier"))
    for seed in range(5):
        day = calibrated(alike(seed))
        silent = withholding(day, missed_and_just_under(day))
        honest, withheld = (after(probation(under), d) for d in (day, silent))
        assert withheld.e.log_up < honest.e.log_up


def calibrated(day: Cohort) -> Cohort:
    """Logits that mean what they say: the log of the odds, with frauds and genuine rows two apart at a deviation of 1.

    Source: for equal variances the log of the odds is linear in the signal.
    """
    odds = np.log(300 / 1_700)
    return replace(day, logits={a: (2.0 * x - 2.0 + odds).astype(np.float32) for a, x in day.logits.items()})


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

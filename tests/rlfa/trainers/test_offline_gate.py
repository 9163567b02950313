"""The offline gate."""

from __future__ import annotations

import numpy as np
import pytest

from rlfa.lineup.slots import DAY_MS
from rlfa.rewards.money import Costs
from rlfa.trainers.offline_gate import OfflineResult, compare_offline, passes


def compare(candidate: list[float], incumbent: list[float], fraud: list[bool], days: list[int]) -> OfflineResult:
    return compare_offline(
        np.array(days, np.int64) * DAY_MS,
        np.ones(len(days)),
        np.array(fraud),
        np.array(candidate, np.float32),
        np.array(incumbent, np.float32),
        Costs(alert_budget_per_day=1, kappa=0.1),
    )


def test_each_agent_spends_the_same_budget_on_each_day() -> None:
    got = compare([9, 1, 5, 4], [1, 2, 0, 3], [True, False, True, False], [1, 1, 2, 2])
    assert (got.caught_candidate, got.caught_incumbent) == (2, 0)
    assert (got.loss_candidate, got.loss_incumbent) == (0.0, pytest.approx(2.2))
    assert (got.day_from, got.day_to, got.rows, got.frauds) == (1, 2, 4, 2)
    assert passes(got, 0.0)


def test_worse_candidate_does_not_pass_and_a_tie_does() -> None:
    worse = compare([1, 2], [2, 1], [True, False], [1, 1])
    assert not passes(worse, 0.0)
    assert passes(compare([2, 1], [2, 1], [True, False], [1, 1]), 0.0)


def test_margin_forgives_a_small_deficit() -> None:
    result = OfflineResult(
        day_from=1,
        day_to=1,
        rows=1,
        frauds=1,
        caught_candidate=1,
        caught_incumbent=1,
        loss_candidate=1.04,
        loss_incumbent=1.0,
    )
    assert not passes(result, 0.0)
    assert passes(result, 0.05)


def test_an_agent_approves_what_it_gave_no_score_for_and_what_neither_scored_is_dropped() -> None:
    got = compare([np.nan, 1, 0, np.nan], [3, np.nan, 1, np.nan], [True, True, True, True], [1, 1, 1, 1])
    assert (got.rows, got.frauds) == (3, 3)
    assert (got.caught_candidate, got.caught_incumbent) == (1, 1)


def test_silence_just_under_the_threshold_does_not_help_a_candidate_through_the_gate() -> None:
    incumbent, fraud = [9, 8, 7, 6], [True, True, False, True]
    honest = compare([1, 9, 2, 8], incumbent, fraud, [1, 1, 1, 1])
    silent = compare([1, 9, 2, np.nan], incumbent, fraud, [1, 1, 1, 1])
    assert silent.loss_candidate == honest.loss_candidate == honest.loss_incumbent

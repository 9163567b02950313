"""The mass simulation of `benchmarks.promotion` is the project's own test, only faster."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks.evidence import alarms
from benchmarks.evidence.kernels import E_DAY, E_ROW, NEVER, first_crossings
from benchmarks.evidence.nulls import NULLS
from benchmarks.evidence.power import Cell, fixed_frauds, fixed_share
from benchmarks.evidence.rule import IS_FRAUD, VALUES, VERDICTS, full_rule, log_e
from benchmarks.evidence.service import live
from benchmarks.evidence.several import e_bh
from benchmarks.evidence.shares import Share
from rlfa.free_agency.evalue import BETS, WEIGHTS, EValue, bet
from rlfa.free_agency.probation import verdict
from rlfa.free_agency.rules import ProbationRules
from tests.rlfa.free_agency.builders import probation

RULES = ProbationRules(frauds_min=10, rows_min=100, days_min=2, frauds_max=60, days_max=12)


def test_counts_of_values_give_the_projects_e_value() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = rng.integers(0, 9, len(VALUES))
        e = bet(EValue(), np.repeat(VALUES, counts))
        assert log_e(counts, VALUES) == pytest.approx(e.log_up, abs=1e-12)
        assert log_e(counts, -VALUES) == pytest.approx(e.log_down, abs=1e-12)


@pytest.mark.parametrize("lean", [0.6, 0.5, 0.3])
def test_vectorised_rule_ends_as_the_projects_verdict(lean: float) -> None:
    rng = np.random.default_rng([1, int(100 * lean)])
    days, streams = np.arange(1, RULES.days_max + 1), 60
    daily = rng.poisson(np.array([2.5 * lean, 2.5 * (1 - lean), 2.5, 1, 1]), (streams, len(days), len(VALUES)))
    got = full_rule(daily.cumsum(axis=1), days * 60, days, RULES)
    for s in range(streams):
        state = replace(probation(), rules=RULES)
        for day, counts in enumerate(daily[s]):
            margin = np.repeat(np.where(IS_FRAUD, RULES.gain_min, 0.0), counts)
            frauds = state.frauds + int(counts[IS_FRAUD].sum())
            e = bet(state.e, np.repeat(VALUES, counts), margin)
            state = replace(state, e=e, frauds=frauds, rows=60 * (day + 1), days=day + 1)
            if verdict(state) != "wait":
                break
        assert (VERDICTS[got.verdict[s]], got.look[s], got.frauds[s]) == (verdict(state), day, state.frauds)


def test_kernel_crosses_where_the_projects_e_value_does() -> None:
    rng = np.random.default_rng(2)
    crossed = 0
    for _ in range(30):
        row = np.sort(rng.integers(0, 1_000, 80))
        d = rng.choice([1.0, -0.5, 0.02], 80, p=[0.4, 0.4, 0.2])
        found, _ = first_crossings(row, d, 100, 10, np.array(BETS), np.array(WEIGHTS), 20.0, 1.645)
        path = [bet(EValue(), d[: k + 1]).log_up >= math.log(20) for k in range(80)]
        by_row = row[path.index(True)] + 1 if any(path) else NEVER
        ends = [bet(EValue(), d[row < 100 * (k + 1)]).log_up >= math.log(20) for k in range(10)]
        assert found[E_ROW] == by_row
        assert found[E_DAY] == (100 * (ends.index(True) + 1) if any(ends) else NEVER)
        crossed += any(path)
    assert 0 < crossed < 30


@pytest.mark.parametrize("truth", list(alarms.TRUTHS)[1:])
def test_alarms_of_the_guard_come_when_esr_step_rings(truth: str) -> None:
    lost, won = alarms.TRUTHS[truth]
    for seed in range(5):
        fast = alarms.alarms(alarms.DETECTORS["e-SR"], lost, won, 1, 400, np.random.default_rng(seed))
        assert fast.day[0] == alarms.alarm_of_the_guard(lost, won, 400, np.random.default_rng(seed))


def test_life_through_the_service_agrees_with_the_counts() -> None:
    found = live(np.random.default_rng(3), 12, (1.0, 3.0), ProbationRules(rows_min=1))
    assert found.verdict == "promote"
    assert found.difference < 1e-9


def test_e_bh_promotes_the_largest_set_that_pays_for_itself() -> None:
    e = np.log([45.0, 1.0, 41.0, 0.5])
    assert e_bh(e, 0.05).tolist() == [True, False, True, False]  # two at 4/(.05·2) = 40, though none reaches 80
    assert not e_bh(np.log([45.0, 1.0, 39.0, 0.5]), 0.05).any()


@pytest.mark.parametrize("null", NULLS, ids=lambda n: n.name)
def test_nulls_are_streams_in_order_whose_mean_is_not_above_zero(null: object) -> None:
    rng = np.random.default_rng(4)
    streams = [null.make(rng, null.days) for _ in range(30)]
    sums = np.array([s.d[s.counts].sum() for s in streams])
    assert all((np.diff(s.row) >= 0).all() and (np.abs(s.d) <= 1).all() for s in streams)
    assert sums.mean() <= 3.5 * sums.std() / math.sqrt(len(sums))


def test_fixed_horizon_has_the_power_that_it_was_planned_for() -> None:
    cell = Cell(0.10, 0.05, 0.01)
    assert fixed_share(cell, fixed_frauds(cell, 0.8), 20_000, np.random.default_rng(5)) == pytest.approx(0.8, abs=0.02)


def test_interval_of_a_share_holds_the_textbook_value() -> None:
    assert (Share(0, 10).low, Share(0, 10).high) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert (Share(5, 10).low, Share(5, 10).high) == pytest.approx((0.1871, 0.8129), abs=1e-4)

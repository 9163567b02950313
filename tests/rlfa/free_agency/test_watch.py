"""The hysteresis machine of underperformance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.free_agency.rules import WatchRules
from rlfa.free_agency.state import Watch
from rlfa.free_agency.watch import Signs, is_good, is_low, is_usable, move, read_signs, with_level
from rlfa.lineup.slots import AgentId
from rlfa.rewards.discounted import PairRecord, Record

RULES = WatchRules()
Cohorts = st.lists(st.sampled_from(["low", "good", "between"]), max_size=40)


def run(cohorts: str, watch: Watch | None = None) -> list[str]:
    """Standings after each cohort; L low, G good, - neither."""
    standings, watch = [], watch or Watch()
    for c in cohorts:
        watch = move(watch, low=c == "L", good=c == "G", rules=RULES)
        standings.append(watch.standing)
    return standings


@pytest.mark.parametrize(
    ("cohorts", "last"),
    [
        ("L", "watch"),
        ("-", "ok"),
        ("LL", "watch"),
        ("LLL", "under"),
        ("LL-L", "under"),
        ("L-L-L", "watch"),
        ("LG", "watch"),
        ("LGG", "ok"),
        ("LG-G", "watch"),
        ("LLLGGGG", "under"),
        ("LLLGGGGG", "ok"),
        ("LLLGGGG-GGGG", "under"),
        ("LLLGGGGGL", "watch"),
        ("LLLGGGGGLL", "watch"),
    ],
)
def test_standing_after(cohorts: str, last: str) -> None:
    assert run(cohorts)[-1] == last


@given(cohorts=Cohorts)
def test_nobody_underperforms_without_patience_low_cohorts_among_the_last_four(cohorts: list[str]) -> None:
    watch = Watch()
    for i, c in enumerate(cohorts):
        before, watch = watch, move(watch, low=c == "low", good=c == "good", rules=RULES)
        if before.standing != "under" and watch.standing == "under":
            assert before.standing == "watch"
            assert cohorts[max(0, i - 3) : i + 1].count("low") >= 3


@given(cohorts=Cohorts)
def test_nobody_recovers_from_under_without_five_good_cohorts_in_a_row(cohorts: list[str]) -> None:
    watch = Watch()
    for i, c in enumerate(cohorts):
        before, watch = watch, move(watch, low=c == "low", good=c == "good", rules=RULES)
        if before.standing == "under" and watch.standing == "ok":
            assert cohorts[i - 4 : i + 1] == ["good"] * 5


def signs(**changes: float | None) -> Signs:
    healthy: dict[str, float | None] = {"reward": 1.0, "detection": 0.8, "detection_min": 0.7}
    return Signs(**{**healthy, **changes})  # type: ignore[arg-type]


def test_healthy_agent_is_good_and_not_low() -> None:
    assert is_good(signs(), RULES)
    assert not is_low(signs(), RULES)


@pytest.mark.parametrize(
    "bad",
    [{"reward": -0.01}, {"detection": 0.69}, {"gap": 0.11, "gap_of": 1.0}],
    ids=["reward", "detection", "gap"],
)
def test_each_figure_alone_makes_a_cohort_low(bad: dict[str, float]) -> None:
    assert is_low(signs(**bad), RULES)
    assert not is_good(signs(**bad), RULES)


@pytest.mark.parametrize("middling", [{"detection": 0.71}, {"gap": 0.07, "gap_of": 1.0}], ids=["detection", "gap"])
def test_between_the_thresholds_a_cohort_is_neither_low_nor_good(middling: dict[str, float]) -> None:
    assert not is_low(signs(**middling), RULES)
    assert not is_good(signs(**middling), RULES)


def test_undefined_detection_is_never_low() -> None:
    assert not is_low(signs(detection=None), RULES)


def test_record_is_used_from_enough_rows_or_enough_cohorts() -> None:
    assert not is_usable(Record(rows=4_999, cohorts=13), RULES)
    assert is_usable(Record(rows=5_000, cohorts=2), RULES)
    assert is_usable(Record(rows=10, cohorts=14), RULES)


def test_level_is_set_once_after_the_first_cohorts() -> None:
    early = with_level(Watch(), Record(frauds=30, caught=24, cohorts=6), RULES)
    assert early.level is None
    level = with_level(Watch(), Record(frauds=30, caught=24, cohorts=7), RULES)
    assert level.level == pytest.approx(0.8)
    assert with_level(level, Record(frauds=30, caught=3, cohorts=8), RULES).level == pytest.approx(0.8)


def test_gap_is_measured_against_the_best_shadow_on_the_cohorts_that_both_scored() -> None:
    def pair(shadow: float, rows: float = 10_000) -> PairRecord:
        return PairRecord(incumbent=Record(gain=rows, rows=rows), shadow=Record(gain=shadow * rows, rows=rows))

    pairs = {AgentId("a"): pair(1.2), AgentId("b"): pair(1.5), AgentId("new"): pair(9.0, rows=10)}
    got = read_signs(Watch(level=0.8), Record(gain=1, rows=1), pairs, RULES)
    assert (got.best, got.gap, got.gap_of) == ("b", pytest.approx(0.5), pytest.approx(1.0))
    assert got.detection_min == pytest.approx(0.72)

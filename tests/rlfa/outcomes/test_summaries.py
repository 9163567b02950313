"""A day as histograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.summaries import DaySummary, merged, read_summary, summarise, summarise_table, write_summary

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


def of(values: list[float]) -> DaySummary:
    x = np.array(values, np.float32)
    return summarise(Day(3), ("x",), x[:, None], {AgentId("a"): x})


def code(value: float) -> int:
    (found,) = of([value]).features["x"].codes.tolist()
    return int(found)


@given(a=st.floats(width=32, allow_nan=False), b=st.floats(width=32, allow_nan=False))
def test_bins_keep_the_order_of_the_numbers_and_missing_is_below_all(a: float, b: float) -> None:
    assert code(float("nan")) < code(-np.inf) <= code(min(a, b)) <= code(max(a, b)) <= code(np.inf)


def test_small_whole_numbers_have_a_bin_each_and_zero_has_no_sign() -> None:
    assert len({code(float(i)) for i in range(-32, 33)}) == 65
    assert code(-0.0) == code(0.0)


@given(parts=st.lists(st.lists(FLOATS, min_size=1, max_size=20), min_size=1, max_size=5))
def test_days_add_up(parts: list[list[float]]) -> None:
    together = of([x for part in parts for x in part]).features["x"]
    added = merged(of(part).features["x"] for part in parts)
    assert (added.codes.tolist(), added.counts.tolist()) == (together.codes.tolist(), together.counts.tolist())
    assert together.rows == sum(map(len, parts))


def test_rows_without_a_score_are_not_among_the_scores() -> None:
    summary = of([1.0, float("nan"), 1.0])
    assert (summary.rows, summary.features["x"].rows, summary.logits[AgentId("a")].rows) == (3, 3, 2)


def test_summary_comes_back_from_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, logits = rng.normal(size=(50, 2)).astype(np.float32), rng.normal(size=50).astype(np.float32)
    before = summarise(Day(20_000), ("amount", "hour"), x, {AgentId("new-1"): logits})
    assert write_summary(before, tmp_path).name == "day=2024-10-04.parquet"
    after = read_summary(tmp_path, Day(20_000))
    assert (after.day, after.rows, list(after.features)) == (before.day, 50, ["amount", "hour"])
    for mine, theirs in ((before.features, after.features), (before.logits, after.logits)):
        assert mine.keys() == theirs.keys()
        for name, histogram in mine.items():
            assert histogram.codes.tolist() == theirs[name].codes.tolist()
            assert histogram.counts.tolist() == theirs[name].counts.tolist()


def test_journaled_rows_give_the_same_summary_as_arrays() -> None:
    x, logits = np.array([[1.0, 2.0], [3.0, np.nan]], np.float32), np.array([0.5, np.nan], np.float32)
    columns = {"feature:amount": x[:, 0], "feature:hour": x[:, 1], "logit:a": pa.array([0.5, None], pa.float32())}
    wide = summarise_table(pa.table(columns), Day(3))
    plain = summarise(Day(3), ("amount", "hour"), x, {AgentId("a"): logits})
    assert (wide.rows, list(wide.features), list(wide.logits)) == (2, ["amount", "hour"], ["a"])
    for name, histogram in plain.features.items():
        assert wide.features[name].codes.tolist() == histogram.codes.tolist()
    assert wide.logits[AgentId("a")].codes.tolist() == plain.logits[AgentId("a")].codes.tolist()

"""A day's scores before its labels, from the lanes' journals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.journal import DAY_MS, Columns, Journal
from rlfa.outcomes.scored import read_scored
from tests.rlfa.outcomes.test_journal_and_log import journal, rows

LARGE = "amount > 3"  # the feature, which counts 0, 2, 4 … in these rows


def test_a_day_is_read_without_its_labels_each_row_once(tmp_path: Path) -> None:
    lane = journal(tmp_path)
    lane.append_decisions(rows([1, 2, 3], [10, 20, DAY_MS + 1], logit=0.1))
    lane.append_decisions(rows([1, 2, 3], [10, 20, DAY_MS + 1], logit=0.9))  # tried again
    lane.close()
    day = read_scored(tmp_path / "journal", Day(0), (), frozenset())
    assert day is not None
    assert day.amount.tolist() == [9.5, 9.5]
    assert day.logits_of(AgentId("a"), "").tolist() == [np.float32(0.9)] * 2
    assert np.isnan(day.logits_of(AgentId("nobody"), "")).all()


def test_a_segment_has_its_rows_and_an_agent_that_came_later_none_before(tmp_path: Path) -> None:
    lane = journal(tmp_path)
    lane.append_decisions(replace(rows([1, 2, 3], [10, 20, 30]), amount=np.array([1.0, 2.0, 3.0])))
    lane.set_columns(Columns(features=("amount", "hour"), entities=("customer",), agents=("a", "b", "new")))
    lane.append_decisions(replace(rows([4, 5, 6], [40, 50, 60], agents=3), amount=np.array([4.0, 5.0, 6.0])))
    lane.close()
    day = read_scored(tmp_path / "journal", Day(0), (LARGE,), frozenset())
    assert day is not None
    assert day.amount_of(LARGE).tolist() == [3.0, 6.0]
    assert np.isnan(day.logits_of(AgentId("new"), "")).tolist() == [True] * 3 + [False] * 3
    assert np.isnan(day.logits_of(AgentId("new"), LARGE)).tolist() == [True, False]


def test_a_day_without_a_transaction_is_none(tmp_path: Path) -> None:
    Journal(tmp_path / "journal" / "lane-0").close()
    assert read_scored(tmp_path / "journal", Day(0), (), frozenset()) is None

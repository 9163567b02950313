"""From the lane's journal to a closed day."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes import log
from rlfa.outcomes.journal import DAY_MS, DECISIONS, Columns, DecisionRows, Journal, JournalError, LabelRows, days, read

COLUMNS = Columns(features=("amount", "hour"), entities=("customer",), agents=("a", "b"))


def rows(offsets: list[int], times: list[int], logit: float = 0.5, agents: int = 2) -> DecisionRows:
    n = len(offsets)
    return DecisionRows(
        tx_id=[f"t{o}" for o in offsets],
        tx_hash=np.array(offsets, np.uint64),
        partition=np.zeros(n, np.int32),
        offset=np.array(offsets, np.int64),
        event_time=np.array(times, np.int64),
        amount=np.full(n, 9.5),
        entities=np.ones((n, 1), np.uint64),
        features=np.arange(2 * n, dtype=np.float32).reshape(n, 2),
        logits=np.full((n, agents), logit, np.float32),
        voted=np.ones((n, agents), np.bool_),
        score=np.full(n, 0.3, np.float32),
        action=np.zeros(n, np.int8),
        propensity=np.ones(n),
        explored=np.zeros(n, np.bool_),
        covered=np.ones(n, np.bool_),
        floor=np.full(n, np.nan),
        over_budget=np.zeros(n, np.bool_),
        degraded=np.zeros(n, np.bool_),
        rules=np.empty((n, 0), np.int8),
        epoch=1,
    )


def labels(hashes: list[int], times: list[int], fraud: list[bool]) -> LabelRows:
    return LabelRows(
        np.array(hashes, np.uint64), np.array(times, np.int64), np.array(fraud), ["chargeback"] * len(hashes)
    )


def journal(tmp_path: Path) -> Journal:
    opened = Journal(tmp_path / "journal" / "lane-0")
    opened.set_columns(COLUMNS)
    return opened


def closed(tmp_path: Path, delay_days: int = 2) -> Path | None:
    return log.close_day(tmp_path / "journal", tmp_path / "outcomes", Day(0), delay_days * DAY_MS)


def test_a_day_is_read_back_with_its_labels(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.append_decisions(rows([1, 2, 3], [10, 20, DAY_MS + 1]))
    opened.append_labels(labels([2], [DAY_MS + 5], [True]))
    path = closed(tmp_path)
    assert path is not None
    cohort = log.load_cohort(path)
    assert cohort.tx_hash.tolist() == [1, 2]
    assert cohort.fraud.tolist() == [False, True]
    assert set(cohort.logits) == {AgentId("a"), AgentId("b")}


def test_a_label_that_came_after_the_delay_is_not_used(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.append_decisions(rows([1], [10]))
    opened.append_labels(labels([1], [3 * DAY_MS + 1], [True]))
    path = closed(tmp_path, delay_days=2)
    assert path is not None
    assert log.load_cohort(path).fraud.tolist() == [False]


def test_a_later_label_supersedes_an_earlier_one(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.append_decisions(rows([1], [10]))
    opened.append_labels(labels([1, 1], [DAY_MS, DAY_MS + 9], [True, False]))
    path = closed(tmp_path)
    assert path is not None
    assert log.load_cohort(path).fraud.tolist() == [False]


LABEL = st.tuples(st.integers(1, 3), st.integers(0, 30), st.booleans())  # transaction, known after so many hours, fraud


@settings(max_examples=25)
@given(found=st.lists(LABEL, min_size=1, max_size=8), data=st.data())
def test_the_newest_label_by_event_time_counts_in_whatever_order_and_batches_they_came(
    found: list[tuple[int, int, bool]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shuffled = data.draw(st.permutations(found))
    cut = data.draw(st.integers(0, len(found)))
    tmp_path = tmp_path_factory.mktemp("labels")
    opened = journal(tmp_path)
    opened.append_decisions(rows([1, 2, 3], [10, 20, 30]))
    for batch in (shuffled[:cut], shuffled[cut:]):
        if batch:
            hashes, hours, frauds = (list(column) for column in zip(*batch, strict=True))
            opened.append_labels(labels(hashes, [h * 3_600_000 for h in hours], frauds))
    path = closed(tmp_path, delay_days=0)
    assert path is not None
    in_time = [label for label in found if label[1] <= 24]
    for tx, fraud in zip([1, 2, 3], log.load_cohort(path).fraud.tolist(), strict=True):
        hour = max((h for t, h, _ in in_time if t == tx), default=None)
        assert fraud == any(f for t, h, f in in_time if t == tx and h == hour)


def test_of_a_batch_that_was_tried_twice_the_last_try_counts(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.append_decisions(rows([1, 2], [10, 20], logit=0.1))
    first.close()
    second = journal(tmp_path)
    second.append_decisions(rows([1, 2], [10, 20], logit=0.9))
    path = closed(tmp_path)
    assert path is not None
    assert log.load_cohort(path).logits[AgentId("a")].tolist() == pytest.approx([0.9, 0.9])


def test_a_new_lineup_starts_new_columns_and_missing_scores_are_nan(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.append_decisions(rows([1], [10]))
    opened.set_columns(Columns(COLUMNS.features, COLUMNS.entities, ("a", "c")))
    opened.append_decisions(rows([2], [20]))
    path = closed(tmp_path)
    assert path is not None
    cohort = log.load_cohort(path)
    assert np.isnan(cohort.logits[AgentId("b")]).tolist() == [False, True]
    assert np.isnan(cohort.logits[AgentId("c")]).tolist() == [True, False]


def test_rows_without_any_agent_are_kept(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.set_columns(Columns(COLUMNS.features, COLUMNS.entities, ()))
    opened.append_decisions(rows([1], [10], agents=0))
    assert closed(tmp_path) is not None


def test_a_file_cut_off_in_the_middle_gives_its_whole_batches(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.append_decisions(rows([1], [10]))
    opened.append_decisions(rows([2], [20]))
    (path,) = (tmp_path / "journal").glob("*/decisions/0/*.arrow")
    path.write_bytes(path.read_bytes()[:-100])
    tables = list(read(tmp_path / "journal", DECISIONS, 0))
    assert [t["tx_id"].to_pylist() for t in tables] == [["t1"]]


def test_days_are_listed_in_order(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.append_decisions(rows([1, 2], [5 * DAY_MS, 3 * DAY_MS]))
    assert days(tmp_path / "journal", DECISIONS) == [3, 5]


def test_training_takes_the_rows_of_several_days(tmp_path: Path) -> None:
    opened = journal(tmp_path)
    opened.append_decisions(rows([1, 2], [10, DAY_MS + 10]))
    paths = [log.close_day(tmp_path / "journal", tmp_path / "outcomes", Day(d), 0) for d in (0, 1)]
    training = log.load_training([p for p in paths if p])
    assert training.features.shape == (2, 2)
    assert training.feature_names == ("amount", "hour")


def test_a_journal_that_cannot_be_written_stops_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="allowed: a folder that the service may write"):
        Journal(tmp_path / "file" / "lane-0")

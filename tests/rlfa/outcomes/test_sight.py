"""Where declines hide the truth, a closed day says whose was seen and how much each stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rlfa.lineup.slots import Day
from rlfa.outcomes import log
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.journal import DAY_MS, Columns, DecisionRows, Journal, LabelRows
from rlfa.outcomes.sight import Sight

APPROVE, REVIEW, DECLINE = 0, 1, 2
EPSILON = 0.04
ROWS = {  # id: action, propensity, explored, covered, fraud label
    1: (APPROVE, 1.0, False, True, False),
    2: (REVIEW, 1.0, False, True, True),
    3: (APPROVE, EPSILON, True, True, True),
    4: (DECLINE, 1 - EPSILON, False, True, False),
    5: (DECLINE, 1 - EPSILON, False, True, True),  # somebody reported it all the same
    6: (DECLINE, 1.0, False, False, False),  # too large to explore
    7: (APPROVE, 1.0, False, False, True),
}


def close(tmp_path: Path, *, declines_hide: bool) -> Path:
    n = len(ROWS)
    action, propensity, explored, covered, fraud = (np.array(c) for c in zip(*ROWS.values(), strict=True))
    lane = Journal(tmp_path / "journal" / "lane-0")
    lane.set_columns(Columns(("hour",), ("customer",), ("a",)))
    hashes = np.array(list(ROWS), np.uint64)
    lane.append_decisions(
        DecisionRows(
            tx_id=[f"t{i}" for i in ROWS],
            tx_hash=hashes,
            partition=np.zeros(n, np.int32),
            offset=np.arange(n, dtype=np.int64),
            event_time=np.arange(n, dtype=np.int64),
            amount=np.where(covered, 50.0, 500.0),
            entities=hashes[:, None],
            features=np.ones((n, 1), np.float32),
            logits=np.ones((n, 1), np.float32),
            voted=np.ones((n, 1), np.bool_),
            score=np.full(n, 0.5, np.float32),
            action=action.astype(np.int8),
            propensity=propensity,
            explored=explored,
            covered=covered,
            floor=np.full(len(ROWS), np.nan),
            over_budget=np.zeros(len(ROWS), np.bool_),
            degraded=np.zeros(n, np.bool_),
            rules=np.empty((n, 0), np.int8),
            epoch=1,
        )
    )
    known = np.full(int(fraud.sum()), DAY_MS, np.int64)
    lane.append_labels(LabelRows(hashes[fraud], known, known > 0, ["chargeback"] * len(known)))
    lane.close()
    path = log.close_day(tmp_path / "journal", tmp_path / "out", Day(0), DAY_MS, declines_hide=declines_hide)
    assert path is not None
    return path


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    return close(tmp_path, declines_hide=True)


def by_id(cohort: Cohort, values: np.ndarray) -> dict[int, float]:
    return dict(zip(cohort.tx_hash.tolist(), values.tolist(), strict=True))


def test_a_declined_payment_that_nobody_labelled_is_neither_fraud_nor_genuine(hidden: Path) -> None:
    table = pq.read_table(hidden)
    labels = dict(zip(table["tx_hash"].to_pylist(), table["label"].to_pylist(), strict=True))
    assert labels == {1: False, 2: True, 3: True, 4: None, 5: True, 6: None, 7: True}


def test_let_through_or_looked_at_is_seen_and_weighs_one_over_its_propensity(hidden: Path) -> None:
    cohort = log.load_cohort(hidden)
    assert by_id(cohort, cohort.seen) == {1: True, 2: True, 3: True, 4: False, 5: False, 6: False, 7: True}
    assert by_id(cohort, cohort.weight) == {1: 1.0, 2: 1.0, 3: 25.0, 4: 0.0, 5: 0.0, 6: 0.0, 7: 0.0}
    assert by_id(cohort, cohort.hidden) == {1: False, 2: False, 3: False, 4: True, 5: True, 6: False, 7: False}


def test_a_label_of_a_declined_payment_counts_for_nothing_since_only_frauds_have_one(hidden: Path) -> None:
    cohort = log.load_cohort(hidden)
    assert by_id(cohort, cohort.fraud)[5] is False
    training = log.load_training([hidden])
    assert training.fraud.tolist() == [False, True, True, True]
    assert training.weight.tolist() == [1.0, 1.0, 25.0, 0.0]


def test_agents_are_compared_on_every_row_with_nothing_learnt_from_the_hidden_ones(hidden: Path) -> None:
    rows = log.load_training([hidden], unseen=True)
    assert rows.weight.tolist() == [1.0, 1.0, 25.0, 0.0, 0.0, 0.0, 0.0]
    assert rows.fraud[rows.weight == 0].tolist() == [False, False, False, True]


def test_what_exploration_did_not_cover_is_left_out_approved_or_not_and_reported(hidden: Path) -> None:
    cohort = log.load_cohort(hidden)
    assert cohort.left_out == 2
    assert cohort.left_out_amount == pytest.approx(1000 / 1250)
    assert cohort.is_measured
    assert cohort.least_chance == pytest.approx(EPSILON)


def test_tests_get_the_weights_times_their_smallest_chance(hidden: Path) -> None:
    cohort = log.load_cohort(hidden)
    assert by_id(cohort, cohort.scaled(0.01)) == pytest.approx({1: 0.01, 2: 0.01, 3: 0.25, 4: 0, 5: 0, 6: 0, 7: 0})
    with pytest.raises(AssertionError):
        cohort.scaled(0.05)


def test_where_the_truth_is_known_whatever_was_decided_nothing_is_hidden(tmp_path: Path) -> None:
    path = close(tmp_path, declines_hide=False)
    cohort = log.load_cohort(path)
    assert cohort.sight is None
    assert by_id(cohort, cohort.fraud) == {i: row[-1] for i, row in ROWS.items()}
    assert cohort.weight.tolist() == [1.0] * len(ROWS)
    assert cohort.left_out == 0
    assert log.load_training([path]).weight.tolist() == [1.0] * len(ROWS)


def test_a_day_without_exploration_measures_nothing() -> None:
    nothing = Sight(np.array([True, False]), np.zeros(2))
    assert nothing.weight.tolist() == [0.0, 0.0]
    assert nothing.least == np.inf

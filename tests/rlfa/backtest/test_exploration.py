"""Exploration the whole way: what a history's decisions hide, and what stood for it in the ledger."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from rlfa.backtest import Played, run
from rlfa.cli.explain import explain_again
from rlfa.free_agency.events import CohortTaken
from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.slots import Day
from rlfa.outcomes import log
from rlfa.outcomes.late import closed_days
from tests.rlfa.backtest.histories import EXPLORING, service_in, simulated


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    service = service_in(tmp_path_factory.mktemp("exploring"), EXPLORING)
    return run(service, simulated(service, 18, customers=1200), wall_ms=lambda: 1)


def test_what_was_declined_is_hidden_and_what_passed_stands_for_it(played: Played) -> None:
    taken = [msgspec.json.decode(e.evidence, type=CohortTaken) for e in played.entries if e.kind == "CohortTaken"]
    counted = {d.day: d for d in closed_days(Path("nowhere"), played.service.outcomes, [Day(e.day) for e in taken])}
    passed = 0
    for event in taken:
        table = pq.read_table(log.path_of(played.service.outcomes, event.day))
        cohort = log.cohort_of(table, event.day)
        declined = table["action"].to_numpy() == ACTIONS.index("decline")
        explored = table["explored"].to_numpy(zero_copy_only=False)
        covered = table["covered"].to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(covered, cohort.amount <= 400.0)
        np.testing.assert_array_equal(cohort.weight, np.where(covered & ~declined, np.where(explored, 4.0, 1.0), 0.0))
        assert (event.hidden, event.left_out) == (int((declined & covered).sum()), int((~covered).sum()))
        assert (counted[event.day].hidden, counted[event.day].explored) == (event.hidden, int(explored.sum()))
        for earned in event.earned.values():
            assert earned.weighed is not None
            assert earned.weighed.rows == cohort.weight.sum()
        passed += int(explored.sum())
    assert passed > 0
    assert any(event.earned for event in taken)


def test_every_decision_that_was_drawn_is_explained_again(played: Played) -> None:
    tables = [pq.read_table(log.path_of(played.service.outcomes, d)) for d in log.closed_days(played.service.outcomes)]
    rows = [r for t in tables for r in t.select(["tx_id", "propensity", "explored", "epoch"]).to_pylist()]
    drawn = [r for r in rows if r["propensity"] < 1.0 and r["epoch"]]
    assert Counter(r["propensity"] for r in drawn).keys() == {0.25, 0.75}
    for row in [*drawn[:2], *[r for r in drawn if r["explored"]][:2]]:
        found = explain_again(played.service, row["tx_id"], None)
        assert found.agrees
        assert (found.propensity, found.explored, found.explored_again) == (
            row["propensity"],
            row["explored"],
            row["explored"],
        )

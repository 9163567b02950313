"""Labels that come after their day was closed change nothing, and are counted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from rlfa.cli import app
from rlfa.lineup.slots import Day
from rlfa.outcomes import log
from rlfa.outcomes.journal import DAY_MS, Journal, LabelRows
from rlfa.outcomes.late import ClosedDay, closed_days, late_share
from tests.end_to_end.services import SPEC
from tests.rlfa.outcomes.test_journal_and_log import COLUMNS, labels, rows

DELAY = 2 * DAY_MS


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two closed days of three transactions each, one of them a fraud that was known in time."""
    lane = Journal(tmp_path / "state" / "journal" / "lane-0")
    lane.set_columns(COLUMNS)
    lane.append_decisions(rows([1, 2, 3], [10, 20, 30]))
    lane.append_decisions(rows([4, 5, 6], [DAY_MS + 10, DAY_MS + 20, DAY_MS + 30]))
    lane.append_labels(labels([1, 4], [DAY_MS, 2 * DAY_MS], [True, True]))
    lane.close()
    for day in (0, 1):
        log.close_day(tmp_path / "state" / "journal", tmp_path / "state" / "outcomes", Day(day), DELAY)
    return tmp_path / "state"


def add(state: Path, given: LabelRows) -> None:
    lane = Journal(state / "journal" / "lane-0")
    lane.append_labels(given)
    lane.close()


def counted(state: Path) -> list[ClosedDay]:
    return closed_days(state / "journal", state / "outcomes", [Day(0), Day(1)])


def test_nothing_is_late_at_first(state: Path) -> None:
    assert [(d.transactions, d.frauds, d.late, d.late_frauds) for d in counted(state)] == [(3, 1, 0, 0)] * 2
    assert late_share(counted(state)) == 0.0


def test_a_fraud_known_after_the_delay_is_late_for_its_own_day(state: Path) -> None:
    add(state, labels([2], [DAY_MS + DELAY + 1], [True]))
    assert [(d.late, d.late_frauds) for d in counted(state)] == [(1, 1), (0, 0)]
    assert late_share(counted(state)) == pytest.approx(1 / 3)


def test_a_label_that_was_known_in_time_and_read_too_late_is_late_too(state: Path) -> None:
    add(state, labels([5], [DAY_MS + 40], [True]))
    assert [(d.late, d.late_frauds) for d in counted(state)] == [(0, 0), (1, 1)]


def test_a_late_reversal_is_late_and_no_fraud(state: Path) -> None:
    add(state, labels([1], [9 * DAY_MS], [False]))
    assert [(d.late, d.late_frauds) for d in counted(state)] == [(1, 0), (0, 0)]


def test_the_same_label_again_is_not_late(state: Path) -> None:
    add(state, labels([1], [DAY_MS], [True]))
    assert [d.late for d in counted(state)] == [0, 0]


def test_the_command_says_that_the_label_delay_is_too_short(state: Path) -> None:
    root = state.parent
    (root / "rlfa.toml").write_text('stream = "stream.toml"\nstate = "state"\n')
    (root / "stream.toml").write_text(SPEC)
    command = ["cohorts", "--config", str(root / "rlfa.toml")]
    assert "too late to count" not in CliRunner().invoke(app, command).stdout
    add(state, labels([2], [DAY_MS + DELAY + 1], [True]))
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "33.3% of the frauds came too late to count: raise the stream's label_delay" in result.stdout
    found = msgspec.json.decode(CliRunner().invoke(app, [*command, "--json"]).stdout, type=list[ClosedDay])
    assert found == counted(state)
    assert np.datetime64(found[0].day, "D") == np.datetime64("1970-01-01")


def test_the_newest_days_can_be_asked_for(state: Path) -> None:
    assert [d.day for d in closed_days(state / "journal", state / "outcomes", [Day(1)])] == [1]
    assert closed_days(state / "journal", state / "outcomes", []) == []

"""A history played by the service's own parts: what comes first, what nobody may know yet, what is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlfa.backtest import Played, run
from rlfa.backtest.engine import BacktestError, first_day_of
from rlfa.cli.explain import explain_again
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.outcomes import log
from streams.history import UNKNOWN, History
from tests.rlfa.backtest.histories import service_in, simulated

DAYS, DELAY_DAYS = 18, 4


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    service = service_in(tmp_path_factory.mktemp("played"))
    return run(service, simulated(service, DAYS, customers=1200), wall_ms=lambda: 1)


def head(history: History, end: int) -> History:
    return History(**{f: getattr(history, f)[:end] for f in History.__dataclass_fields__ if f != "refused"})


def test_every_row_from_the_first_day_on_is_decided_once_and_closed_days_are_in_the_log(played: Played) -> None:
    days = played.history.event_time // DAY_MS
    np.testing.assert_array_equal(played.rows, np.flatnonzero(days >= played.first_day))
    assert np.isfinite(played.score).all()
    last = int(days[-1])
    assert log.closed_days(played.service.outcomes) == list(range(int(days[0]), last - DELAY_DAYS))
    judged = {e.event_day for e in played.entries if e.kind == "CohortTaken"}
    assert judged == set(range(played.first_day, last - DELAY_DAYS))


def test_what_comes_later_changes_nothing_that_was_decided_before(played: Played, tmp_path: Path) -> None:
    service = service_in(tmp_path)
    end = len(played.history) - 400
    shorter = run(service, head(played.history, end), played.first_day, wall_ms=lambda: 1)
    there = played.rows < end
    np.testing.assert_array_equal(shorter.score, played.score[there])
    np.testing.assert_array_equal(shorter.action, played.action[there])
    assert shorter.entries == played.entries[: len(shorter.entries)]
    assert len(shorter.entries) > 5


def test_a_new_lineup_plays_from_the_transaction_after_the_one_that_closed_the_day(played: Played) -> None:
    times = played.history.event_time[played.rows]
    for entry in played.entries:
        if entry.kind == "EpochChanged" and entry.epoch > 1:
            at = int(np.searchsorted(times, entry.event_at))
            assert entry.event_at == times[at] >= (entry.event_day + 1 + DELAY_DAYS) * DAY_MS > times[at - 1]
            assert played.epoch[at + 1] == entry.epoch > played.epoch[at]


def test_decisions_of_closed_and_of_open_days_are_explained_again_to_the_same_score(played: Played) -> None:
    for i in (0, len(played.rows) - 1):
        explained = explain_again(played.service, played.history.tx_id[played.rows[i]], None)
        assert explained.agrees
        assert explained.score == np.float32(played.score[i])


def test_rows_that_nobody_will_know_about_are_decided_and_never_judged(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    history = simulated(service, 13, customers=800)
    label = np.where(np.arange(len(history)) % 3 == 0, UNKNOWN, history.label).astype(np.int8)
    columns = {f: getattr(history, f) for f in History.__dataclass_fields__}
    first = Day(int(history.event_time[0]) // DAY_MS + 7)
    played = run(service, History(**{**columns, "label": label}), first)
    cohort = log.load_cohort(log.path_of(service.outcomes, played.first_day))
    of_day = label[played.rows[played.day == played.first_day]]
    assert len(cohort) == (of_day != UNKNOWN).sum() < len(of_day)


def test_a_history_too_short_to_close_a_day_is_refused(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    with pytest.raises(BacktestError, match=r"3 days, allowed: more than \d+, for 20 frauds"):
        first_day_of(simulated(service, 3, customers=4000), service.spec.label_delay_ms)
    with pytest.raises(BacktestError, match="at least 20"):
        first_day_of(simulated(service, 3, customers=50), service.spec.label_delay_ms)


def test_a_state_folder_that_something_has_begun_in_is_refused(played: Played) -> None:
    with pytest.raises(BacktestError, match="nothing has begun in"):
        run(played.service, played.history)

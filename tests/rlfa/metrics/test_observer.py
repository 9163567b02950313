"""Lag that markers don't spoil, restarts told apart, and a broker that is away."""

from __future__ import annotations

from collections.abc import Mapping

from rlfa.metrics.lag import Lag, Lags
from rlfa.metrics.observer import Observer, Restarts, Seen
from streams.errors import BrokerError
from streams.kafka.offsets import Standing
from streams.kafka.source import Place
from tests.rlfa.metrics.builders import TRANSACTIONS, lane, reports


def looked(lags: Lags, at: float, committed: int | None, end: int, reached: int = 0, open_end: int = 0) -> Lag:
    standing = Standing(committed, end, max(end, open_end))
    return lags.look(at, {TRANSACTIONS: standing}, {TRANSACTIONS: reached})[TRANSACTIONS]


def test_markers_behind_the_last_record_are_no_lag_once_the_lane_has_read_to_the_end() -> None:
    lags = Lags()
    assert looked(lags, 0.0, committed=10, end=11, reached=10).records == 1  # a marker, or a record: nobody has looked
    assert looked(lags, 1.0, committed=10, end=11, reached=11) == Lag(0, 0.0, 0)


def test_lag_grows_while_a_lane_is_away_although_it_had_said_that_it_was_at_the_end() -> None:
    lags = Lags()
    looked(lags, 0.0, committed=10, end=11, reached=11)
    assert looked(lags, 5.0, committed=10, end=31) == Lag(21, 0.0, 0)
    assert looked(lags, 9.0, committed=10, end=41) == Lag(31, 4.0, 0)


def test_seconds_count_from_the_first_thing_that_is_not_done() -> None:
    lags = Lags()
    for at, end in ((0.0, 10), (10.0, 20), (20.0, 30)):
        looked(lags, at, committed=10, end=end)
    assert looked(lags, 25.0, committed=10, end=30).seconds == 15.0
    assert looked(lags, 25.0, committed=20, end=30).seconds == 5.0
    assert looked(lags, 25.0, committed=30, end=30).seconds == 0.0


def test_a_record_after_hours_of_silence_is_not_hours_behind() -> None:
    lags = Lags()
    for at in range(0, 7200, 60):
        looked(lags, float(at), committed=10, end=10)
    assert looked(lags, 7200.0, committed=10, end=11).seconds == 0.0


def test_what_nobody_has_committed_yet_is_all_behind() -> None:
    assert looked(Lags(), 0.0, committed=None, end=7).records == 7


def test_records_of_a_transaction_that_is_open_are_told_apart() -> None:
    assert looked(Lags(), 0.0, committed=10, end=10, open_end=15) == Lag(0, 0.0, 5)


def test_a_process_that_comes_back_counts_once_with_why_it_had_gone() -> None:
    restarts = Restarts()
    for report in (lane(pid=1), None, lane(pid=2), lane(pid=2), None, lane(pid=3, was_hung=True)):
        found = restarts.look(reports(report))
    assert (found["lane-0", "died"], found["lane-0", "watchdog"]) == (1, 1)


def test_a_process_that_was_never_away_has_counts_of_nought() -> None:
    assert set(Restarts().look(reports(lane())).values()) == {0}


def test_a_broker_that_is_away_leaves_the_rest_of_the_look() -> None:
    def away() -> Mapping[Place, Standing]:
        raise BrokerError("kafka", "nobody", "a broker that answers")

    found: list[Seen] = []
    Observer(lambda: reports(lane()), away, found.append, 1.0).look()
    (seen,) = found
    assert not seen.is_broker_up
    assert seen.reports.lanes[0] is not None

"""Where a lane starts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lanes.recovery import RecoveryError, reached, route

HERE = ("transactions", 0)


def test_a_first_start_reads_everything_that_the_broker_has() -> None:
    found = route(snapshot={}, committed={HERE: None}, retained={HERE: (5, 9)})
    assert found.start == {HERE: 5}
    assert found.live == {HERE: 5}


def test_a_restart_replays_from_the_snapshot_to_the_committed_offset() -> None:
    found = route(snapshot={HERE: 40}, committed={HERE: 60}, retained={HERE: (0, 100)})
    assert (found.start[HERE], found.live[HERE]) == (40, 60)


def test_a_snapshot_older_than_the_brokers_retention_stops_the_start() -> None:
    with pytest.raises(RecoveryError, match="oldest, while the snapshot stands for 40"):
        route(snapshot={HERE: 40}, committed={HERE: 60}, retained={HERE: (50, 100)})


def test_committed_offsets_that_are_gone_stop_the_start() -> None:
    with pytest.raises(RecoveryError, match="no committed offset of the lanes' group, while the snapshot"):
        route(snapshot={HERE: 40}, committed={HERE: None}, retained={HERE: (0, 100)})


def test_committed_offsets_that_went_back_stop_the_start() -> None:
    with pytest.raises(RecoveryError, match="committed offset 30 of the lanes' group, while the snapshot"):
        route(snapshot={HERE: 40}, committed={HERE: 30}, retained={HERE: (0, 100)})


def test_transactions_that_the_broker_dropped_undecided_stop_the_start() -> None:
    with pytest.raises(RecoveryError, match="found offset 70 as the broker's oldest, while 60 is the next"):
        route(snapshot={}, committed={HERE: 60}, retained={HERE: (70, 100)})


def test_a_snapshot_of_an_idle_partition_needs_no_committed_offset() -> None:
    found = route(snapshot={HERE: 5}, committed={HERE: None}, retained={HERE: (5, 5)})
    assert found.live == {HERE: 5}


def test_a_broker_that_forgot_stops_the_start() -> None:
    with pytest.raises(RecoveryError, match="while this lane had come to offset 60"):
        route(snapshot={HERE: 40}, committed={HERE: 60}, retained={HERE: (0, 0)})


@given(first=st.integers(0, 50), snapshot=st.integers(0, 100), ahead=st.integers(0, 50))
def test_nothing_live_is_ever_replayed_in_silence(first: int, snapshot: int, ahead: int) -> None:
    begin = first + snapshot
    found = route(snapshot={HERE: begin}, committed={HERE: begin + ahead}, retained={HERE: (first, 500)})
    assert found.start[HERE] <= found.live[HERE] == begin + ahead


@pytest.mark.parametrize(
    ("read", "ends", "found"),
    [
        (7, {}, 7),  # the reader hasn't met the end
        (7, {HERE: 9}, 9),  # two markers behind the last record
        (8, {HERE: 9}, 7),  # one is read and not yet through
        (7, {HERE: 6}, 7),  # an end of before
    ],
)
def test_a_partition_is_through_up_to_its_markers_only_where_all_that_was_read_is_through(
    read: int, ends: dict[tuple[str, int], int], found: int
) -> None:
    assert reached({HERE: 7}, [({HERE: read}, ends), ({}, {})]) == {HERE: found}

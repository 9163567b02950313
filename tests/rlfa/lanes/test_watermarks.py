"""Event time per partition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lanes.watermarks import OK, TOO_FAR_AHEAD, TOO_OLD, Watermarks

DAY = 86_400_000


def watermarks() -> Watermarks:
    return Watermarks(lateness_max_ms=DAY, ahead_max_ms=7 * DAY)


def admit(marks: Watermarks, times: list[int], partition: int = 0) -> list[int]:
    return marks.admit(np.full(len(times), partition, np.int32), np.array(times, np.int64)).tolist()


def test_a_record_within_the_allowed_lateness_is_admitted() -> None:
    assert admit(watermarks(), [10 * DAY, 9 * DAY]) == [OK, OK]


def test_a_record_behind_the_allowed_lateness_is_too_old() -> None:
    assert admit(watermarks(), [10 * DAY, 9 * DAY - 1]) == [OK, TOO_OLD]


def test_a_jump_ahead_is_refused_and_does_not_move_the_watermark() -> None:
    marks = watermarks()
    assert admit(marks, [10 * DAY, 40 * DAY, 10 * DAY + 1]) == [OK, TOO_FAR_AHEAD, OK]
    assert marks.newest() == 10 * DAY + 1


def test_partitions_have_their_own_event_time() -> None:
    marks = watermarks()
    assert admit(marks, [100 * DAY], partition=0) == [OK]
    assert admit(marks, [1 * DAY], partition=1) == [OK]


@given(
    times=st.lists(st.integers(0, 30 * DAY), min_size=1, max_size=40),
    cut=st.integers(0, 40),
)
def test_the_batching_of_records_does_not_matter(times: list[int], cut: int) -> None:
    whole, parts = watermarks(), watermarks()
    together = admit(whole, times)
    apart = [v for part in (times[:cut], times[cut:]) if part for v in admit(parts, part)]
    assert together == apart
    assert whole.by_partition == parts.by_partition

"""One order, whatever the way in which the records came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.source import Place, Record
from streams.kafka.timeline import END, Moment, Timeline

RANKS = {"labels": 0, "tx": 1}
PLACES: list[Place] = [("labels", 0), ("tx", 0), ("tx", 1)]


@st.composite
def streams(draw: st.DrawFn) -> dict[Place, list[Record]]:
    times = st.lists(st.integers(0, 6), max_size=6)
    return {
        place: [Record(*place, offset, at, None, None) for offset, at in enumerate(draw(times))] for place in PLACES
    }


def read(streams: dict[Place, list[Record]], steps: list[tuple[Place, int]], most: int) -> list[Record]:
    """Some partition's next few records at each step, the rest at the end; ended once they are all read."""
    timeline, out = Timeline(RANKS, PLACES), []
    left = {place: list(records) for place, records in streams.items()}
    until = Moment(-1, -1, -1, -1)
    for place, count in (*steps, *((place, 100) for place in PLACES), *((PLACES[0], 0) for _ in range(20))):
        timeline.offer(left[place][:count])
        del left[place][:count]
        taken = timeline.take({p for p in PLACES if not left[p]}, most)
        out += taken.records
        assert all(until < tuple(moment) <= taken.until for moment in taken.moments.tolist())
        until = taken.until
    return out


@given(streams(), st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 3)), max_size=20), st.integers(1, 5))
def test_the_order_depends_on_the_records_alone(
    streams: dict[Place, list[Record]], steps: list[tuple[Place, int]], most: int
) -> None:
    whole = Timeline(RANKS, PLACES)
    whole.offer([record for records in streams.values() for record in records])
    expected = whole.take(PLACES, 1000)
    assert expected.until == END
    assert read(streams, steps, most) == expected.records


@given(streams())
def test_each_partition_keeps_its_own_order_and_timestamps_decide_between_them(
    streams: dict[Place, list[Record]],
) -> None:
    timeline = Timeline(RANKS, PLACES)
    timeline.offer([record for records in streams.values() for record in records])
    taken = timeline.take(PLACES, 1000)
    for place, records in streams.items():
        assert [r for r in taken.records if (r.topic, r.partition) == place] == records
    assert taken.moments[:, 0].tolist() == sorted(taken.moments[:, 0].tolist())


def test_a_partition_that_may_have_earlier_records_is_waited_for() -> None:
    timeline = Timeline(RANKS, PLACES)
    timeline.offer([Record("tx", 0, 0, 5, None, None)])
    assert timeline.take({("labels", 0)}, 10).records == []
    timeline.offer([Record("tx", 1, 0, 4, None, None), Record("tx", 1, 1, 7, None, None)])
    assert [r.timestamp for r in timeline.take({("labels", 0)}, 10).records] == [4, 5]
    assert [r.timestamp for r in timeline.take(PLACES, 10).records] == [7]

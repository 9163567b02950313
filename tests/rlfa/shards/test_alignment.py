"""However a stream is cut among lanes and batches, its rows have the same windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rlfa.shards.alignment import Alignment, Pending
from rlfa.shards.shard import Arrived, Ask, Order, Shard
from rlfa.shards.split import shard_state
from streams.features.windows import LabelEvents
from streams.kafka.timeline import END, Moment, rows_before, sorted_moments
from streams.spec import parse_spec

HOUR = 3_600_000
PARTITIONS = 4
SPEC = parse_spec(
    """
tx_id = "tx_id"
event_time = "t"
amount = "amount"
entities = {customer = "c", terminal = "m"}
windows = {windows = ["1h", "1d"], label_delay = "6h"}
""",
    "stream.toml",
)


@dataclass(frozen=True)
class Stream:
    """Rows and labels of all partitions, each with its moment, in order."""

    rows: Arrived
    moments: NDArray[np.int64]
    labels: LabelEvents
    label_moments: NDArray[np.int64]

    def of(self, lane: int, lanes: int) -> Stream:
        """What a lane reads: partition modulo lanes."""
        mine, told = (m[:, 2] % lanes == lane for m in (self.moments, self.label_moments))
        labels = LabelEvents(self.labels.tx_hash[told], self.labels.event_time[told], self.labels.is_fraud[told])
        return Stream(self.rows.at(mine), self.moments[mine], labels, self.label_moments[told])

    def ask(self, lane: int, after: Moment, until: Moment) -> tuple[Ask, Order]:
        """What of it lies between two moments."""
        row, label = (
            np.array([after < tuple(m) <= until for m in moments.tolist()], np.bool_)
            for moments in (self.moments, self.label_moments)
        )
        labels = LabelEvents(self.labels.tx_hash[label], self.labels.event_time[label], self.labels.is_fraud[label])
        order = Order(lane, self.moments[row], self.label_moments[label], until)
        return Ask(self.rows.at(row), labels, {}), order


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    n = draw(st.integers(1, 25))
    partition = np.array(draw(st.lists(st.integers(0, PARTITIONS - 1), min_size=n, max_size=n)))
    time = 100 * HOUR + np.cumsum(draw(st.lists(st.sampled_from([0, 1, HOUR, 9 * HOUR]), min_size=n, max_size=n)))
    offset = np.array([np.count_nonzero(partition[:i] == p) for i, p in enumerate(partition)])
    moments = np.column_stack([time, np.ones(n, int), partition, offset])
    order = sorted_moments(moments)
    keys = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=n, max_size=n))
    rows = Arrived(
        partition.astype(np.int32), offset, np.arange(1, n + 1).astype(np.uint64), time, np.ones(n),
        np.array(keys, np.uint64),
    ).at(order)  # fmt: skip
    of = draw(st.lists(st.integers(0, n - 1), max_size=6, unique=True))
    known = rows.event_time[of] + 7 * HOUR + np.arange(len(of))
    told = np.column_stack([known, np.zeros(len(of), int), rows.partition[of], np.arange(len(of))])
    told_order = sorted_moments(told)
    labels = LabelEvents(rows.tx_hash[of][told_order], known[told_order], np.ones(len(of), np.bool_))
    return Stream(rows, moments[order], labels, told[told_order].reshape(-1, 4))


def by_one_lane(stream: Stream) -> dict[int, list[float]]:
    after = rows_before(stream.moments, stream.label_moments)
    labels = LabelEvents(stream.labels.tx_hash, stream.labels.event_time, stream.labels.is_fraud, after)
    features = Shard(shard_state(SPEC)).take(Ask(stream.rows, labels, {}))
    return dict(zip(stream.rows.tx_hash.tolist(), features.tolist(), strict=True))


def by_lanes(stream: Stream, lanes: int, ends: list[list[int]], turns: list[int]) -> dict[int, list[float]]:
    """Each lane asks for its batches one after another; whose turn it is to ask is for `turns` to say."""
    alignment, waiting = Alignment(Shard(shard_state(SPEC)), lanes), dict[int, Pending]()
    parts = [stream.of(lane, lanes) for lane in range(lanes)]
    cuts = []
    for part, at in zip(parts, ends, strict=False):
        moments = [Moment(*part.moments[i % len(part.moments)].tolist()) for i in at if len(part.moments)]
        cuts.append(sorted({*moments, END}))
    begun, found = [Moment(-1, -1, -1, -1)] * lanes, dict[int, list[float]]()
    for lane in [*turns, *range(lanes)] * 40:
        if lane >= lanes or lane in waiting or not cuts[lane]:
            continue
        until = cuts[lane].pop(0)
        waiting[lane] = alignment.offer(*parts[lane].ask(lane, begun[lane], until))
        begun[lane] = until
        for done in alignment.advance():
            del waiting[done.order.lane]
            found |= dict(zip(done.ask.rows.tx_hash.tolist(), done.features.tolist(), strict=True))
    assert not waiting
    return found


@settings(max_examples=150, deadline=None)
@given(
    streams(),
    st.integers(1, PARTITIONS),
    st.lists(st.lists(st.integers(0, 24), max_size=4), min_size=PARTITIONS, max_size=PARTITIONS),
    st.lists(st.integers(0, PARTITIONS - 1), max_size=12),
)
def test_the_windows_are_those_of_one_lane(stream: Stream, lanes: int, ends: list[list[int]], turns: list[int]) -> None:
    found, expected = by_lanes(stream, lanes, ends, turns), by_one_lane(stream)
    assert found.keys() == expected.keys()
    for tx, features in expected.items():
        np.testing.assert_array_equal(found[tx], features)


def first_ask(stream: Stream, lane: int, until: Moment = END) -> tuple[Ask, Order]:
    return stream.of(lane, 2).ask(lane, Moment(-1, -1, -1, -1), until)


def test_a_lane_that_brings_nothing_is_waited_for_until_the_patience_ends() -> None:
    stream = steady()
    alignment = Alignment(Shard(shard_state(SPEC)), 2)
    alignment.offer(*first_ask(stream, 0))
    assert alignment.advance() == []
    assert alignment.wait_no_longer() == [1]
    (done,) = alignment.advance()
    assert not np.isnan(done.features).all()


def test_an_ask_that_comes_again_replaces_the_one_that_was_given_up() -> None:
    alignment = Alignment(Shard(shard_state(SPEC)), 2)
    first = alignment.offer(*first_ask(steady(), 0))
    second = alignment.offer(*first_ask(steady(), 0))
    assert first.is_given_up
    alignment.offer(*first_ask(steady(), 1))
    assert second in alignment.advance()


def steady() -> Stream:
    n = 8
    time, partition = 100 * HOUR + np.arange(n) * HOUR, np.arange(n) % 2
    rows = Arrived(
        partition.astype(np.int32), np.arange(n) // 2, np.arange(1, n + 1).astype(np.uint64), time, np.ones(n),
        np.ones((n, 2), np.uint64),
    )  # fmt: skip
    moments = np.column_stack([time, np.ones(n, int), partition, np.arange(n) // 2])
    none = np.zeros(0, np.int64)
    labels = LabelEvents(none.astype(np.uint64), none, none.astype(np.bool_))
    return Stream(rows, moments, labels, np.zeros((0, 4), np.int64))

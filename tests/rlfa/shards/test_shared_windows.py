"""Windows kept by shards equal those kept in one place, whatever the cuts, and whatever comes again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rlfa.shards.local import LocalPort
from rlfa.shards.shard import Arrived, Ask, Order, Shard
from rlfa.shards.split import every_state, lane_state, shard_of, shard_state, used_kinds
from rlfa.shards.windows import Answer, ShardError, SharedWindows, Standing
from streams.features.snapshot import load_snapshot, save_snapshot
from streams.features.windows import NO_LABELS, FeatureState, LabelEvents
from streams.spec import parse_spec

HOUR = 3_600_000
SPEC = parse_spec(
    """
tx_id = "tx_id"
event_time = "t"
amount = "amount"
entities = {customer = "c", terminal = "m", device = "d"}
windows = {windows = ["1h", "1d"], label_delay = "6h"}
""",
    "stream.toml",
)


@dataclass(frozen=True)
class Stream:
    """Rows of one lane, the labels told with each batch, and where batches end."""

    rows: Arrived
    labels: list[tuple[int, int, bool]]  # after how many rows, of which row, fraud or not
    ends: list[int]
    shards: int


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    n = draw(st.integers(1, 30))
    steps = draw(st.lists(st.sampled_from([0, 1, HOUR // 2, HOUR, 8 * HOUR]), min_size=n, max_size=n))
    late = draw(st.lists(st.sampled_from([0, 0, 0, HOUR]), min_size=n, max_size=n))
    keys = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(0, 2)), min_size=n, max_size=n))
    partition = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    rows = Arrived(
        partition=np.array(partition, np.int32),
        offset=np.array([partition[:i].count(p) for i, p in enumerate(partition)], np.int64),
        tx_hash=np.arange(1, n + 1).astype(np.uint64),
        event_time=np.array(100 * HOUR + np.cumsum(steps) - late, np.int64),
        amount=np.array(draw(st.lists(st.integers(0, 9_999), min_size=n, max_size=n))) / 100,
        keys=np.array(keys, np.uint64),
    )
    told = st.tuples(st.integers(1, n), st.integers(0, n - 1), st.sampled_from([True, True, False]))
    labels = [label for label in draw(st.lists(told, max_size=8)) if label[1] < label[0]]
    ends = sorted({*draw(st.lists(st.integers(1, n), max_size=6)), n})
    return Stream(rows, labels, ends, draw(st.integers(1, 3)))


def batches(stream: Stream) -> Iterator[tuple[Arrived, LabelEvents]]:
    begin = 0
    for end in stream.ends:
        told = [(row, fraud) for after, row, fraud in stream.labels if begin < after <= end and row < begin]
        time = int(stream.rows.event_time[begin])
        labels = LabelEvents(
            stream.rows.tx_hash[[row for row, _ in told]],
            np.full(len(told), time, np.int64),
            np.array([fraud for _, fraud in told], np.bool_),
        )
        yield stream.rows.at(np.arange(begin, end)), labels
        begin = end


def reached(rows: Arrived) -> dict[tuple[str, int], int]:
    return {
        ("transactions", int(p)): int(rows.offset[rows.partition == p].max()) + 1 for p in np.unique(rows.partition)
    }


def in_one_place(state: FeatureState, rows: Arrived, labels: LabelEvents) -> NDArray[np.float32]:
    updated = state.update(rows.tx_hash, rows.event_time, rows.amount, rows.keys, labels)
    return updated.features.astype(np.float32)


def by_shards(own: FeatureState, shared: SharedWindows, rows: Arrived, labels: LabelEvents) -> NDArray[np.float32]:
    mine = in_one_place(own, rows._replace(keys=np.where(used_kinds(own), rows.keys, np.uint64(0))), labels)
    return np.hstack([mine, shared.take(rows, labels, reached(rows))])


def opened(shards: list[Shard]) -> SharedWindows:
    shared = SharedWindows(SPEC, [LocalPort(shard) for shard in shards])
    shared.open()
    return shared


@settings(max_examples=150, deadline=None)
@given(streams())
def test_shards_and_one_place_have_the_same_features(stream: Stream) -> None:
    whole, own = every_state(SPEC), lane_state(SPEC)
    shared = opened([Shard(shard_state(SPEC)) for _ in range(stream.shards)])
    assert whole.names == (*own.names, *shared.names)
    for rows, labels in batches(stream):
        expected = in_one_place(whole, rows, labels)
        np.testing.assert_array_equal(by_shards(own, shared, rows, labels), expected)


@settings(max_examples=80, deadline=None)
@given(streams())
def test_what_is_told_again_changes_nothing(stream: Stream) -> None:
    once = [Shard(shard_state(SPEC)) for _ in range(stream.shards)]
    again = [Shard(shard_state(SPEC)) for _ in range(stream.shards)]
    first, second = opened(once), opened(again)
    for rows, labels in batches(stream):
        first.take(rows, labels, reached(rows))
        second.take(rows, labels, reached(rows))
        second.take(rows, labels, reached(rows))
    for one, other in zip(once, again, strict=True):
        assert other.state.events == one.state.events
        np.testing.assert_array_equal(other.state.read(stream.rows.tx_hash), one.state.read(stream.rows.tx_hash))


@settings(max_examples=80, deadline=None)
@given(streams())
def test_an_uncommitted_batch_is_read_with_the_same_features(stream: Stream) -> None:
    shared = opened([Shard(shard_state(SPEC)) for _ in range(stream.shards)])
    for rows, labels in batches(stream):
        taken = shared.take(rows, labels, reached(rows))
        if (np.diff(rows.event_time) > 0).all():  # a later row of the same time is seen by a second reading
            np.testing.assert_array_equal(shared.take(rows, labels, reached(rows)), taken)


def test_a_shard_that_restarts_from_its_snapshot_catches_up_from_the_lanes_replay(tmp_path: Path) -> None:
    rows = first_rows(40)
    shard, steady = Shard(shard_state(SPEC)), Shard(shard_state(SPEC))
    shared = opened([shard])
    opened([steady]).take(rows, NO_LABELS, reached(rows))
    early = rows.at(np.arange(15))
    shared.take(early, NO_LABELS, reached(early))
    save_snapshot(tmp_path / "shard", shard.state, offsets=shard.reached, watermarks={})
    shared.take(rows.at(np.arange(15, 30)), NO_LABELS, reached(rows.at(np.arange(30))))

    restarted = Shard(shard_state(SPEC))
    restarted.reached = dict(load_snapshot(tmp_path / "shard", restarted.state).offsets)
    opened([restarted]).take(rows, NO_LABELS, reached(rows))  # the lane replays from the beginning

    assert restarted.state.events == steady.state.events
    np.testing.assert_array_equal(restarted.state.read(rows.tx_hash), steady.state.read(rows.tx_hash))


def test_a_lanes_snapshot_counts_once_every_shard_has_kept_as_much() -> None:
    place = ("labels", 0)
    ports = [Told("a"), Told("b")]
    shared = SharedWindows(SPEC, ports)
    shared.open()
    shared.note({place: 7})
    assert shared.have({place: 7})
    assert not shared.have({place: 8})
    assert not shared.keep({place: 7})
    ports[0].kept = {place: 7}
    shared.look()
    assert not shared.keep({place: 7})
    ports[1].kept = {place: 9}
    shared.look()
    assert shared.keep({place: 7})


def test_a_shard_in_another_life_is_an_error_for_the_lane() -> None:
    port = Told("a")
    shared = SharedWindows(SPEC, [port])
    shared.open()
    port.life = "b"
    with pytest.raises(ShardError, match="began anew"):
        shared.look()


def test_entities_spread_over_shards() -> None:
    owner = shard_of(np.arange(0, 30_001).astype(np.uint64), 3)
    assert owner[0] == -1
    counts = np.bincount(owner[1:])
    assert len(counts) == 3
    assert counts.min() > 9_500


class Told:
    """A port that remembers what it was told."""

    def __init__(self, life: str) -> None:
        self.life = life
        self.reached: dict[tuple[str, int], int] = {}
        self.kept: dict[tuple[str, int], int] = {}

    def ask(self, life: str, ask: Ask, order: Order | None = None) -> object:
        self.reached |= ask.reached
        return ask

    def answer(self, ticket: object) -> Answer:
        return Answer(np.zeros((0, len(shard_state(SPEC).names)), np.float32), self.standing())

    def standing(self) -> Standing:
        return Standing(self.life, dict(self.reached), dict(self.kept))


def first_rows(n: int) -> Arrived:
    rng = np.random.default_rng(0)
    return Arrived(
        partition=np.zeros(n, np.int32),
        offset=np.arange(n),
        tx_hash=np.arange(1, n + 1).astype(np.uint64),
        event_time=100 * HOUR + np.cumsum(rng.integers(1, HOUR, n)),
        amount=rng.random(n),
        keys=rng.integers(1, 5, (n, 3)).astype(np.uint64),
    )

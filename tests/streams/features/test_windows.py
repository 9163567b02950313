"""The incremental windows against a reference that computes everything anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.features.snapshot import SnapshotError, load_snapshot, save_snapshot
from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState, feature_names

HOUR = 3_600_000
DAY = 24 * HOUR
SPEC = WindowSpec(windows=("1h", "1d", "7d"), label_delay="2d")
WIDTHS = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY}
DELAY = 2 * DAY
ENTITIES = ("customer", "terminal")
LATE = 6 * DAY


@dataclass(frozen=True)
class Event:
    """A transaction as it arrives; `known` is when it is reported as fraud, None for never."""

    hash: int
    time: int
    cents: int
    entities: tuple[int, int]
    known: int | None


@st.composite
def streams_of_events(draw: st.DrawFn) -> list[Event]:
    """Out of order by up to LATE, with equal times and duplicate ids."""
    n = draw(st.integers(1, 40))
    clock = 10 * DAY
    events = []
    for i in range(n):
        clock += draw(st.sampled_from([0, 1, HOUR // 2, HOUR, DAY // 3, DAY, 3 * DAY]))
        late = draw(st.sampled_from([0, 0, 0, 1, HOUR, DAY, LATE - DAY]))
        duplicate = i > 0 and draw(st.integers(0, 9)) == 0
        events.append(
            Event(
                hash=draw(st.integers(1, i)) if duplicate else i + 1,
                time=clock - late,
                cents=draw(st.integers(0, 100_000)),
                entities=(draw(st.integers(1, 3)), draw(st.integers(0, 2))),
                known=draw(st.none() | st.integers(0, 9).map(lambda d, t=clock: t + d * DAY // 2)),
            )
        )
    return events


def naive(arrived: list[Event], event: Event, kind: int, told: set[int]) -> dict[str, float]:
    """Everything from the list of events that had arrived, this one included, and the labels told by then."""
    mine = [e for e in arrived if e.entities[kind] == event.entities[kind] and event.entities[kind] != 0]
    values: dict[str, float] = {}
    before = [e.time for e in mine if e is not event and e.time <= event.time]
    for name, width in WIDTHS.items():
        inside = [e for e in mine if event.time - width < e.time <= event.time]
        late = event.time - DELAY
        delayed = [e for e in mine if late - width < e.time <= late]
        frauds = [e for e in delayed if e.known is not None and e.known <= event.time and e.hash in told]
        others = {e.entities[1 - kind] for e in inside} - {0}
        total = sum(e.cents for e in inside) / 100
        values |= {
            f"count_{name}": len(inside),
            f"sum_{name}": total,
            f"mean_{name}": total / max(len(inside), 1),
            f"distinct_{name}": len(others),
            f"delayed_count_{name}": len(delayed),
            f"fraud_share_{name}": len(frauds) / max(len(delayed), 1),
        }
    values["since_last"] = (event.time - max(before)) / 1000 if before else np.nan
    return values


def state() -> FeatureState:
    return FeatureState(SPEC, ENTITIES, lateness_ms=LATE, capacity=8)


def feed(to: FeatureState, events: list[Event]) -> tuple[np.ndarray, np.ndarray]:
    update = to.update(
        np.array([e.hash for e in events], np.uint64),
        np.array([e.time for e in events], np.int64),
        np.array([e.cents / 100 for e in events]),
        np.array([e.entities for e in events], np.uint64),
    )
    for e in events:
        if e.known is not None:
            to.label(np.array([e.hash], np.uint64), np.array([e.known]), np.array([True]))
    return update.features, update.status


def first_of_each(events: list[Event]) -> list[Event]:
    """Duplicates of an id carry their first one's label: the later record changes nothing."""
    seen: dict[int, Event] = {}
    return [seen.setdefault(e.hash, e) if e.hash not in seen else Event(e.hash, e.time, e.cents, e.entities, None)
            for e in events]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(events=streams_of_events(), batch=st.integers(1, 9), restart=st.booleans())
def test_every_feature_equals_the_naive_one_in_any_batching(events: list[Event], batch: int, restart: bool) -> None:
    events = first_of_each(events)
    ours = state()
    arrived: list[Event] = []
    seen: set[int] = set()
    for begin in range(0, len(events), batch):
        part = events[begin : begin + batch]
        told = set(seen)  # labels are told after the batch of their transaction
        features, status = feed(ours, part)
        if restart:
            fresh = state()
            fresh.restore(ours.snapshot())
            ours = fresh
        for row, event in enumerate(part):
            assert status[row] == (event.hash in seen)
            if event.hash in seen:
                continue
            seen.add(event.hash)
            arrived.append(event)
            for kind, entity in enumerate(ENTITIES):
                if event.entities[kind] == 0:
                    continue
                for name, wanted in naive(arrived, event, kind, told).items():
                    found = features[row, ours.names.index(f"{entity}_{name}")]
                    assert found == pytest.approx(wanted, abs=1e-9, nan_ok=True), (name, event)


def test_names_say_entity_aggregate_and_window() -> None:
    spec = WindowSpec(windows=("1d",), entities={"customer": ("count", "since_last"), "terminal": ("fraud_share",)})
    assert feature_names(spec, ENTITIES) == ("customer_count_1d", "customer_since_last", "terminal_fraud_share_1d")


def test_a_later_label_supersedes_an_earlier_one() -> None:
    ours = state()
    first = Event(1, 10 * DAY, 100, (1, 1), None)
    feed(ours, [first])
    one = np.array([1], np.uint64)
    ours.label(one, np.array([11 * DAY]), np.array([True]))
    ours.label(one, np.array([12 * DAY]), np.array([False]))
    ours.label(one, np.array([10 * DAY + 1]), np.array([True]))
    features, _ = feed(ours, [Event(2, 12 * DAY + HOUR, 100, (1, 1), None)])
    assert features[0, ours.names.index("terminal_fraud_share_7d")] == 0.0


def test_a_label_of_an_unknown_transaction_is_not_found() -> None:
    assert state().label(np.array([9], np.uint64), np.array([1]), np.array([True])).tolist() == [False]


def test_old_transactions_make_room_and_memory_stays_bounded() -> None:
    ours = FeatureState(SPEC, ENTITIES, lateness_ms=DAY, capacity=64)
    sizes = []
    for day in range(200):
        feed(ours, [Event(day * 10 + i + 1, day * DAY + i, 100, (1, 1), None) for i in range(10)])
        sizes.append(ours.memory_bytes)
    assert max(sizes[60:]) <= 1.2 * max(sizes[:60])
    assert ours.events < 400


def test_a_snapshot_is_whole_and_stands_for_its_offsets(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("snapshot") / "lane.safetensors"
    ours = state()
    feed(ours, [Event(1, 10 * DAY, 100, (1, 1), 11 * DAY)])
    save_snapshot(path, ours, offsets={("t", 0): 7}, watermarks={0: 5})
    fresh = state()
    loaded = load_snapshot(path, fresh)
    assert (loaded.offsets, loaded.watermarks) == ({("t", 0): 7}, {0: 5})
    following = [Event(2, 13 * DAY, 100, (1, 1), None)]
    np.testing.assert_array_equal(feed(ours, following)[0], feed(fresh, following)[0])


def test_a_snapshot_of_other_windows_or_a_broken_one_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("snapshot") / "lane.safetensors"
    save_snapshot(path, state(), offsets={}, watermarks={})
    with pytest.raises(SnapshotError, match="windows of another spec"):
        load_snapshot(path, FeatureState(WindowSpec(), ENTITIES))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SnapshotError, match="remove it to rebuild"):
        load_snapshot(path, state())

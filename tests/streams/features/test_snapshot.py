"""A snapshot is whole or refused, and a state goes on from it bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.features.snapshot import SnapshotError, load_snapshot, save_snapshot
from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState

DAY = 86_400_000
ENTITIES = ("customer", "terminal")
SPEC = WindowSpec(windows=("1d", "7d"), label_delay="2d")


def warm_state(rows: int) -> FeatureState:
    state = FeatureState(SPEC, ENTITIES, max_events=500)
    feed(state, 0, rows)
    return state


def feed(state: FeatureState, begin: int, rows: int) -> np.ndarray:
    """The same rows each time: a third out of order, a tenth labelled as fraud."""
    rng = np.random.default_rng(begin)
    ids = np.arange(begin + 1, begin + rows + 1)
    time = 20 * DAY + ids * 600_000 - rng.integers(0, 3 * DAY, rows) * (rng.random(rows) < 0.3)
    features = state.update(ids, time, rng.integers(1, 9_999, rows) / 100, rng.integers(0, 20, (rows, 2))).features
    frauds = ids[::10]
    state.label(frauds, np.full(len(frauds), time.max() + DAY), np.ones(len(frauds)))
    return features


def test_a_restored_state_goes_on_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "lane.safetensors"
    ours, fresh = warm_state(2_000), FeatureState(SPEC, ENTITIES, max_events=500)
    save_snapshot(path, ours, offsets={("t", 0): 7}, watermarks={0: 5})
    loaded = load_snapshot(path, fresh)
    assert (loaded.offsets, loaded.watermarks) == ({("t", 0): 7}, {0: 5})
    assert (fresh.events, fresh.entities_live, fresh.evicted, fresh.stale) == (500, ours.entities_live, 1_500, 0)
    np.testing.assert_array_equal(feed(fresh, 2_000, 1_000), feed(ours, 2_000, 1_000))
    for name, array in ours.snapshot().items():
        np.testing.assert_array_equal(fresh.snapshot()[name], array)


def test_a_snapshot_of_other_windows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lane.safetensors"
    save_snapshot(path, warm_state(10), offsets={}, watermarks={})
    with pytest.raises(SnapshotError, match="windows of another spec"):
        load_snapshot(path, FeatureState(WindowSpec(), ENTITIES))


def test_a_snapshot_with_one_byte_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lane.safetensors"
    save_snapshot(path, warm_state(100), offsets={}, watermarks={})
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(SnapshotError, match="a wrong checksum, allowed: a whole snapshot; remove it to rebuild"):
        load_snapshot(path, FeatureState(SPEC, ENTITIES))


@pytest.mark.parametrize("content", [b"", b"not a snapshot", None])
def test_a_snapshot_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "lane.safetensors"
    save_snapshot(path, warm_state(100), offsets={}, watermarks={})
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    with pytest.raises(SnapshotError, match="remove it to rebuild the state from the topic"):
        load_snapshot(path, FeatureState(SPEC, ENTITIES))


def test_a_second_snapshot_replaces_the_first_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "lane.safetensors"
    for rows in (10, 20):
        save_snapshot(path, warm_state(rows), offsets={}, watermarks={})
    fresh = FeatureState(SPEC, ENTITIES)
    load_snapshot(path, fresh)
    assert fresh.events == 20
    assert [p.name for p in tmp_path.iterdir()] == ["lane.safetensors"]

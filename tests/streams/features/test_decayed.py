"""Fading windows equal a plain sum over everything an entity did, forget in time, and stay within their memory."""

from __future__ import annotations

from math import exp, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.durations import parse_duration
from streams.errors import SpecError
from streams.features.decayed.beside import FadingState
from streams.features.decayed.state import DecayedState
from streams.features.snapshot import SnapshotError, load_snapshot, save_snapshot
from streams.features.spec import DecayedSpec, WindowSpec

HOUR = 3_600_000
SPEC = DecayedSpec(windows=("1h", "1d"), ttl="2d", entities_max=50)
ROWS = st.lists(
    st.tuples(st.integers(0, 200 * HOUR), st.floats(0, 1e4), st.integers(0, 12)), min_size=1, max_size=120
)  # event time, amount, key


def naive(rows: list[tuple[int, float, int]]) -> list[list[float]]:
    """Every row's features, from all rows before it."""
    found, held, newest = [], dict[int, list[tuple[int, float]]](), -1
    ttl, taus = parse_duration(SPEC.ttl), [parse_duration(w) for w in SPEC.windows]
    for time, amount, key in rows:
        newest = max(newest, time)
        if not key:
            found.append([nan] * 7)
            continue
        mine = held.setdefault(key, [])
        last = max((t for t, _ in mine), default=None)
        if last is not None and newest - last > ttl:
            mine.clear()
            last = None
        mine.append((time, amount))
        now = max(t for t, _ in mine)
        weights = [[exp((t - now) / tau) for t, _ in mine] for tau in taus]
        counts = [sum(each) for each in weights]
        totals = [sum(w * a for w, (_, a) in zip(each, mine, strict=True)) for each in weights]
        means = [total / count for total, count in zip(totals, counts, strict=True)]
        since = (time - last) / 1000 if last is not None and time >= last else nan
        found.append([*counts, *totals, *means, since])
    return found


def update(state: DecayedState, rows: list[tuple[int, float, int]]) -> np.ndarray:
    times, amounts, keys = zip(*rows, strict=True)
    return state.update(times, amounts, np.array(keys, np.uint64))


@settings(deadline=None)  # the first compiles
@given(ROWS, st.integers(1, 30))
def test_values_are_the_plain_sums_however_the_stream_is_cut(rows: list[tuple[int, float, int]], size: int) -> None:
    state = DecayedState(SPEC, "card")
    found = np.vstack([update(state, rows[i : i + size]) for i in range(0, len(rows), size)])
    np.testing.assert_allclose(found, np.array(naive(rows)), rtol=1e-9, atol=1e-9)
    assert state.evicted == 0


@settings(deadline=None)
@given(ROWS, ROWS)
def test_a_restored_state_goes_on_bit_for_bit(before: list[tuple[int, float, int]], after: list) -> None:
    ours, fresh = DecayedState(SPEC, "card"), DecayedState(SPEC, "card")
    update(ours, before)
    fresh.restore(ours.snapshot())
    np.testing.assert_array_equal(update(fresh, after), update(ours, after))
    assert (fresh.entities_live, fresh.expired) == (ours.entities_live, ours.expired)


def test_the_bound_holds_and_the_long_quiet_give_way_first() -> None:
    state = DecayedState(SPEC, "card")
    keys = np.arange(1, 1001, dtype=np.uint64)
    state.update(np.arange(1000), np.ones(1000), keys)
    assert (state.entities_live, state.evicted) == (50, 950)
    newest = state.update(np.full(1, 2000), np.ones(1), keys[-1:])
    assert newest[0, 0] == pytest.approx(2.0, abs=1e-3)


def test_an_entity_that_is_quiet_for_its_time_is_forgotten_although_nobody_asks_for_it() -> None:
    state = DecayedState(SPEC, "card")
    state.update(np.zeros(40), np.ones(40), np.arange(1, 41, dtype=np.uint64))
    state.update(np.full(100, 49 * HOUR), np.ones(100), np.full(100, 99, np.uint64))
    assert (state.entities_live, state.expired) == (1, 40)


def test_a_snapshot_is_whole_and_of_the_same_windows(tmp_path: Path) -> None:
    ours, fresh = DecayedState(SPEC, "card"), DecayedState(SPEC, "card")
    update(ours, [(HOUR, 5.0, 3), (2 * HOUR, 7.0, 4)])
    save_snapshot(tmp_path / "s", ours, offsets={("t", 0): 2}, watermarks={0: 2 * HOUR})
    assert load_snapshot(tmp_path / "s", fresh).offsets == {("t", 0): 2}
    assert fresh.entities_live == 2
    with pytest.raises(SnapshotError, match="windows of another spec"):
        load_snapshot(tmp_path / "s", DecayedState(DecayedSpec(), "card"))


def test_fading_windows_stand_beside_exact_ones_and_count_no_duplicate(tmp_path: Path) -> None:
    spec = WindowSpec(windows=("1h",), entities={"card": ("count",), "shop": ()}, decayed={"shop": SPEC})
    ours, fresh = (FadingState(spec, ("card", "shop"), lateness_ms=HOUR) for _ in range(2))
    keys = np.array([[1, 7], [2, 7], [2, 7], [3, 0]], np.uint64)
    found = ours.update([1, 2, 2, 3], [0, 0, 0, 0], [5.0, 6.0, 6.0, 7.0], keys)
    assert ours.names == ("card_count_1h", *ours.fading["shop"].names)
    assert found.status.tolist() == [0, 0, 1, 0]
    np.testing.assert_array_equal(found.features[[0, 1], :2], [[1, 1], [1, 2]])
    assert np.isnan(found.features[3, 1:]).all()
    save_snapshot(tmp_path / "s", ours, offsets={}, watermarks={})
    load_snapshot(tmp_path / "s", fresh)
    again = np.array([[4, 7]], np.uint64)
    np.testing.assert_array_equal(
        fresh.update([9], [HOUR], [1.0], again).features, ours.update([9], [HOUR], [1.0], again).features
    )
    assert fresh.memory_bytes == ours.memory_bytes


@pytest.mark.parametrize(
    ("decayed", "said"),
    [({"ghost": SPEC}, "entities of the stream"), ({"card": DecayedSpec(ttl="soon")}, "a duration"),
     ({"card": DecayedSpec(windows=("1h", "1h"))}, "none twice")],
)  # fmt: skip
def test_fading_windows_that_fit_nothing_are_refused(decayed: dict[str, DecayedSpec], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        FadingState(WindowSpec(decayed=decayed), ("card",), lateness_ms=HOUR)

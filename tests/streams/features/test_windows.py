"""The incremental windows against a reference that computes everything anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import SpecError
from streams.features.columns import feature_names
from streams.features.spec import WindowSpec
from streams.features.windows import AmountError, FeatureState, LabelEvents
from tests.streams.features.naive import Event, Label, Naive

HOUR = 3_600_000
DAY = 24 * HOUR
ENTITIES = ("customer", "terminal", "device")
SPEC = WindowSpec(windows=("1h", "1d", "3d"), label_delay="1d")
LATENESS = 2 * DAY
ROOMY = 1_000
TIGHT = 6


@dataclass(frozen=True)
class Step:
    """A row as it arrives, after the late labels that came before it."""

    late_labels: tuple[Label, ...]
    event: Event


@dataclass(frozen=True)
class Script:
    """A stream: its rows, the labels that are told when they are due, where batches end, and the bound of memory."""

    steps: list[Step]
    due: list[Label]
    cuts: list[bool]
    max_events: int


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Out of order even past the lateness, with equal times, duplicates, missing entities and labels of all sorts."""
    clock, steps, due = 10 * DAY, [], []
    for i in range(draw(st.integers(1, 40))):
        clock += draw(st.sampled_from([0, 0, 1, HOUR // 2, HOUR, DAY // 3, DAY]))
        late = draw(st.sampled_from([0, 0, 0, 1, HOUR, DAY, LATENESS + DAY]))
        duplicate = i > 0 and draw(st.integers(0, 9)) == 0
        tx_hash = draw(st.integers(1, i)) if duplicate else i + 1
        keys = (draw(st.integers(1, 2)), draw(st.integers(0, 3)), draw(st.integers(0, 1)))
        told = st.builds(
            Label,
            hash=st.integers(1, i + 2),
            time=st.integers(-2, 6).map(lambda d, t=clock: t + d * DAY // 2),
            fraud=st.sampled_from([True, True, False]),
        )
        steps.append(
            Step(
                tuple(draw(st.lists(told, max_size=1))),
                Event(tx_hash, clock - late, draw(st.integers(0, 99_999)), keys),
            )
        )
        due += [label for label in draw(st.lists(told, max_size=2)) if label.time > clock]
    cuts = draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))
    return Script(steps, due, cuts, draw(st.sampled_from([ROOMY, TIGHT])))


def batches(script: Script) -> list[list[Step]]:
    """Cut where the script says, and before every late label: such a label acts between two batches."""
    out: list[list[Step]] = [[]]
    for step, cut in zip(script.steps, script.cuts, strict=True):
        if out[-1] and (cut or step.late_labels):
            out.append([])
        out[-1].append(step)
    return out


def state(max_events: int = ROOMY) -> FeatureState:
    return FeatureState(SPEC, ENTITIES, lateness_ms=LATENESS, max_events=max_events)


def columns_of(labels: list[Label]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([x.hash for x in labels], np.uint64),
        np.array([x.time for x in labels], np.int64),
        np.array([x.fraud for x in labels], np.bool_),
    )


def feed(to: FeatureState, events: list[Event], labels: list[Label] | None = None) -> tuple[np.ndarray, np.ndarray]:
    update = to.update(
        np.array([e.hash for e in events], np.uint64),
        np.array([e.time for e in events], np.int64),
        np.array([e.cents / 100 for e in events]),
        np.array([e.keys for e in events], np.uint64),
        LabelEvents(*columns_of(labels or [])),
    )
    return update.features, update.status


def play(script: Script, newest_by_row: list[int], *, restart: bool) -> tuple[FeatureState, np.ndarray, np.ndarray]:
    """The script through the kernels, batch by batch, with a restart from a snapshot after each where asked."""
    ours, due, row = state(script.max_events), script.due, 0
    features, status = [], []
    for batch in batches(script):
        row += len(batch)
        newest = newest_by_row[row - 1]
        for label in batch[0].late_labels:
            ours.label(*columns_of([label]))
        told, due = [x for x in due if x.time <= newest], [x for x in due if x.time > newest]
        read, seen = feed(ours, [step.event for step in batch], told)
        features.append(read)
        status.append(seen)
        if restart:
            fresh = state(script.max_events)
            fresh.restore(ours.snapshot())
            ours = fresh
    return ours, np.concatenate(features), np.concatenate(status)


def expected(script: Script) -> tuple[Naive, np.ndarray, np.ndarray, list[int]]:
    """The script through the reference, row by row, and the newest event time after each."""
    naive = Naive(SPEC, LATENESS, script.max_events, due=list(script.due))
    names = feature_names(SPEC, ENTITIES)
    features = np.full((len(script.steps), len(names)), np.nan)
    status, newest = np.zeros(len(script.steps)), []
    for row, step in enumerate(script.steps):
        for label in step.late_labels:
            naive.label(label)
        values = naive.take(replace(step.event))
        status[row] = values is None
        newest.append(naive.newest)
        if values is not None:
            named = {f"{ENTITIES[kind]}_{n}": v for kind, of in enumerate(values) for n, v in of.items()}
            features[row] = [named[name] for name in names]
    return naive, features, status, newest


@settings(max_examples=200, deadline=None)
@given(script=scripts(), restart=st.booleans())
def test_every_feature_equals_the_naive_one_in_any_batching_and_over_restarts(script: Script, restart: bool) -> None:
    naive, wanted, wanted_status, newest = expected(script)
    ours, features, status = play(script, newest, restart=restart)
    np.testing.assert_array_equal(status, wanted_status)
    np.testing.assert_array_equal(features, wanted)
    assert ours.events == len(naive.held)
    assert ours.entities_live == naive.entities_live()
    assert (ours.evicted, ours.stale) == (naive.evicted, naive.stale)


def test_thousands_of_rows_out_of_order_equal_sums_over_masks() -> None:
    rng = np.random.default_rng(1)
    n = 3_000
    time = 10 * DAY + np.sort(rng.integers(0, 6 * DAY, n)) - rng.integers(0, LATENESS, n) * (rng.random(n) < 0.3)
    keys = np.column_stack([rng.integers(1, 5, n), rng.integers(1, 40, n), rng.integers(1, 900, n)])
    cents = rng.integers(1, 1_000_000, n)
    batch, fraud = np.arange(n) // 100, rng.random(n) < 0.1
    ours, found = state(max_events=n), np.empty((n, len(feature_names(SPEC, ENTITIES))))
    for b in range(n // 100):
        rows, told = np.flatnonzero(batch == b), np.flatnonzero(fraud & (batch == b))
        found[rows] = ours.update(rows + 1, time[rows], cents[rows] / 100, keys[rows]).features
        ours.label(told + 1, time[told] + DAY // 2, np.ones(len(told)))
    for row in range(0, n, 7):
        for kind, entity in enumerate(ENTITIES):
            mine = (np.arange(n) <= row) & (keys[:, kind] == keys[row, kind])
            for window, width in {"1h": HOUR, "1d": DAY, "3d": 3 * DAY}.items():
                inside = mine & (time <= time[row]) & (time > time[row] - width)
                delayed = mine & (time <= time[row] - DAY) & (time > time[row] - DAY - width)
                frauds = delayed & fraud & (batch < batch[row])
                wanted = {
                    "count": inside.sum(),
                    "sum": cents[inside].sum() / 100,
                    "distinct": len(np.unique(keys[inside, 1 if kind == 0 else 0])),
                    "delayed_count": delayed.sum(),
                    "fraud_share": frauds.sum() / max(delayed.sum(), 1),
                }
                for name, value in wanted.items():
                    assert found[row, ours.names.index(f"{entity}_{name}_{window}")] == value


def test_a_label_acts_where_it_arrived_wherever_the_batch_ends() -> None:
    rng = np.random.default_rng(4)
    n, m = 400, 120
    time = 10 * DAY + np.sort(rng.integers(0, 5 * DAY, n)) - rng.integers(0, HOUR, n)
    keys = np.column_stack([rng.integers(1, 5, n), rng.integers(1, 9, n), rng.integers(1, 3, n)])
    after, of = np.sort(rng.integers(0, n, m)), rng.integers(0, n, m)
    told = LabelEvents(of + 1, time[of] + rng.permutation(m) * HOUR, rng.random(m) < 0.8, after)
    newest = np.maximum.accumulate(time)
    due = np.maximum(after, np.searchsorted(newest, told.event_time))
    one_by_one, at_once, expected = state(), state(), []
    for i in range(n):
        at = np.flatnonzero(due == i)
        at = at[np.argsort(told.event_time[at])]
        now = LabelEvents(told.tx_hash[at], told.event_time[at], told.is_fraud[at])
        expected.append(one_by_one.update([i + 1], [time[i]], [1.0], [keys[i]], now).features)
    found = at_once.update(np.arange(n) + 1, time, np.ones(n), keys, told).features
    np.testing.assert_array_equal(found, np.concatenate(expected))
    assert np.nanmax(found[:, [i for i, name in enumerate(at_once.names) if "fraud" in name]]) > 0


@pytest.mark.parametrize("max_events", [100, 5_000])
def test_room_at_the_start_and_size_of_batches_change_no_value(max_events: int) -> None:
    rng = np.random.default_rng(2)
    n = 20_000
    time = 10 * DAY + np.arange(n) * 60_000 - rng.integers(0, DAY, n)
    keys = np.column_stack([rng.integers(1, 3_000, n), rng.integers(0, 50, n), rng.integers(1, 9, n)])
    tx_hash = rng.integers(1, n, n)  # a third are duplicates
    runs = []
    for capacity, size in ((1, 1), (1, 777), (1 << 15, n)):
        ours = FeatureState(SPEC, ENTITIES, lateness_ms=LATENESS, capacity=capacity, max_events=max_events)
        step = size if size > 1 else 2_000
        first = [ours.update(tx_hash[i : i + 1], time[i : i + 1], [1.5], keys[i : i + 1]) for i in range(step)]
        rest = (
            [
                ours.update(
                    tx_hash[i : i + step], time[i : i + step], np.full(len(time[i : i + step]), 1.5), keys[i : i + step]
                )
                for i in range(step, n, step)
            ]
            if size < n
            else []
        )
        runs.append(np.concatenate([u.features for u in (*first, *rest)]))
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_names_say_entity_aggregate_and_window() -> None:
    spec = WindowSpec(windows=("1d",), entities={"customer": ("count", "since_last"), "terminal": ("fraud_share",)})
    names = feature_names(spec, ("customer", "terminal"))
    assert names == ("customer_count_1d", "customer_since_last", "terminal_fraud_share_1d")


def test_a_stream_with_one_kind_of_entity_counts_no_counterparts() -> None:
    alone = FeatureState(WindowSpec(windows=("1d",)), ("card",))
    assert "card_distinct_1d" not in alone.names
    assert alone.update([1], [DAY], [2.0], [[7]]).features[0, alone.names.index("card_sum_1d")] == 2.0


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (WindowSpec(windows=()), "one or more durations"),
        (WindowSpec(windows=("1d", "1d")), "none of them twice"),
        (WindowSpec(windows=("1w",)), "found '1w', allowed: a duration"),
        (WindowSpec(entities={"shop": ("count",)}), "found 'shop', allowed: entities of the stream: card"),
        (WindowSpec(entities={"card": ("distinct",)}), "only with a second kind of entity"),
    ],
)
def test_windows_that_cannot_be_computed_are_refused_in_one_line(spec: WindowSpec, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        FeatureState(spec, ("card",))


@pytest.mark.parametrize("amount", [np.nan, np.inf, -1e13])
def test_an_amount_that_cannot_be_summed_is_refused(amount: float) -> None:
    with pytest.raises(AmountError, match="allowed: finite"):
        state().update([1], [DAY], [amount], [[1, 1, 1]])


def test_sums_past_the_range_of_one_integer_stay_right() -> None:
    ours = state()
    n, largest = 20, 9e12
    features = ours.update(np.arange(1, n + 1), np.full(n, DAY), np.full(n, largest), np.ones((n, 3))).features
    assert features[-1, ours.names.index("customer_sum_1d")] == n * largest


def test_a_fraud_counts_from_its_label_on_and_a_later_label_takes_it_back() -> None:
    ours = FeatureState(WindowSpec(windows=("7d",), label_delay="1d"), ("customer",))
    share = ours.names.index("customer_fraud_share_7d")

    def share_at(row: int, time: int, *labels: Label) -> float:
        told = LabelEvents(*columns_of(list(labels)))
        return float(ours.update([row], [time], [1.0], [[1]], told).features[0, share])

    share_at(1, 10 * DAY)
    assert share_at(2, 12 * DAY, Label(1, 13 * DAY, True)) == 0.0
    assert share_at(3, 13 * DAY) == 0.5  # of 1 and 2
    assert share_at(4, 12 * DAY + HOUR) == 0.0  # late: at its time nobody knew
    assert share_at(5, 14 * DAY, Label(1, 14 * DAY, False)) == 0.0
    assert share_at(6, 14 * DAY, Label(1, 13 * DAY, True)) == 0.0  # older than what is known


def test_labels_of_unknown_transactions_are_told_apart() -> None:
    ours = state()
    feed(ours, [Event(1, 10 * DAY, 100, (1, 1, 1))])
    labels = [Label(9, 11 * DAY, True), Label(2, 10 * DAY, True), Label(1, 10 * DAY, True)]
    update = ours.update([2], [11 * DAY], [1.0], [[1, 1, 1]], LabelEvents(*columns_of(labels)))
    assert update.labels_found.tolist() == [False, False, True]  # 2 arrived after its label was due
    assert ours.label([2, 3], [DAY, DAY], [True, True]).tolist() == [True, False]


def test_old_transactions_make_room_and_memory_stays_bounded() -> None:
    ours = FeatureState(SPEC, ENTITIES, lateness_ms=DAY)
    sizes = []
    for day in range(200):
        feed(ours, [Event(day * 10 + i + 1, day * DAY + i, 100, (day + 1, 1, 1)) for i in range(10)])
        sizes.append(ours.memory_bytes)
    assert len(set(sizes)) == 1
    assert (ours.events, ours.entities_live, ours.evicted) == (50, 7, 0)  # 3 + 1 + 1 days


def test_too_many_transactions_push_out_the_first_and_are_counted() -> None:
    ours = FeatureState(SPEC, ENTITIES, max_events=10)
    rows = [Event(i, DAY + i, 100, (1, 1, 1)) for i in range(1, 26)]
    features, _ = feed(ours, rows)
    assert (ours.events, ours.evicted) == (10, 15)
    assert features[-1, ours.names.index("customer_count_1d")] == 10
    assert feed(ours, rows[:1])[1].tolist() == [0]  # forgotten, so it is new again


def test_float32_keeps_counts() -> None:
    update = state().update([1], [DAY], [2.5], [[1, 1, 0]])
    assert update.float32().dtype == np.float32
    np.testing.assert_array_equal(update.float32(), update.features)


def test_a_stream_without_entities_has_no_windows_and_still_knows_its_duplicates() -> None:
    state = FeatureState(WindowSpec(), ())
    found = state.update([1, 2, 1], [10, 20, 30], [1.0, 1.0, 1.0], np.zeros((3, 0), np.uint64))
    assert state.names == ()
    assert found.features.shape == (3, 0)
    assert found.status.tolist() == [0, 0, 1]
    assert state.label([1, 3], [40, 40], [True, True]).tolist() == [True, False]

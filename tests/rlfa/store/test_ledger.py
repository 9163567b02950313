"""The ledger: append-only, idempotent, and enough to go on from."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from rlfa.free_agency.events import CohortTaken, Event
from rlfa.free_agency.manager import initial_state, step
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import ManagerState
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime, Slot, SlotId
from rlfa.rewards.discounted import Earned, Weighed
from rlfa.store.database import Store, StoreError
from rlfa.store.ledger import Entry, Ledger, entries_of, roster
from rlfa.store.rewards import Rewards, rewards_of
from tests.postgres import PostgresServer
from tests.rlfa.free_agency.builders import cohort, rules

NOW = EventTime(1_000)
SLOTS = (Slot(id=SlotId("s0"), incumbent=AgentId("a")), Slot(id=SlotId("s1"), incumbent=AgentId("b")))


def start() -> tuple[ManagerState, Sequence[Event]]:
    return initial_state(SLOTS, {AgentId("a"): "moe", AgentId("b"): "moe"}, Day(100), seed=1)


def one_day(state: ManagerState) -> tuple[ManagerState, Sequence[Event]]:
    day = cohort(state.day + 1, {"a": 3.0, "b": 3.0})
    now = EventTime((day.day + 1) * DAY_MS)
    return step(state, day, (), rules(), now, scout=SeededScout(("moe",)))


def append(store: Store, state: ManagerState, events: Sequence[Event]) -> int:
    with store.transaction() as session:
        return Ledger(session).append(entries_of(events, state, at=NOW, recorded_at=2_000))


def read(store: Store, after: int = 0) -> tuple[Entry, ...]:
    with store.reading() as session:
        return Ledger(session).read(after)


def test_same_entries_twice_are_there_once(store: Store) -> None:
    state, events = start()
    assert append(store, state, events) == 1
    assert append(store, state, events) == 0
    assert len(read(store)) == 1


def test_second_manager_with_another_story_is_refused(store: Store) -> None:
    state, events = start()
    append(store, state, events)
    with pytest.raises(StoreError, match="is there a second manager"):
        append(store, state, [replace(events[0], reason="something else")])


@pytest.mark.parametrize("change", ["UPDATE ledger SET why = ''", "DELETE FROM ledger"])
def test_database_refuses_changes_of_the_ledger(store: Store, change: str) -> None:
    append(store, *start())
    with pytest.raises(StoreError, match="the ledger is append-only"), store.transaction() as session:
        session.execute(sa.text(change))
    assert read(store)[0].why.startswith("service starts with a in s0")


def test_postgresql_refuses_to_empty_the_ledger_at_once(postgres: PostgresServer) -> None:
    store = Store.open(postgres.url())
    append(store, *start())
    with pytest.raises(StoreError, match="the ledger is append-only"), store.transaction() as session:
        session.execute(sa.text("TRUNCATE ledger"))
    assert len(read(store)) == 1
    store.close()


def test_a_reader_never_sees_a_later_entry_before_an_earlier_one(store: Store) -> None:
    """Or whoever goes on after the newest entry that it has seen would miss the earlier one for good."""
    state, events = start()
    entry = entries_of(events, state, at=NOW, recorded_at=2_000)[0]
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with store.transaction() as session:
            Ledger(session).append([replace(entry, key="second")])

    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as session:
            Ledger(session).append([replace(entry, key="first")])
            later = pool.submit(second)
            begun.wait()
            assert read(store) == ()
            with pytest.raises(TimeoutError):
                later.result(timeout=0.3)
        later.result()
    assert [e.key for e in read(store)] == ["first", "second"]


def test_restarted_manager_goes_on_from_the_ledger(store: Store, url: str) -> None:
    state, events = start()
    append(store, state, events)
    for _ in range(4):
        state, events = one_day(state)
        append(store, state, events)
    again = Store.open(url)
    with again.reading() as session:
        loaded = Ledger(session).last_state()
    again.close()
    assert loaded == state
    assert one_day(loaded) == one_day(state)


def test_empty_ledger_has_no_state(store: Store) -> None:
    with store.reading() as session:
        assert Ledger(session).last_state() is None


def test_reading_goes_on_after_a_place(store: Store) -> None:
    state, events = start()
    append(store, state, events)
    state, events = one_day(state)
    append(store, state, events)
    first, *rest = read(store)
    assert read(store, after=first.seq) == tuple(rest)
    assert [e.seq for e in read(store)] == sorted(e.seq for e in read(store))


def test_entries_say_what_who_why_and_when(store: Store) -> None:
    append(store, *start())
    (entry,) = read(store)
    assert (entry.kind, entry.who, entry.policy, entry.epoch) == ("EpochChanged", "manager", "bandit", 1)
    assert (entry.event_day, entry.event_at, entry.recorded_at) == (99, 1_000, 2_000)
    assert entry.event == start()[1][0]


def test_every_prefix_of_the_ledger_folds_to_a_roster(store: Store) -> None:
    state, events = start()
    append(store, state, events)
    for _ in range(5):
        state, events = one_day(state)
        append(store, state, events)
    entries = read(store)
    for n in range(1, len(entries) + 1):
        assert [s.incumbent for s in roster(entries[:n]).seats] == ["a", "b"]


def test_rewards_are_kept_once_per_agent_slot_and_day(store: Store) -> None:
    state, _ = start()
    state, _ = one_day(state)
    before = state
    state, events = one_day(state)
    for _ in range(2):
        with store.transaction() as session:
            Rewards(session).add(rewards_of(events, before.lineup))
    with store.reading() as session:
        kept = Rewards(session).read()
        assert [(r.agent, r.slot, r.day) for r in kept] == [("a", "s0", 101), ("b", "s1", 101)]
        assert Rewards(session).read(from_day=102) == []
    assert kept[0].rows == 60
    assert kept[0].frauds == 5
    taken = next(e for e in events if isinstance(e, CohortTaken))
    assert [r.synergy for r in kept] == [taken.earned[r.agent].synergy for r in kept]
    assert [r.inefficiency for r in kept] == [taken.earned[r.agent].inefficiency for r in kept]
    assert kept[0].penalties == 0
    assert [(r.weight, r.fraud_weight, r.caught_weight) for r in kept] == [(60.0, 5.0, r.caught) for r in kept]


def test_a_reward_says_how_many_rows_it_stands_for(store: Store) -> None:
    state, _ = start()
    weighed = Weighed(rows=21.0, rows_squared=201.0, frauds=10.0, frauds_squared=100.0, caught=10.0)
    earned = Earned(rows=5, missing=0, frauds=1, caught=1, stopped=4, accuracy=440.0, weighed=weighed)
    taken = CohortTaken(day=Day(101), epoch=state.epoch, reason="", rows=5, frauds=1, earned={AgentId("a"): earned},
                        reward={})  # fmt: skip
    with store.transaction() as session:
        Rewards(session).add(rewards_of([taken], state.lineup))
    with store.reading() as session:
        (kept,) = Rewards(session).read()
    assert (kept.accuracy, kept.weight, kept.fraud_weight, kept.caught_weight) == (440.0, 21.0, 10.0, 10.0)

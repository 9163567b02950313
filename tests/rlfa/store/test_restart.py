"""A manager that dies around every commit writes the ledger that one writes who never dies."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rlfa.free_agency.events import Event
from rlfa.free_agency.manager import initial_state, step
from rlfa.free_agency.scouting import BanditScout
from rlfa.free_agency.state import Candidate, ManagerState
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime, Slot, SlotId
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from rlfa.store.rewards import Rewards, rewards_of
from tests.rlfa.free_agency.builders import cohort, rules

FIRST, DAYS = 100, 24
SKILLS = {"veteran": 1.5, "rookie": 4.0, "impostor": 0.2}
SLOT = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))
ARRIVALS = {102: "rookie", 112: "impostor"}  # one to be promoted, one to be found out


class PowerCutError(Exception):
    pass


def begin(store: Store) -> ManagerState:
    state, events = initial_state([SLOT], {SLOT.incumbent: "moe"}, Day(FIRST), seed=1)
    with store.transaction() as session:
        Ledger(session).append(entries_of(events, state, at=EventTime(0), recorded_at=1))
    return state


def one_step(state: ManagerState) -> tuple[ManagerState, Sequence[Event], EventTime]:
    day = state.day + 1
    now = EventTime((day + 5) * DAY_MS)
    arrived = ARRIVALS.get(day)
    handed_in = [Candidate(slot=SLOT.id, family="wide", agent=AgentId(arrived))] if arrived else []
    skills = {agent: SKILLS[agent] for agent in state.lineup.agents}
    return *step(state, cohort(day, skills), handed_in, rules(), now, scout=BanditScout(("moe",))), now


def write(store: Store, before: ManagerState, *, dies_at: str = "") -> ManagerState:
    state, events, now = one_step(before)
    with store.transaction() as session:
        if dies_at == "begin":
            raise PowerCutError
        Ledger(session).append(entries_of(events, state, at=now, recorded_at=1))
        if dies_at == "between the tables":
            raise PowerCutError
        Rewards(session).add(rewards_of(events, before.lineup))
        if dies_at == "commit":
            raise PowerCutError
    return state


def reborn(url: str) -> tuple[Store, ManagerState]:
    store = Store.open(url)
    with store.reading() as session:
        state = Ledger(session).last_state()
    assert state is not None
    return store, state


def books(store: Store) -> tuple[object, ...]:
    with store.reading() as session:
        return Ledger(session).read(), Rewards(session).read(), Ledger(session).last_state()


@pytest.fixture
def uninterrupted() -> tuple[object, ...]:
    store = Store.open("sqlite://")
    state = begin(store)
    for _ in range(DAYS):
        state = write(store, state)
    return books(store)


def test_a_manager_killed_around_every_commit_keeps_the_same_books(url: str, uninterrupted: tuple[object, ...]) -> None:
    store = Store.open(url)
    begin(store)
    for _ in range(DAYS):
        for place in ("begin", "between the tables", "commit"):
            store.close()
            store, state = reborn(url)
            with pytest.raises(PowerCutError):
                write(store, state, dies_at=place)
        store.close()
        store, state = reborn(url)
        write(store, state)  # and dies before it has told anybody
    assert [e.key for e in books(store)[0]] == [e.key for e in uninterrupted[0]]  # type: ignore[attr-defined]
    assert _without_places(books(store)) == _without_places(uninterrupted)
    kinds = {e.kind for e in books(store)[0]}  # type: ignore[attr-defined]
    assert {"ProbationStarted", "EvidenceAdded", "Promoted", "Released"} <= kinds
    store.close()


def test_a_step_that_is_written_twice_is_there_once(url: str) -> None:
    store = Store.open(url)
    state = begin(store)
    after = write(store, state)
    before = books(store)
    assert write(store, state) == after
    assert books(store) == before
    store.close()


def _without_places(found: tuple[object, ...]) -> tuple[object, ...]:
    """A place in the ledger may have gaps where a transaction was rolled back."""
    entries, *rest = found
    return [(e.key, bytes(e.evidence), e.why, e.event_at) for e in entries], *rest  # type: ignore[attr-defined]

"""Commands by hand: taken once, in the order in which they were given, with entries that name the person."""

from __future__ import annotations

from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.manual import Command, obey
from rlfa.lineup.slots import AgentId, Day, EventTime, Slot, SlotId
from rlfa.store.commands import Commands
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from tests.rlfa.free_agency.builders import rules

FREEZE = Command(id=0, verb="freeze", by="ada", why="audit")
UNFREEZE = Command(id=0, verb="unfreeze", by="bob", why="audit over")


def give(store: Store, *commands: Command) -> list[int]:
    with store.transaction() as session:
        return [Commands(session).add(c, created_at=1) for c in commands]


def waiting(store: Store) -> list[Command]:
    with store.reading() as session:
        return list(Commands(session).waiting())


def test_commands_wait_in_the_order_in_which_they_were_given(store: Store) -> None:
    numbers = give(store, FREEZE, UNFREEZE)
    assert [(c.id, c.verb, c.by, c.why) for c in waiting(store)] == [
        (numbers[0], "freeze", "ada", "audit"),
        (numbers[1], "unfreeze", "bob", "audit over"),
    ]


def test_command_that_was_taken_waits_no_more(store: Store) -> None:
    give(store, FREEZE, UNFREEZE)
    first, second = waiting(store)
    with store.transaction() as session:
        Commands(session).take(first, taken_at=2)
    assert waiting(store) == [second]


def test_entries_of_a_command_name_the_person_and_come_once(store: Store) -> None:
    slot = Slot(id=SlotId("s"), incumbent=AgentId("a"))
    state, events = initial_state([slot], {slot.incumbent: "moe"}, Day(100), seed=1)
    state, done = obey(state, FREEZE, rules(), EventTime(0))
    for _ in range(2):
        with store.transaction() as session:
            Ledger(session).append(entries_of(events, state, at=EventTime(0), recorded_at=1))
            Ledger(session).append(entries_of(done, state, at=EventTime(0), recorded_at=1, step="command 1"))
    with store.reading() as session:
        entries = Ledger(session).read()
        assert Ledger(session).last_state() == state
    assert [(e.kind, e.who, e.policy, e.why) for e in entries][1:] == [("Frozen", "ada", "manual", "audit")]
    assert state.frozen

"""The books after trouble with the store: what has landed isn't done twice, what hasn't isn't lost."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from rlfa.config import load_service
from rlfa.free_agency.front_office import FrontOffice
from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.state import Candidate, Request
from rlfa.lineup.slots import AgentId, Day, EventTime, Slot, SlotId
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of

SLOT = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))
STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


def test_a_candidate_that_a_lost_answer_has_taken_is_not_handed_in_again(tmp_path: Path) -> None:
    (tmp_path / "rlfa.toml").write_text("")
    (tmp_path / "stream.toml").write_text(STREAM)
    service = load_service(tmp_path / "rlfa.toml")
    state, events = initial_state([SLOT], {SLOT.incumbent: "moe"}, Day(100), seed=1)
    wanted = Request(id="main/101/1", family="moe", genome_of=AgentId(""), day=Day(101))
    (slot,) = state.slots
    open_one = replace(state, slots=(replace(slot, requests=(wanted,)),))
    store = Store.open(service.database)
    with store.transaction() as session:
        Ledger(session).append(entries_of(events, open_one, at=EventTime(0), recorded_at=1))
    office = FrontOffice.open(service)
    taken = Candidate(slot=SLOT.id, family="moe", request="main/101/0", agent=AgentId("rookie"))
    waiting = Candidate(slot=SLOT.id, family="moe", request=wanted.id, agent=AgentId("late"))
    office.delivered = [taken, waiting]
    office.resume()
    assert office.delivered == [waiting]
    assert office.state == open_one
    office.store.close()
    store.close()

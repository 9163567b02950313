"""The books after trouble with the store: what has landed isn't done twice, what hasn't isn't lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from rlfa.config import Service, load_service
from rlfa.errors import ConfigError
from rlfa.free_agency.front_office import FrontOffice
from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.state import Candidate, Request
from rlfa.lineup.slots import AgentId, Day, EventTime, Slot, SlotId
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of

SLOT = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))
STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


def began(folder: Path, settings: str = "", segment: str = "") -> Service:
    """A service whose ledger has its first lineup."""
    (folder / "rlfa.toml").write_text(settings)
    (folder / "stream.toml").write_text(STREAM)
    service = load_service(folder / "rlfa.toml")
    part = Slot(id=SlotId("part"), incumbent=AgentId("other"), segment=segment)
    state, events = initial_state([SLOT, part], {SLOT.incumbent: "moe", part.incumbent: "moe"}, Day(100), seed=1)
    store = Store.open(service.database)
    with store.transaction() as session:
        Ledger(session).append(entries_of(events, state, at=EventTime(0), recorded_at=1))
    store.close()
    return service


SEGMENTED = "[genomes.moe]\n[genomes.other]\nseed = 2\n[slots]\nmain = 'moe'\npart = 'other'\n[segments]\npart = '{}'\n"


def test_segments_that_the_ledger_did_not_begin_with_are_refused(tmp_path: Path) -> None:
    service = began(tmp_path, SEGMENTED.format("amount > 10"), segment="amount > 1")
    with pytest.raises(ConfigError, match=r"segments.part: found 'amount > 10', allowed: 'amount > 1', with which"):
        FrontOffice.open(service)


def test_those_that_it_began_with_are_played(tmp_path: Path) -> None:
    office = FrontOffice.open(began(tmp_path, SEGMENTED.format("amount > 1"), segment="amount > 1"))
    assert office.state.segments == ("amount > 1",)
    office.store.close()


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

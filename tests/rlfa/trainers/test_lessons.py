"""A lesson makes the next version of an agent that learns, from closed days alone, the same whoever gives it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from agents.bring import Rows, agent_from_river
from agents.data_card import DataCard
from agents.online import OnlineAgent
from agents.weights import load_scorer
from rlfa.config import Service, load_service
from rlfa.free_agency.front_office import FrontOffice
from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.manual import Command
from rlfa.free_agency.state import Request
from rlfa.hosts.scoring import AgentRef
from rlfa.lanes.intake import intake_of
from rlfa.lineup.slots import DAY_MS, AgentId, Day, Epoch, EventTime, Slot, SlotId
from rlfa.outcomes import log
from rlfa.rewards.inefficiency import Footprint
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.commands import Commands
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.lessons import Lesson, learned_through, teach, version_id

LINEAR = "preprocessing.StandardScaler() | linear_model.LogisticRegression(l2=0.001)"
STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


def close(service: Service, day: int, *, fraud_above: float = 60.0) -> None:
    names, rng = intake_of(service).feature_names, np.random.default_rng(day)
    x = rng.lognormal(3, 1, (100, len(names))).astype(np.float32)
    rng.shuffle(times := day * DAY_MS + np.arange(100))
    table = {"label": x[:, 0] > fraud_above, "event_time": times, "amount": x[:, 0].astype(np.float64)}
    named = {f"{log.FEATURE}{name}": x[:, j] for j, name in enumerate(names)}
    log.write_day(pa.table({**table, **named}), service.outcomes, Day(day))


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Six closed days; footprints aren't measured, since sealed processes take seconds to start."""
    monkeypatch.setattr("rlfa.trainers.first_lineup._footprint", lambda *_: Footprint(latency_us=1.0, weights_bytes=1))
    (tmp_path / "rlfa.toml").write_text('state = "state"\n[genomes.moe]\n')
    (tmp_path / "stream.toml").write_text(STREAM)
    made = load_service(tmp_path / "rlfa.toml")
    for day in range(6):
        close(made, day)
    return made


def rows_of(service: Service, days: range) -> Rows:
    data = log.load_training([log.path_of(service.outcomes, Day(day)) for day in days])
    return Rows(features=data.features, fraud=data.fraud, event_time=data.event_time, feature_names=data.feature_names)


def pupil(service: Service, days: int = 3, **more: str) -> StoredAgent:
    """An agent that has learned the first days."""
    folder = service.agents / "pupil"
    brought = agent_from_river(LINEAR, rows_of(service, range(days)), folder)
    genome = load_scorer(folder, brought.checksum).genome.id
    agent = version_id(genome, brought.checksum)
    ref = AgentRef(id=agent, folder=str(folder), checksum=brought.checksum)
    record = stored(ref, genome, 1)
    return msgspec.structs.replace(record, origin="outside", added_by="ada", why="a pilot", **more)


def lesson(agent: StoredAgent, *days: int) -> Lesson:
    return Lesson(agent=agent.id, base=agent, days=tuple(Day(day) for day in days))


def test_two_lessons_lead_to_the_state_of_one_that_learned_it_all_in_order(service: Service, tmp_path: Path) -> None:
    first = pupil(service)
    second = teach(service, lesson(first, 3)).record
    assert second is not None
    third = teach(service, lesson(second, 4, 5)).record
    assert third is not None
    at_once = agent_from_river(LINEAR, rows_of(service, range(6)), tmp_path / "at_once")
    x = rows_of(service, range(6)).features
    ours, theirs = load_scorer(Path(third.uri), third.checksum), load_scorer(at_once.folder, at_once.checksum)
    np.testing.assert_array_equal(ours.logits(x), theirs.logits(x))
    assert np.abs(ours.logits(x) - load_scorer(Path(first.uri), first.checksum).logits(x)).max() > 0.01
    assert third.id == version_id(third.family, third.checksum)
    assert (third.origin, third.added_by) == ("outside", "manager")
    card = msgspec.json.decode(third.card, type=DataCard)
    assert (card.rows, card.learns, learned_through(card)) == (600, True, 5)


def test_the_same_lesson_again_is_the_same_version(service: Service) -> None:
    first = pupil(service)
    once, again = (teach(service, lesson(first, 3, 4)) for _ in range(2))
    assert once.result == again.result
    assert once.record == again.record
    assert sorted(p.name for p in service.agents.iterdir()) == sorted(["pupil", once.result.version])


def test_a_lesson_says_what_was_learned(service: Service) -> None:
    taught = teach(service, lesson(pupil(service), 3, 4))
    assert (taught.result.rows, taught.result.through, taught.result.error) == (200, 4, "")
    assert taught.result.frauds == rows_of(service, range(3, 5)).fraud.sum()
    assert taught.record is not None
    assert taught.record.checksum == taught.result.checksum


def test_a_masked_feature_is_not_learned_either(service: Service) -> None:
    names = intake_of(service).feature_names
    shown = msgspec.json.encode(names[1:]).decode()
    record = teach(service, lesson(pupil(service, visible=shown), 3)).record
    assert record is not None
    assert record.visible == shown
    agent = load_scorer(Path(record.uri), record.checksum)
    assert isinstance(agent, OnlineAgent)
    assert np.isnan(agent.features[300:, 0]).all()
    assert not np.isnan(agent.features[:300, 0]).any()


def test_a_segments_agent_learns_its_segment(service: Service) -> None:
    small = msgspec.structs.replace(lesson(pupil(service), 3, 4), segment="amount < 20")
    amounts = rows_of(service, range(3, 5)).features[:, 0]
    assert teach(service, small).result.rows == (amounts < 20).sum()
    nobody = msgspec.structs.replace(small, segment="amount < 0")
    assert teach(service, nobody).result.error.endswith("found no row in 2 days, allowed: at least one")


def test_days_that_it_has_learned_already_are_refused(service: Service) -> None:
    taught = teach(service, lesson(pupil(service), 2))
    assert taught.record is None
    assert "cohort event_time: found" in taught.result.error


def test_a_version_with_many_times_the_alerts_is_not_kept(service: Service) -> None:
    first, path = pupil(service), Path(service.root) / "rlfa.toml"
    path.write_text(f"{path.read_text()}[free_agency]\ncosts = {{review = 10.0}}\nguard = {{alert_rate_max = 1.5}}\n")
    for day in (3, 4, 5):
        close(service, day, fraud_above=0.0)
    taught = teach(load_service(path), lesson(first, 3, 4, 5))
    assert taught.record is None
    assert " alerts on 300 rows, allowed: at most 1.5 times the " in taught.result.error
    assert [p.name for p in service.agents.iterdir()] == ["pupil"]


def test_a_replay_that_is_full_forgets_its_oldest_rows(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pupil(service)
    monkeypatch.setattr("agents.bring.from_river.ROWS_MAX", 350)
    record = teach(service, lesson(first, 3)).record
    assert record is not None
    agent = load_scorer(Path(record.uri), record.checksum)
    assert isinstance(agent, OnlineAgent)
    everything = rows_of(service, range(4))
    newest = np.argsort(everything.event_time, kind="stable")[-350:]
    np.testing.assert_array_equal(agent.features, everything.features[newest])


def began(service: Service) -> FrontOffice:
    """A service in which a person has given the slot to an agent that learns, three days after it was made."""
    slot = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))
    state, events = initial_state([slot], {slot.incumbent: "moe"}, Day(3), seed=1)
    agent = pupil(service)
    store = Store.open(service.database)
    with store.transaction() as session:
        Agents(session).add(msgspec.structs.replace(agent, id=slot.incumbent))
        Agents(session).add(agent)
        Ledger(session).append(entries_of(events, state, at=EventTime(0), recorded_at=1))
        for verb in ("sign", "promote"):
            command = Command(id=0, verb=verb, by="ada", why="a pilot", slot=slot.id, agent=agent.id)
            Commands(session).add(command, 1)
    store.close()
    office = FrontOffice.open(service)
    while office.obey(EventTime(4 * DAY_MS), 2):
        pass
    return office


def cohort_taken(office: FrontOffice, day: int) -> None:
    """As if its step had been taken: nothing but the day matters here."""
    office.state = msgspec.structs.replace(office.state, day=Day(day))


def test_a_manager_that_starts_again_gives_the_same_lesson(service: Service) -> None:
    office = began(service)
    assert office.lessons() == []
    cohort_taken(office, 4)
    (given,) = office.lessons()
    assert given.days == (3, 4), "the fifth day is closed, but nobody has judged it"
    handed_in = office.hand_in_lesson(teach(service, given), EventTime(7 * DAY_MS), 5)
    assert handed_in
    office.store.close()
    again = FrontOffice.open(service)
    assert again.state == office.state
    assert again.lessons() == []
    cohort_taken(again, 5)
    (following,) = again.lessons()
    assert (following.days, following.base.id) == ((5,), office.state.version_of(given.agent))
    again.store.close()


def test_ledger_plan_and_store_say_which_version_plays(service: Service) -> None:
    office = began(service)
    cohort_taken(office, 3)
    (given,) = office.lessons()
    taught = teach(service, given)
    office.hand_in_lesson(taught, EventTime(6 * DAY_MS), 5)
    assert not office.hand_in_lesson(taught, EventTime(6 * DAY_MS), 6), "it is handed in once"
    (ref,) = [r for r in office.plan(office.state.lineup).refs if r.id == taught.result.version]
    assert (ref.checksum, ref.sealed) == (taught.result.checksum, True)
    with office.store.reading() as session:
        entries = Ledger(session).read()
        before, after = (Ledger(session).lineup_of(Epoch(epoch)) for epoch in (2, 3))
        record = Agents(session).get(taught.result.version)
    office.store.close()
    assert [e.kind for e in entries[-2:]] == ["Learned", "EpochChanged"]
    assert (before.version_of(given.agent), after.version_of(given.agent)) == (given.agent, taught.result.version)
    assert (record.checksum, record.created_at) == (taught.result.checksum, 5)


def test_a_candidate_is_compared_with_the_version_that_has_not_learned_the_gates_days_either(service: Service) -> None:
    office = began(service)
    for day in (3, 4, 5):
        cohort_taken(office, day)
        (given,) = office.lessons()
        office.hand_in_lesson(teach(service, given), EventTime((day + 3) * DAY_MS), 5)
    learner = office.state.learners[given.agent]
    order = office.order(SlotId("main"), Request(id="main/5/0", family="moe", genome_of=AgentId(""), day=Day(5)))
    assert (order.days, service.settings.trainers.gate_days) == (tuple(range(6)), 2)
    assert order.incumbent.id == next(v.id for v in learner.versions if v.through == 3)
    office.store.close()

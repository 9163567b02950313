"""The manager killed around its commits, and the store away: nothing forgotten, nobody swapped, all decided."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
import sqlalchemy as sa

from agents.genome import Genome
from rlfa.cluster import RunningService, start_service
from rlfa.config import Service
from rlfa.free_agency.actor import ManagerStatus
from rlfa.free_agency.manager import step
from rlfa.free_agency.manual import Command, Verb
from rlfa.free_agency.scouting import BanditScout
from rlfa.free_agency.state import decode_state
from rlfa.lineup.slots import DAY_MS, AgentId, SlotId
from rlfa.outcomes import journal, log
from rlfa.store.agents import Agents
from rlfa.store.commands import Commands
from rlfa.store.database import WRITER_LOCK, Store
from rlfa.store.ledger import Entry, Ledger, entries_of
from rlfa.store.tables import LedgerRow
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.training import keep, train_on
from streams.kafka.embedded import EmbeddedBroker
from tests.end_to_end.services import HISTORY_DAYS, Bench, bench, wait_until
from tests.postgres import PASSWORD, PostgresServer

DAY = HISTORY_DAYS
AWAY_S = 15.0  # past every wait for a connection; a minute is four times the same
DELAY_DAYS = 4  # of the simulator's labels
EASY = """
[free_agency.probation]
frauds_min = 1
rows_min = 1
days_min = 1
"""


@contextmanager
def writer_lock(service: Service) -> Iterator[None]:
    """Nobody else commits: whoever wants to write waits right before it."""
    store = Store.open(service.database)
    with store.transaction():
        yield
    store.close()


def ledger(service: Service) -> tuple[Entry, ...]:
    store = Store.open(service.database)
    with store.reading() as session:
        entries = Ledger(session).read()
    store.close()
    return entries


def ledger_day(service: Service) -> int:
    return max(e.event_day for e in ledger(service))


def ledger_epoch(service: Service) -> int:
    return max(e.epoch for e in ledger(service))


def status_of(running: RunningService) -> ManagerStatus:
    status = running.manager_status()
    assert status is not None
    return status


def nothing_due(service: Service, running: RunningService) -> bool:
    """Every day whose label delay has passed is closed and taken."""
    times = [lane.event_time if lane else None for lane in running.statuses()]
    if running.manager_status() is None or not all(times):
        return False
    due = [d for d in journal.days(service.journals, journal.DECISIONS) if (d + 1 + DELAY_DAYS) * DAY_MS <= min(times)]  # type: ignore[type-var]
    return bool(due) and ledger_day(service) >= due[-1]


def newcomer(ready: Bench) -> AgentId:
    """A trained agent in the store."""
    service = ready.service
    days = log.closed_days(service.outcomes)
    genome = Genome(expert="logistic", experts=2, epochs_max=3, genuine_per_fraud=5, seed=9)
    ref = keep(
        train_on(
            service.outcomes, days, genome, frozenset(service.spec.categorical), service.settings.free_agency.costs
        ),
        service.agents,
    )
    store = Store.open(service.database)
    with store.transaction() as session:
        Agents(session).add(stored(ref, "linear", 1))
    store.close()
    return ref.id


def ask(service: Service, verb: Verb, agent: AgentId) -> None:
    store = Store.open(service.database)
    with store.transaction() as session:
        command = Command(id=0, verb=verb, by="ada", why="a test", slot=SlotId("a"), agent=agent)
        Commands(session).add(command, 1)
    store.close()


def kill_manager(running: RunningService) -> int:
    pid = int(ray.get(running.manager.pid.remote()))
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_for_another(running: RunningService, before: int) -> None:
    def there() -> bool:
        status = running.manager_status()
        return status is not None and ray.get(running.manager.pid.remote()) != before

    wait_until(there, running)


def refuse_another_story(service: Service, after: str) -> int:
    """A manager that nobody killed, on the same cohorts and clock, writes the same entries; returns how many."""
    store = Store.open(service.database)
    with store.reading() as session:
        entries = Ledger(session).read()
        rows = session.execute(sa.select(LedgerRow.seq, LedgerRow.state).where(LedgerRow.state.is_not(None)))
        states = {seq: decode_state(str(text)) for seq, text in rows}
    store.close()
    begin = next(i for i, e in enumerate(entries) if e.kind == after)
    state, rest = states[entries[begin].seq], list(entries[begin + 1 :])
    scout, checked = BanditScout(tuple(service.settings.genomes)), 0
    while rest:
        cohort = log.load_cohort(log.path_of(service.outcomes, rest[0].event_day))  # type: ignore[arg-type]
        now = rest[0].event_at
        state, events = step(state, cohort, (), service.settings.free_agency, now, scout=scout)  # type: ignore[arg-type]
        wanted = entries_of(events, state, at=now, recorded_at=0)  # type: ignore[arg-type]
        found, rest = rest[: len(wanted)], rest[len(wanted) :]
        assert [(e.key, bytes(e.evidence)) for e in found] == [(e.key, bytes(e.evidence)) for e in wanted]
        assert states[found[-1].seq] == state
        checked += len(found)
    return checked


@pytest.fixture(params=["sqlite", "postgresql"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return settings_of(server, tmp_path)


def settings_of(server: PostgresServer, folder: Path) -> str:
    (folder / "secret").write_text(PASSWORD)
    url = server.url().replace(f":{PASSWORD}", "")
    return f'database = "{url}"\ndatabase_password_file = "{folder / "secret"}"\n'


@pytest.mark.usefixtures("local_ray")
def test_a_manager_killed_before_and_after_its_commits_writes_the_same_ledger(
    noida: EmbeddedBroker, root: str, tmp_path: Path
) -> None:
    name = "kills-pg" if root else "kills-lite"
    ready = bench(tmp_path, noida.bootstrap_servers, name, root=root, lanes=EASY)
    service = ready.service
    ask(service, "sign", newcomer(ready))
    begins = DAY + DELAY_DAYS + 2  # the newcomer scores in shadow from here on
    first = begins + DELAY_DAYS + 1  # and this day closes the first cohort that is evidence
    published = ready.publish(DAY, begins)
    running = start_service(service)
    try:
        wait_until(lambda: "ProbationStarted" in {e.kind for e in ledger(service)}, running)
        published += ready.publish(begins, first)
        for day in range(first, first + 3):
            wait_until(lambda: nothing_due(service, running), running)
            taken = ledger_day(service)
            with writer_lock(service):
                published += ready.publish(day, day + 1)
                wait_until(lambda taken=taken: log.closed_days(service.outcomes)[-1] > taken, running)
                killed = kill_manager(running)  # it has the step and waits to write it
            wait_until(lambda taken=taken: ledger_day(service) > taken, running)
            wait_for_another(running, killed)
            kill_manager(running)  # it has written, and may not have told anybody
        ready.wait_for(published, running)
        wait_until(lambda: nothing_due(service, running), running)
        assert set(ready.decided().values()) == {1}
    finally:
        running.stop()
    assert "EvidenceAdded" in {e.kind for e in ledger(service)}
    assert refuse_another_story(service, "Signed") > 3


@pytest.mark.usefixtures("local_ray")
def test_the_store_away_stops_swaps_and_not_decisions(noida: EmbeddedBroker, tmp_path: Path) -> None:
    with PostgresServer() as server:
        ready = bench(tmp_path, noida.bootstrap_servers, "away", root=settings_of(server, tmp_path), lanes=EASY)
        service = ready.service
        agent = newcomer(ready)
        ask(service, "sign", agent)
        published = ready.publish(DAY, DAY + DELAY_DAYS + 1)
        running = start_service(service)
        try:
            wait_until(lambda: nothing_due(service, running), running)
            one = server.connect(service.database.rsplit("/", 1)[1])
            one.execute(f"SELECT pg_advisory_lock({WRITER_LOCK})".encode())
            one.execute(
                "INSERT INTO commands (verb, slot, agent, who, why, created_at) "
                f"VALUES ('promote', 'a', '{agent}', 'ada', 'due while the store is away', 1)".encode()
            )
            server.kill()  # a swap is due, and can't be written
            one.close()
            taken = status_of(running).day
            away_since = time.monotonic()
            published += ready.publish(DAY + DELAY_DAYS + 1, DAY + DELAY_DAYS + 4)
            counts = ready.wait_for(published, running)
            while time.monotonic() - away_since < AWAY_S:
                assert (status_of(running).day, status_of(running).epoch) == (taken, 1)
                time.sleep(0.2)  # the outage itself: nothing else tells that nothing happens
            killed = kill_manager(running)  # and what comes back finds no store
            assert set(counts.values()) == {1}
            assert {lane.epoch for lane in running.statuses() if lane} == {1}
            server.start()
            wait_for_another(running, killed)
            wait_until(lambda: ledger_epoch(service) > 1, running)
            wait_until(lambda: all(lane and lane.epoch > 1 for lane in running.statuses()), running)
            wait_until(lambda: nothing_due(service, running), running)
        finally:
            running.stop()
        assert ledger_day(service) > taken

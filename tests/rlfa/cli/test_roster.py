"""`rlfa roster` and `rlfa ledger` on a database that a manager has written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from rlfa.cli import by_hand
from rlfa.cli import roster as commands
from rlfa.free_agency.manager import initial_state, step
from rlfa.free_agency.roster import Roster
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import Candidate
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime, Slot, SlotId
from rlfa.store.commands import Commands
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from tests.rlfa.free_agency.builders import cohort, rules

app = typer.Typer()
app.add_typer(by_hand.app, name="roster")
app.command()(commands.ledger)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Six days, on the second of which a free agent goes on probation."""
    url = f"sqlite:///{tmp_path / 'rlfa.db'}"
    store = Store.open(url)
    slot = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))
    state, events = initial_state([slot], {slot.incumbent: "moe"}, Day(20_000), seed=1)
    for day in range(20_000, 20_006):
        with store.transaction() as session:
            Ledger(session).append(entries_of(events, state, at=EventTime(day * DAY_MS), recorded_at=1))
        newcomer = [Candidate(slot=slot.id, family="wide", agent=AgentId("rookie"))] if day == 20_001 else []
        skills = dict.fromkeys(state.lineup.agents, 3.0)
        now, scout = EventTime(day * DAY_MS), SeededScout(("moe",))
        state, events = step(state, cohort(day, skills), newcomer, rules(), now, scout=scout)
    store.close()
    return url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def test_roster_shows_the_incumbent_and_the_probation_against_its_bound(database: str) -> None:
    result = run("roster", "--database", database)
    assert result.exit_code == 0
    for part in (
        "epoch 1, judged up to 2024-10-08",
        "veteran",
        "rookie",
        "wide",
        "shadow",
        "released: nobody",
    ):
        assert part in result.stdout


def test_roster_as_json_is_the_fold(database: str) -> None:
    result = run("roster", "--database", database, "--json")
    now = msgspec.json.decode(result.stdout, type=Roster)
    (trial,) = now.seats[0].probations
    assert (now.seats[0].incumbent, trial.agent, trial.bound) == ("veteran", "rookie", 5.0)


def test_ledger_tells_the_moves_with_their_reasons_and_leaves_out_the_daily_entries(database: str) -> None:
    result = run("ledger", "--database", database)
    assert "service starts with veteran in main" in result.stdout
    assert "ProbationStarted" in result.stdout
    assert "CohortTaken" not in result.stdout
    assert "CohortTaken" in run("ledger", "--database", database, "--all").stdout


def test_ledger_as_json_has_every_entry_after_a_place(database: str) -> None:
    entries = msgspec.json.decode(run("ledger", "--database", database, "--json").stdout)
    later = msgspec.json.decode(run("ledger", "--database", database, "--json", "--after", "2").stdout)
    assert entries[2:] == later
    assert {"CohortTaken", "EvidenceAdded"} < {e["kind"] for e in entries}
    assert all(e["why"] for e in entries)


def test_database_that_is_not_there_fails(tmp_path: Path) -> None:
    assert run("roster", "--database", f"sqlite:///{tmp_path / 'none.db'}").exit_code == 1


def test_command_by_hand_waits_for_the_manager_with_its_name_and_reason(database: str) -> None:
    result = run("roster", "promote", "rookie", "--by", "ada", "--reason", "attack", "--database", database)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "command 1 waits for the manager" in result.stderr
    store = Store.open(database)
    with store.reading() as session:
        (command,) = Commands(session).waiting()
    store.close()
    assert (command.verb, command.agent, command.by, command.why) == ("promote", "rookie", "ada", "attack")


def test_command_by_hand_without_a_reason_is_misuse(database: str) -> None:
    assert run("roster", "freeze", "--by", "ada", "--database", database).exit_code == 2
    assert run("roster", "freeze", "--by", "ada", "--reason", " ", "--database", database).exit_code == 2

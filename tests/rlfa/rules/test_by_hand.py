"""A rule set acts from the epoch that a person made with it: in the ledger, in the store, and in the lanes' plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rlfa.cli import app
from rlfa.config import Service, load_service
from rlfa.free_agency.front_office import FrontOffice
from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.manual import Command, obey
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.lineup.slots import AgentId, Day, Epoch, EventTime, Slot, SlotId
from rlfa.rules.ruleset import NO_RULES
from rlfa.store.commands import Commands
from rlfa.store.database import Store, StoreError
from rlfa.store.ledger import Ledger, entries_of, roster
from rlfa.store.rules import RuleSets
from tests.rlfa.backtest.histories import SPEC

RULES = """
[lists.stolen]
field = "customer"
values = ["c-17-stolen"]
[[rules]]
name = "stolen"
action = "decline"
list = "stolen"
[[rules]]
name = "big"
action = "review"
when = "amount > 500"
"""
SLOT = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A service whose ledger has its first lineup, with rules beside it that don't act yet."""
    (tmp_path / "rlfa.toml").write_text("")
    (tmp_path / "stream.toml").write_text(SPEC)
    (tmp_path / "rules.toml").write_text(RULES)
    service = load_service(tmp_path / "rlfa.toml")
    state, events = initial_state([SLOT], {SLOT.incumbent: "moe"}, Day(100), seed=1)
    store = Store.open(service.database)
    with store.transaction() as session:
        Ledger(session).append(entries_of(events, state, at=EventTime(0), recorded_at=1))
    store.close()
    return service


def run(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["rules", *arguments, "--config", f"{service.root}/rlfa.toml"])


def set_rules(service: Service) -> str:
    result = run(service, "set", f"{service.root}/rules.toml", "--by", "ada", "--reason", "case 812")
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def obeyed(service: Service) -> FrontOffice:
    office = FrontOffice.open(service)
    assert office.obey(EventTime(101 * 86_400_000), 5)
    return office


def test_a_set_acts_from_a_new_epoch_on_with_who_and_why_in_the_ledger(service: Service) -> None:
    assert "no rules act" in run(service, "show").stdout
    rules = set_rules(service)
    office = obeyed(service)
    assert (office.state.epoch, office.state.rules, office.state.lineup.rules) == (2, rules, rules)
    with office.store.reading() as session:
        entries, lineup = Ledger(session).read(), Ledger(session).lineup_of(Epoch(2))
        kept = RuleSets(session).get(rules)
    office.store.close()
    assert lineup.rules == rules == kept.id
    assert [(e.kind, e.epoch, e.who, e.policy) for e in entries[1:]] == [
        ("RulesChanged", 2, "ada", "manual"),
        ("EpochChanged", 2, "ada", "manual"),
    ]
    assert entries[1].why == "case 812"
    assert roster(entries).rules == rules
    shown = json.loads(run(service, "show", "--json").stdout)
    assert (shown["id"], [r["name"] for r in shown["rules"]]) == (rules, ["stolen", "big"])
    assert "stolen (1 values)" in run(service, "show").stdout


def test_no_listed_value_is_in_the_database(service: Service) -> None:
    set_rules(service)
    obeyed(service).store.close()
    files = list(service.state.glob("rlfa.db*"))
    assert files
    assert not any(b"c-17-stolen" in path.read_bytes() for path in files)


def test_the_same_again_and_a_set_that_the_store_lacks_are_refused_and_off_ends_them(service: Service) -> None:
    rules = set_rules(service)
    obeyed(service).store.close()
    set_rules(service)
    office = obeyed(service)
    assert office.state.epoch == 2
    run(service, "off", "--by", "bob", "--reason", "over")
    assert office.obey(EventTime(101 * 86_400_000), 6)
    assert (office.state.epoch, office.state.rules) == (3, "")
    with office.store.transaction() as session:
        Commands(session).add(Command(id=0, verb="rules", by="eve", why="forged", rules="rules-000000000000"), 7)
    assert office.obey(EventTime(101 * 86_400_000), 8)
    assert office.state.epoch == 3
    with office.store.reading() as session:
        refusals = [e.why for e in Ledger(session).read() if e.kind == "CommandRefused"]
        with pytest.raises(StoreError, match="allowed: a set that was added here"):
            RuleSets(session).get("rules-000000000000")
        assert RuleSets(session).get("") == NO_RULES
    office.store.close()
    assert refusals == [
        f"rules refused: {rules} acts already",
        "rules refused: the store has no rule set 'rules-000000000000'",
    ]


def test_no_rules_that_act_already_are_not_ended_again() -> None:
    state, _ = initial_state([SLOT], {SLOT.incumbent: "moe"}, Day(100), seed=1)
    command = Command(id=1, verb="rules", by="ada", why="over")
    after, (event,) = obey(state, command, FreeAgencyRules(), EventTime(0))
    assert after == state
    assert event.reason == "rules refused: no rules act already"


def test_a_rules_file_is_checked_against_the_stream_before_it_is_asked_for(service: Service) -> None:
    path = Path(service.root) / "rules.toml"
    path.write_text(RULES.replace("amount", "amuont"))
    for arguments in (("check", str(path)), ("set", str(path), "--by", "ada", "--reason", "x")):
        assert "rules.toml rule 'big' when: found 'amuont'" in str(run(service, *arguments).exception)
    path.write_text("")
    assert "found 'no rule', allowed: one at least" in str(
        run(service, "set", str(path), "--by", "a", "--reason", "x").exception
    )
    path.write_text(RULES)
    assert run(service, "set", str(path), "--by", " ", "--reason", "x").exit_code == 2
    assert run(service, "check", str(path)).stdout.count("big") == 1

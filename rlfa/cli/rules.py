"""`rlfa rules check|test|set|off|show|sign`: the user's own rules around the lineup."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.table import Table

from rlfa.cli.by_hand import By, Reason
from rlfa.cli.roster import AsJson, Config, Database, console
from rlfa.config import Service, load_service
from rlfa.errors import ConfigError
from rlfa.free_agency.front_office import last_state
from rlfa.free_agency.manual import Command
from rlfa.lanes.intake import intake_of
from rlfa.lineup.segments import fields_of, part_of
from rlfa.lineup.slots import SlotId, date_of
from rlfa.outcomes import log
from rlfa.rules.agent import genome_of
from rlfa.rules.loading import load_rules
from rlfa.rules.reading import read_rules
from rlfa.rules.ruleset import RuleSet
from rlfa.rules.trying import Part, SetFigures, past_of_log, past_of_table, try_on
from rlfa.settings import Settings
from rlfa.store.agents import Agents
from rlfa.store.commands import Commands
from rlfa.store.database import Store
from rlfa.store.rules import RuleSets
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.training import keep, train_on, window
from streams.codec import categorical_features
from streams.spec import load_spec
from streams.tables import read_history

app = typer.Typer(no_args_is_help=True, help="Check, try and change the rules that act around the lineup.")
HERE = Path("rlfa.toml")
RulesFile = Annotated[Path, typer.Argument(help="The rules file, TOML.")]


@app.command("check")
def check_rules(rules: RulesFile, config: Config = HERE, as_json: AsJson = False) -> None:
    """Read a rules file against the service's stream, and show its rules in the order in which they may decide.

    Example: rlfa rules check rules.toml
    """
    _show(load_rules(load_service(config), rules), as_json=as_json)


@app.command("test")
def try_rules(
    rules: Annotated[Path, typer.Option("--rules", help="The rules file, TOML.")],
    spec: Annotated[Path | None, typer.Option("--spec", help="Stream spec of a table; with --data.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Table of past transactions with their truth.")] = None,
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what a rule set would have done: on a table of the past, or else on the service's own closed days.

    Example: rlfa rules test --rules rules.toml --spec stream.toml --data transactions.parquet
    """
    if (spec is None) != (data is None):
        raise typer.BadParameter("found one of them, allowed: both or neither", param_hint="--spec, --data")
    if spec is not None and data is not None:
        service = Service(settings=Settings(), spec=load_spec(spec), root=str(spec.parent.resolve()))
    else:
        service = load_service(config)
    fields = fields_of(service.spec, intake_of(service).feature_names)
    read = read_rules(rules, service.spec, fields)
    past = past_of_log(service, fields) if data is None else past_of_table(service, read_history(data, service.spec))
    found = try_on(read, past)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    console().print(_figures_table(found))
    typer.echo(_summary(found), err=True)


@app.command("set")
def set_rules(rules: RulesFile, by: By, reason: Reason, config: Config = HERE) -> None:
    """Let a rule set act from the lanes' next batch on: a new epoch, with your name and reason in the ledger.

    Example: rlfa rules set rules.toml --by ada --reason "block the terminals of case 812"
    """
    service = load_service(config)
    read = load_rules(service, rules)
    if not read.rules:
        raise ConfigError(str(rules), "no rule", "one at least; `rlfa rules off` ends all of them")
    _ask(service, read, by, reason)


@app.command("off")
def end_rules(by: By, reason: Reason, config: Config = HERE) -> None:
    """Let no rules act from the lanes' next batch on.

    Example: rlfa rules off --by ada --reason "the attack is over"
    """
    _ask(load_service(config), RuleSet(), by, reason)


@app.command("show")
def show_rules(config: Config = HERE, database: Database = "", as_json: AsJson = False) -> None:
    """Show the rules that act now, in the order in which they may decide.

    Example: rlfa rules show --json
    """
    store = Store.open(database or load_service(config).database, must_exist=True)
    try:
        with store.reading() as session:
            rules = RuleSets(session).get(last_state(store).rules)
    finally:
        store.close()
    _show(rules, as_json=as_json)


@app.command("sign")
def sign_rules(
    rules: RulesFile,
    slot: Annotated[str, typer.Option("--slot", help="The slot that it shall be tried for.")],
    by: By,
    reason: Reason,
    config: Config = HERE,
) -> None:
    """Make a rule set an agent, weighed and calibrated on the newest closed days, and sign it into a slot's pool.

    Example: rlfa rules sign rules.toml --slot main --by ada --reason "the analysts against the machines"
    """
    _refuse_nameless(by, reason)
    service = load_service(config)
    genome = genome_of(load_rules(service, rules), fields_of(service.spec, intake_of(service).feature_names))
    settings = service.settings
    agent = train_on(
        service.outcomes,
        window(log.closed_days(service.outcomes), settings.trainers.window_days),
        genome,
        categorical_features(service.spec),
        settings.free_agency.costs,
        part=part_of(service.spec, settings.segments.get(slot, "")),
        threads=settings.trainers.threads,
    )
    now = time.time_ns() // 1_000_000
    ref = keep(agent, service.agents)
    record = replace(stored(ref, genome.id, now), added_by=by, why=reason)
    store = Store.open(service.database, must_exist=True)
    try:
        with store.transaction() as session:
            Agents(session).add(record)
            command = Command(id=0, verb="sign", by=by, why=reason, slot=SlotId(slot), agent=ref.id)
            number = Commands(session).add(command, now)
    finally:
        store.close()
    typer.echo(ref.id)
    typer.echo(f"command {number} waits for the manager; `rlfa ledger` shows what came of it", err=True)


def _refuse_nameless(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise typer.BadParameter("found nothing, allowed: a name and a reason", param_hint="--by, --reason")


def _ask(service: Service, rules: RuleSet, by: str, reason: str) -> None:
    _refuse_nameless(by, reason)
    now = time.time_ns() // 1_000_000
    store = Store.open(service.database, must_exist=True)
    try:
        with store.transaction() as session:
            if rules.rules:
                RuleSets(session).add(rules, by=by, why=reason, created_at=now)
            command = Command(id=0, verb="rules", by=by, why=reason, rules=rules.id if rules.rules else "")
            number = Commands(session).add(command, now)
    finally:
        store.close()
    if rules.rules:
        typer.echo(rules.id)
    typer.echo(f"command {number} waits for the manager; `rlfa ledger` shows what came of it", err=True)


def _show(rules: RuleSet, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode({"id": rules.id, "order": rules.order, "rules": rules.sequence}).decode())
        return
    if not rules.rules:
        typer.echo("no rules act")
        return
    table = Table("", "rule", "stage", "action", "mode", "until", "declines a day", title=rules.id)
    table.add_column("when", overflow="fold")
    for i, rule in enumerate(rules.sequence):
        listed = f"{rule.in_list} ({len(rules.lists[rule.in_list].keys):,} values)" if rule.in_list else ""
        when = " and ".join(part for part in (listed and f"on the list {listed}", rule.when) if part)
        most = f"{rule.declines_per_day_max:,}" if rule.action == "decline" else ""
        until = "" if rule.until is None else rule.until.isoformat()
        table.add_row(str(i + 1), rule.name, rule.stage, rule.action, rule.mode, until, most, when)
    console().print(table)


def _figures_table(found: SetFigures) -> Table:
    table = Table(
        "rule", "action", "mode", title=f"{found.rules}, {date_of(found.first_day)} to {date_of(found.last_day)}"
    )
    headings = ("hits", "frauds", "genuine", "precision", "fraud value", "adds frauds", "adds genuine", "adds value")
    for name in (*headings, "decided", "days suspended"):
        table.add_column(name, justify="right")
    for rule in found.each:
        table.add_row(
            rule.name,
            rule.action if rule.stage == "before" else f"{rule.action} after",
            rule.mode,
            *_cells(rule.all),
            "" if rule.precision is None else f"{rule.precision:.1%}",
            f"{rule.all.fraud_value:,.2f}",
            f"{rule.beyond.frauds:,}",
            f"{rule.beyond.genuine:,}",
            f"{rule.beyond.fraud_value:,.2f}",
            f"{rule.decided:,}",
            str(rule.suspended_days or ""),
        )
    return table


def _cells(part: Part) -> tuple[str, str, str]:
    return f"{part.hits:,}", f"{part.frauds:,}", f"{part.genuine:,}"


def _summary(found: SetFigures) -> str:
    stopped, precision = found.stopped, found.stopped.precision
    text = (
        f"live rules would have stopped {stopped.hits:,} of {found.rows:,} payments: {stopped.frauds:,} of "
        f"{found.frauds:,} frauds, {stopped.fraud_value:,.2f} of {found.fraud_value:,.2f}, and {stopped.genuine:,} "
        f"genuine ones of {stopped.genuine_value:,.2f}"
    )
    text += "" if precision is None else f"; precision {precision:.1%}"
    return text + ("; no lineup scored these: what looks at lineup_score hits nothing" if found.without_score else "")

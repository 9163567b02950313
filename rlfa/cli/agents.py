"""`rlfa agents import|list|show|explain`: agents of the store, and the way in for one from outside."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.table import Table

from agents.data_card import DataCard
from agents.mlflow_store import export_agent, fetch_agent
from agents.weights import CARD, GENOME, WEIGHTS, load_scorer
from rlfa.cli.agents_explain import explain_agent
from rlfa.cli.by_hand import By, Reason
from rlfa.cli.roster import AsJson, Config, Database, console
from rlfa.config import Service, load_service
from rlfa.errors import NotAllowedError
from rlfa.free_agency.manual import Command
from rlfa.hosts.scoring import AgentRef
from rlfa.hosts.seal import refuse_unavailable
from rlfa.lanes.intake import intake_of
from rlfa.lineup.slots import DAY_MS, Day, SlotId, date_of
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.commands import Commands
from rlfa.store.database import Store
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.lessons import version_id

app = typer.Typer(no_args_is_help=True, help="Show the store's agents, and sign one from outside.")
app.command("explain")(explain_agent)
HERE = Path("rlfa.toml")
AgentName = Annotated[str, typer.Argument(help="The agent's id.")]


class ImportRefusedError(NotAllowedError):
    """An agent from outside that isn't let in: where, found, allowed."""


@app.command("import")
def import_agent(
    folder: Annotated[Path, typer.Argument(help="With weights.safetensors, genome.json and card.json; or a run's.")],
    checksum: Annotated[str, typer.Option("--checksum", help="SHA-256 of the weights, as their maker gave it.")],
    slot: Annotated[str, typer.Option("--slot", help="The slot that it shall be tried for.")],
    by: By,
    reason: Reason,
    feature: Annotated[list[str] | None, typer.Option("--feature", help="It may see only these; else all.")] = None,
    mlflow: Annotated[str, typer.Option("--mlflow", help="Tracking server that FOLDER, runs:/RUN/agent, is on.")] = "",
    config: Config = HERE,
) -> None:
    """Check an agent from outside, keep it sealed, and sign it into a slot's pool.

    Example: rlfa agents import vendor/agent --checksum 9f2c... --slot main --by ada --reason "pilot with a vendor"
    """
    if not by.strip() or not reason.strip():
        raise typer.BadParameter("found nothing, allowed: a name and a reason", param_hint="--by, --reason")
    service = load_service(config)
    with TemporaryDirectory() as fetched:
        source = fetch_agent(str(folder), mlflow, Path(fetched)) if mlflow else folder
        agent = take_in(service, source, checksum.lower(), tuple(feature or ()), by, reason)
    _sign(service, agent, slot, by, reason)


def _sign(service: Service, agent: StoredAgent, slot: str, by: str, reason: str) -> None:
    """Keep an agent that was taken in, and ask the manager to sign it."""
    store = Store.open(service.database, must_exist=True)
    try:
        with store.transaction() as session:
            Agents(session).add(agent)
            sign = Command(id=0, verb="sign", by=by, why=reason, slot=SlotId(slot), agent=agent.id)
            number = Commands(session).add(sign, agent.created_at)
    finally:
        store.close()
    typer.echo(agent.id)
    typer.echo(f"command {number} waits for the manager; `rlfa ledger` shows what came of it", err=True)


@app.command("export")
def export(
    agent: AgentName,
    mlflow: Annotated[str, typer.Option("--mlflow", help="Tracking server, or sqlite:///FILE.")],
    experiment: Annotated[str, typer.Option("--experiment", help="That the run belongs to.")] = "rlfa",
    config: Config = HERE,
    database: Database = "",
) -> None:
    """Log an agent to MLflow: its files, its figures, and what it takes; `import --mlflow` brings the same bytes back.

    Example: rlfa agents export softmax-mlp-periodic-3f2a --mlflow http://mlflow:5000
    """
    found = _named(agent, config, database)
    typer.echo(export_agent(Path(found.uri), found.checksum, mlflow, experiment))
    typer.echo(f"checksum {found.checksum}", err=True)


@app.command("list")
def list_agents(config: Config = HERE, database: Database = "", as_json: AsJson = False) -> None:
    """Show every agent of the store, oldest first.

    Example: rlfa agents list --json
    """
    found = _read(config, database)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    table = Table("agent", "genome", "origin", "added by", "trained on", "checksum", title="agents")
    for agent in found:
        table.add_row(agent.id, agent.family, agent.origin, agent.added_by, _window(agent), agent.checksum[:16])
    console().print(table)


@app.command()
def show(agent: AgentName, config: Config = HERE, database: Database = "", as_json: AsJson = False) -> None:
    """Show one agent: genome, data card, figures, where its weights lie and what they must hash to.

    Example: rlfa agents show softmax-mlp-periodic-3f2a --json
    """
    found = _named(agent, config, database)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for name in found.__struct_fields__:
        typer.echo(f"{name}: {getattr(found, name)}")
    card = msgspec.json.decode(found.card, type=DataCard)
    if card.selected_features is not None:
        kept = ", ".join(card.selected_features) or "none"
        typer.echo(f"selected features: {len(card.selected_features)} of {len(card.feature_names)}: {kept}")


def take_in(
    service: Service, folder: Path, checksum: str, visible: tuple[str, ...], by: str, reason: str
) -> StoredAgent:
    """Check an agent from outside and copy it among the service's own.

    Args:
        service: settings and stream.
        folder: of the agent.
        checksum: SHA-256 of its weights, hex, as its maker gave it.
        visible: features that it may see; all when empty.
        by: who signs it.
        reason: why.

    Raises:
        agents.errors.WeightsError: a file is missing; the checksum, size, a name, a shape or a value is wrong.
        ImportRefusedError: it wants features that the stream doesn't have, or may see some that there aren't.
        HostError: it gives no score.
        SealError: this machine can't seal it.
    """
    if not service.settings.hosts.unsealed:
        refuse_unavailable()
    loaded = load_scorer(folder, checksum)
    if loaded.genome.rules and not service.settings.hosts.unsealed:
        raise ImportRefusedError(
            str(folder / GENOME),
            "rules",
            "none unless hosts.unsealed: Arrow, which reads them, has threads",
        )
    here = intake_of(service).feature_names
    _refuse_strange(f"{folder / CARD} feature_names", loaded.feature_names, here)
    _refuse_strange("--feature", visible, loaded.feature_names)
    agent = version_id(loaded.genome.id, checksum)
    home = service.agents / agent
    home.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, GENOME, CARD):
        shutil.copyfile(folder / name, home / name)
    load_scorer(home, checksum)  # what was copied is what was checked
    ref = AgentRef(id=agent, folder=str(home), checksum=checksum)
    record = stored(ref, loaded.genome.id, time.time_ns() // 1_000_000, service.settings.hosts.seal_rules)
    return replace(record, origin="outside", visible=msgspec.json.encode(visible).decode(), added_by=by, why=reason)


def _refuse_strange(where: str, found: tuple[str, ...], known: tuple[str, ...]) -> None:
    strange = sorted(set(found) - set(known))
    if strange:
        raise ImportRefusedError(where, ", ".join(strange[:5]), f"of {len(known)} features: {', '.join(known[:5])} ...")


def _named(agent: str, config: Path, database: str) -> StoredAgent:
    found = next((a for a in _read(config, database) if a.id == agent), None)
    if found is None:
        raise ImportRefusedError("agents", repr(agent), "an agent that `rlfa agents list` shows")
    return found


def _read(config: Path, database: str) -> list[StoredAgent]:
    store = Store.open(database or load_service(config).database, must_exist=True)
    try:
        with store.reading() as session:
            return list(Agents(session).all())
    finally:
        store.close()


def _window(agent: StoredAgent) -> str:
    card = msgspec.json.decode(agent.card, type=DataCard)
    first, last = (date_of(Day(ms // DAY_MS)) for ms in (card.from_event_time, card.to_event_time))
    return f"{first} to {last}"

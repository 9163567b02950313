"""`rlfa roster sign|cut|promote|...`: a person's moves, each with a name and a reason."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from rlfa.cli.roster import Config, Database, roster
from rlfa.config import load_service
from rlfa.free_agency.manual import Command, Verb
from rlfa.lineup.slots import AgentId, SlotId
from rlfa.store.commands import Commands
from rlfa.store.database import Store

app = typer.Typer(callback=roster, invoke_without_command=True)

By = Annotated[str, typer.Option("--by", help="Your name: it stands in the ledger.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it stands in the ledger.")]
Agent = Annotated[str, typer.Argument(help="The agent's id.")]
Version = Annotated[str, typer.Argument(help="The version's id, as in the ledger.")]
SlotName = Annotated[str, typer.Argument(help="The slot's name.")]
HERE = Path("rlfa.toml")


@app.command()
def sign(
    agent: Agent,
    by: By,
    reason: Reason,
    slot: Annotated[str, typer.Option("--slot", help="The slot that it shall be tried for.")],
    config: Config = HERE,
    database: Database = "",
) -> None:
    """Put an agent of the store into a slot's pool; its probation begins when there is room.

    Example: rlfa roster sign moe-3f2a --slot main --by ada --reason "won the pilot"
    """
    _ask("sign", by, reason, config, database, agent=agent, slot=slot)


@app.command()
def cut(agent: Agent, by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """Release an agent; an incumbent only where somebody waits on the bench.

    Example: rlfa roster cut moe-3f2a --by ada --reason "trained on leaked labels"
    """
    _ask("cut", by, reason, config, database, agent=agent)


@app.command()
def promote(agent: Agent, by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """Give an agent the slot that it is tried for or waits for; the ledger keeps the evidence so far.

    Example: rlfa roster promote moe-3f2a --by ada --reason "attack under way"
    """
    _ask("promote", by, reason, config, database, agent=agent)


@app.command()
def rollback(slot: SlotName, by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """Undo a slot's last swap while its former incumbent is on the bench.

    Example: rlfa roster rollback main --by ada --reason "too many alerts at one merchant"
    """
    _ask("rollback", by, reason, config, database, slot=slot)


@app.command()
def freeze(by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """Let nothing change who decides, except by hand; tests go on.

    Example: rlfa roster freeze --by ada --reason "audit week"
    """
    _ask("freeze", by, reason, config, database)


@app.command()
def unfreeze(by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """End a freeze.

    Example: rlfa roster unfreeze --by ada --reason "audit is over"
    """
    _ask("unfreeze", by, reason, config, database)


@app.command()
def hold(agent: Agent, by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """Let an agent that learns as days close learn no more; it plays on as it is.

    Example: rlfa roster hold outside-5f07-22f2b1 --by ada --reason "labels of last week are wrong"
    """
    _ask("hold", by, reason, config, database, agent=agent)


@app.command()
def restore(version: Version, by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """Take an agent that learns back to an earlier version, and hold it there; those after it are forgotten.

    Example: rlfa roster restore outside-5f07-9b1c44 --by ada --reason "it has learned from wrong labels"
    """
    _ask("restore", by, reason, config, database, agent=version)


@app.command()
def learn(agent: Agent, by: By, reason: Reason, config: Config = HERE, database: Database = "") -> None:
    """Let an agent that is held learn again, from the version that it is and with all days that have closed since.

    Example: rlfa roster learn outside-5f07-22f2b1 --by ada --reason "labels are right again"
    """
    _ask("learn", by, reason, config, database, agent=agent)


def _ask(verb: Verb, by: str, reason: str, config: Path, database: str, *, agent: str = "", slot: str = "") -> None:
    if not by.strip() or not reason.strip():
        raise typer.BadParameter("found nothing, allowed: a name and a reason", param_hint="--by, --reason")
    command = Command(id=0, verb=verb, by=by, why=reason, agent=AgentId(agent), slot=SlotId(slot))
    store = Store.open(database or load_service(config).database, must_exist=True)
    try:
        with store.transaction() as session:
            number = Commands(session).add(command, time.time_ns() // 1_000_000)
    finally:
        store.close()
    typer.echo(f"command {number} waits for the manager; `rlfa ledger` shows what came of it", err=True)

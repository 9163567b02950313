"""`rlfa roster` and `rlfa ledger`: who plays and why, from the database."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from rlfa.config import load_service
from rlfa.free_agency.roster import Challenger, Roster, Seat
from rlfa.lineup.slots import AgentId, Day, date_of
from rlfa.store.database import Store
from rlfa.store.ledger import Entry, Ledger
from rlfa.store.ledger import roster as fold

PIPE_WIDTH = 160  # columns where stdout is no terminal
# Every cohort adds these; without them the ledger tells its story on a page.
ROUTINE = frozenset({"CohortTaken", "EvidenceAdded", "GuardAdded"})

Config = Annotated[Path, typer.Option("--config", "-c", help="The service's settings.")]
Database = Annotated[str, typer.Option("--database", help="SQLAlchemy URL; by default what the settings say.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def roster(
    context: typer.Context, config: Config = Path("rlfa.toml"), database: Database = "", as_json: AsJson = False
) -> None:
    """Show who plays, who is on probation, who waits and who is out.

    Example: rlfa roster --json
    """
    if context.invoked_subcommand:
        return
    now = fold(_entries(config, database, after=0))
    if as_json:
        typer.echo(msgspec.json.encode(now).decode())
        return
    out = console()
    frozen = ", frozen by hand" if now.frozen else ""
    out.print(f"epoch {now.epoch}, judged up to {since(now.day)}{frozen}")
    out.print(_lineup_table(now))
    if any(seat.probations for seat in now.seats):
        out.print(_probation_table(now))
    out.print(f"released: {', '.join(now.released) or 'nobody'}")


def ledger(
    config: Config = Path("rlfa.toml"),
    database: Database = "",
    as_json: AsJson = False,
    after: Annotated[int, typer.Option("--after", min=0, help="Only entries after this one.")] = 0,
    everything: Annotated[bool, typer.Option("--all", help="The daily entries too.")] = False,
) -> None:
    """Show every move of free agency with its reason, oldest first.

    Example: rlfa ledger --after 120 --json
    """
    entries = _entries(config, database, after)
    if as_json:
        typer.echo(msgspec.json.encode(entries).decode())
        return
    console().print(_ledger_table([e for e in entries if everything or e.kind not in ROUTINE]))


def _entries(config: Path, database: str, after: int) -> Sequence[Entry]:
    store = Store.open(database or load_service(config).database, must_exist=True)
    try:
        with store.reading() as session:
            return Ledger(session).read(after)
    finally:
        store.close()


def _lineup_table(now: Roster) -> Table:
    table = Table("slot", "incumbent", "since epoch", "since day", "watch", "reward/1000", title="lineup")
    for name in ("bench", "pool", "training"):
        table.add_column(name)
    for seat in now.seats:
        table.add_row(*_seat_cells(seat, now))
    return table


def _seat_cells(seat: Seat, now: Roster) -> tuple[str, ...]:
    return (
        seat.slot,
        _as_version(now, seat.incumbent),
        str(seat.since_epoch),
        date_of(seat.since_day),
        seat.standing,
        _reward(now, seat.incumbent),
        ", ".join(seat.bench),
        ", ".join(seat.pool),
        ", ".join(seat.training),
    )


def _probation_table(now: Roster) -> Table:
    table = Table("slot", "challenger", "genome", "stage", "from", "days", "frauds", title="probations")
    for name in ("e-value", "promotes at", "reward/1000"):
        table.add_column(name, justify="right")
    for seat in now.seats:
        for challenger in seat.probations:
            table.add_row(seat.slot, *_challenger_cells(challenger, now), _reward(now, challenger.agent))
    return table


def _challenger_cells(c: Challenger, now: Roster) -> tuple[str, ...]:
    stage = f"{c.stage} {c.share:.2%}" if c.share else c.stage
    e_value = f"{math.exp(min(c.log_up, 700.0)):.3g}"
    return (
        _as_version(now, c.agent),
        c.family,
        stage,
        date_of(c.since),
        str(c.days),
        str(c.frauds),
        e_value,
        f"{c.bound:g}",
    )


def _ledger_table(entries: Sequence[Entry]) -> Table:
    table = Table("seq", "day", "epoch", "what", "slot", "agent", "who", title="ledger")
    table.add_column("why", overflow="fold")
    for e in entries:
        cells = (str(e.seq), date_of(Day(e.event_day)), str(e.epoch), e.kind, e.slot, e.agent, e.who, e.why)
        table.add_row(*cells)
    return table


def _as_version(now: Roster, agent: AgentId) -> str:
    """An agent's id, and what it plays as where it has learned."""
    return f"{agent} as {now.versions[agent]}" if agent in now.versions else agent


def _reward(now: Roster, agent: AgentId) -> str:
    reward = now.reward.get(agent)
    return "" if reward is None else f"{1000 * reward:.2f}"


def since(day: Day | None) -> str:
    """A day as people write it, if there is one."""
    return "never" if day is None else date_of(day)


def console() -> Console:
    """A terminal, or wide enough for a pipe."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, markup=False)

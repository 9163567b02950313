"""`rlfa cohorts`: what is known of the closed days, and the labels that came too late for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from rlfa.cli.roster import AsJson, Config, console
from rlfa.config import load_service
from rlfa.lineup.slots import date_of
from rlfa.outcomes import log
from rlfa.outcomes.late import LATE_SHARE_MAX, ClosedDay, closed_days, late_share


def command(
    config: Config = Path("rlfa.toml"),
    last: Annotated[int, typer.Option("--last", min=1, max=3650, help="So many closed days, the newest.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Show the closed days: frauds known, declines that passed or stay unknown, and labels that came too late.

    Example: rlfa cohorts --last 60 --json
    """
    service = load_service(config)
    days = closed_days(service.journals, service.outcomes, log.closed_days(service.outcomes)[-last:])
    if as_json:
        typer.echo(msgspec.json.encode(days).decode())
        return
    out = console()
    out.print(_table(days))
    share = late_share(days)
    if share > LATE_SHARE_MAX:
        out.print(f"{share:.1%} of the frauds came too late to count: raise the stream's label_delay")


def _table(days: list[ClosedDay]) -> Table:
    table = Table("day", title="closed days")
    for name in ("transactions", "frauds", "declines passed", "declines unknown", "left out", "of the amount"):
        table.add_column(name, justify="right")
    for name in ("labels too late", "of them frauds"):
        table.add_column(name, justify="right")
    for d in days:
        counts = (d.transactions, d.frauds, d.explored, d.hidden, d.left_out)
        late = (str(d.late), str(d.late_frauds))
        table.add_row(date_of(d.day), *(f"{c:,}" for c in counts), f"{d.left_out_amount:.1%}", *late)
    return table

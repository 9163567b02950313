"""`rlfa simulate`: a simulated stream to Parquet files, or to the broker at a wanted rate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.synthetic import Scenario, Simulator, load_scenario, write_parquet

ScenarioFile = Annotated[
    Path | None, typer.Option("--scenario", help="TOML; see docs/reference/simulator.md.")
]


def simulate(
    out: Annotated[Path, typer.Option(help="Folder for transactions.parquet and labels.parquet.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stream.")] = 0,
    days: Annotated[int, typer.Option(min=1, max=10_000, help="Days of event time.")] = 60,
    transactions_per_day: Annotated[int | None, typer.Option(help="Scales the scenario.")] = None,
    scenario: ScenarioFile = None,
) -> None:
    """Make the transactions of a card portfolio, with fraud campaigns and late labels.

    Example: rlfa simulate --days 60 --out .rlfa/simulated
    """
    chosen = load_scenario(scenario) if scenario else Scenario()
    if transactions_per_day:
        chosen = chosen.scaled(transactions_per_day)
    simulator = Simulator(chosen, seed)
    for path in write_parquet(simulator.days(0, days), out):
        typer.echo(path)

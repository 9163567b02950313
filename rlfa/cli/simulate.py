"""`rlfa simulate`: a simulated stream to Parquet files, or to the broker at a wanted pace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlfa.cli.publishing import BootstrapServers, Config, Rate, Speedup, publish_chunks, wanted_pace
from streams.synthetic import Scenario, Simulator, load_scenario, write_parquet
from streams.synthetic.messages import chunks

ScenarioFile = Annotated[Path | None, typer.Option("--scenario", help="TOML; see docs/reference/simulator.md.")]


def simulate(
    out: Annotated[Path | None, typer.Option(help="Folder for transactions.parquet and labels.parquet.")] = None,
    bootstrap_servers: BootstrapServers = None,
    config: Config = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stream.")] = 0,
    first_day: Annotated[int, typer.Option(min=0, help="Day of the scenario to begin with.")] = 0,
    days: Annotated[int, typer.Option(min=1, max=10_000, help="Days of event time.")] = 60,
    transactions_per_day: Annotated[int | None, typer.Option(min=1, help="Scales the scenario to it.")] = None,
    scenario: ScenarioFile = None,
    rate: Rate = None,
    speedup: Speedup = None,
) -> None:
    """Make the transactions of a card portfolio, with fraud campaigns and late labels.

    Example: rlfa simulate --days 60 --out .rlfa/simulated
    """
    if (out is None) == (bootstrap_servers is None and config is None):
        raise typer.BadParameter("give --out DIR for files, or --bootstrap-servers or --config for a broker")
    pace = wanted_pace(rate, speedup)
    chosen = load_scenario(scenario) if scenario else Scenario()
    if transactions_per_day:
        chosen = chosen.scaled(transactions_per_day)
    simulator = Simulator(chosen, seed)
    last = first_day + days
    if out is None:
        publish_chunks(chunks(simulator, first_day, last), bootstrap_servers, config, pace)
        return
    for path in write_parquet(simulator.days(first_day, last), out):
        typer.echo(path)

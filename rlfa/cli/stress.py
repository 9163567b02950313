"""`rlfa stress`: load on a running service, and an exit status that says whether it kept its limits."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rlfa.config import Service, load_service
from rlfa.stress.load import Load
from rlfa.stress.run import Run, Shape
from rlfa.stress.tally import Found, Limits

Config = Annotated[Path, typer.Option("--config", "-c", help="The service's settings.")]
Name = Annotated[
    str,
    typer.Option("--test-service", help="The service's `name`, once it is certain that it decides about nothing real."),
]
Begin = Annotated[
    dt.datetime | None,
    typer.Option(
        "--event-time",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="Event time of the first transaction, UTC; else now. A service that replays history wants its own.",
    ),
]


def stress(
    config: Config = Path("rlfa.toml"),
    test_service: Name = "",
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="How long the load lasts.")] = 30.0,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=1e6, help="Open loop: transactions a second, answered or not.")
    ] = None,
    in_flight: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Closed loop: so many wait for their decision.")
    ] = None,
    entities: Annotated[int, typer.Option(min=1, max=10_000_000, help="Different values of each entity.")] = 1000,
    settle: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds to wait for the last decisions.")] = 10.0,
    max_lost: Annotated[int, typer.Option(min=0, help="Transactions without a decision.")] = 0,
    max_doubled: Annotated[int, typer.Option(min=0, help="Decisions beyond the first of a transaction.")] = 0,
    max_p95_ms: Annotated[float | None, typer.Option(min=0, help="From when it was due to its decision.")] = None,
    max_p99_ms: Annotated[float | None, typer.Option(min=0, help="The same.")] = None,
    event_time: Begin = None,
    seed: Annotated[int, typer.Option(min=0, help="Of amounts and entities.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
) -> None:
    """Put a load on a running service; exit 1 past a limit. Only for services that decide about nothing real.

    Example: rlfa stress --test-service rlfa --rate 1000 --seconds 60 --max-p99-ms 50
    """
    if (rate is None) == (in_flight is None):
        raise typer.BadParameter("give one of the two", param_hint="--rate, --in-flight")
    service = load_service(config)
    _refuse_another(service, test_service)
    load = Load(service.spec, secrets.token_hex(4), entities, seed)
    shape = Shape(seconds=seconds, rate=rate, in_flight=in_flight or 1, settle_s=settle)
    begin_ms = int(event_time.replace(tzinfo=dt.UTC).timestamp() * 1000) if event_time else time.time_ns() // 1_000_000
    typer.echo(f"ids begin with {load.prefix}, for {seconds:g} s", err=True)
    found = Run(service, load, shape, begin_ms).play()
    typer.echo(msgspec.json.encode(found).decode() if as_json else _lines(found))
    limits = Limits(lost=max_lost, doubled=max_doubled, p95_ms=max_p95_ms, p99_ms=max_p99_ms)
    broken = limits.broken_by(found)
    for line in broken:
        typer.echo(line, err=True)
    if broken:
        raise typer.Exit(1)


def _refuse_another(service: Service, name: str) -> None:
    """A made-up payment moves features, budgets, rewards and trainings: nobody may send one by accident."""
    if name != service.settings.name:
        raise typer.BadParameter(
            f"found {name!r}, allowed: {service.settings.name!r}, the `name` in the settings, once it is certain that "
            "this service decides about nothing real: made-up payments count in features, alert budget and trainings",
            param_hint="--test-service",
        )


def _lines(found: Found) -> str:
    latency = (
        "no decision"
        if found.p50_ms is None
        else f"p50 {found.p50_ms:.1f} ms, p95 {found.p95_ms:.1f}, p99 {found.p99_ms:.1f}, maximum {found.max_ms:.1f}"
    )
    return (
        f"{found.sent:,} sent, {found.decided:,} decided ({found.per_second:,.0f} a second)\n"
        f"lost {found.lost:,} (of these refused as dead letters {found.refused:,}), doubled {found.doubled:,}\n"
        f"{latency}"
    )

"""`rlfa topics`: make and describe the service's topics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from rlfa.config import Service, load_service
from streams.kafka.admin import Admin, TopicInfo

app = typer.Typer(no_args_is_help=True, help="Make and describe the service's topics.")
Config = Annotated[Path, typer.Option("--config", "-c", help="The service's settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@app.command()
def create(config: Config = Path("rlfa.toml"), as_json: AsJson = False) -> None:
    """Make the topics that aren't there yet.

    Example: rlfa topics create --config rlfa.toml
    """
    made = create_topics(load_service(config))
    typer.echo(msgspec.json.encode(made).decode() if as_json else f"made: {', '.join(made) or 'none, all are there'}")


@app.command()
def describe(config: Config = Path("rlfa.toml"), as_json: AsJson = False) -> None:
    """Show the service's topics as the broker has them.

    Example: rlfa topics describe --json
    """
    service = load_service(config)
    admin = Admin(service.settings.kafka)
    wanted = {t.name for t in topics_of(service)}
    found = [t for t in admin.describe() if t.name in wanted]
    admin.close()
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    table = Table("topic", "partitions", "replication")
    for topic in found:
        table.add_row(topic.name, str(topic.partitions), str(topic.replication))
    Console().print(table)


def topics_of(service: Service) -> list[TopicInfo]:
    """The topics that a service needs."""
    names = service.settings.topics
    wanted = (names.transactions, names.labels, names.decisions, names.dead_letters, names.roster_events)
    return [TopicInfo(name, names.partitions, names.replication) for name in wanted]


def create_topics(service: Service) -> list[str]:
    """Make what is missing; returns the names of what was made."""
    admin = Admin(service.settings.kafka)
    try:
        return admin.create(topics_of(service))
    finally:
        admin.close()

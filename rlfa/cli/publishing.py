"""What the commands that publish a stream share: where to, how fast, and what they say at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rlfa.config import load_service
from rlfa.settings import Topics
from streams.kafka.producer import Producer
from streams.kafka.settings import KafkaSettings
from streams.replay import Chunk, Pace, in_event_time_order, publish
from streams.replay import Topics as StreamTopics

BootstrapServers = Annotated[
    str | None, typer.Option(help="Brokers, host:port, comma-separated; replaces those of --config.")
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="rlfa.toml with the cluster's and the topics' settings.")
]
Rate = Annotated[float | None, typer.Option(min=1e-3, help="Transactions a second; else as fast as possible.")]
Speedup = Annotated[float | None, typer.Option(min=1e-3, help="Event time runs so many times faster.")]


def wanted_pace(rate: float | None, speedup: float | None) -> Pace:
    """The pace of the options.

    Raises:
        typer.BadParameter: both are given.
    """
    if rate and speedup:
        raise typer.BadParameter("--rate and --speedup exclude each other")
    return Pace(rate=rate, speedup=speedup)


def publish_chunks(chunks: Iterable[Chunk], bootstrap_servers: str | None, config: Path | None, pace: Pace) -> None:
    """Publish to the cluster of the options, then say what was sent.

    Raises:
        streams.errors.StreamsError: the broker is away or refuses.
        rlfa.errors.ConfigError: the settings are wrong.
    """
    kafka, topics = _target(bootstrap_servers, config)
    producer = Producer(kafka)
    try:
        sent = publish(in_event_time_order(chunks), producer, topics, pace)
    finally:
        producer.close()
    speed = sent.transactions / max(sent.seconds, 1e-9)
    typer.echo(
        f"{sent.transactions:,} transactions and {sent.labels:,} labels in {sent.seconds:.1f} s"
        f" ({speed:,.0f} transactions a second)"
    )


def _target(bootstrap_servers: str | None, config: Path | None) -> tuple[KafkaSettings, StreamTopics]:
    kafka, topics = KafkaSettings(), Topics()
    if config:
        settings = load_service(config).settings
        kafka, topics = settings.kafka, settings.topics
    if bootstrap_servers:
        kafka = msgspec.structs.replace(kafka, bootstrap_servers=bootstrap_servers)
    return kafka, StreamTopics(transactions=topics.transactions, labels=topics.labels)

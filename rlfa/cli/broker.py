"""`rlfa broker`: a broker in the foreground, for trying things out or for a single machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.kafka.embedded import ApacheKafka, EmbeddedBroker


def broker(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="On loopback; 0 takes a free one.")] = 9092,
    kafka_home: Annotated[
        Path | None, typer.Option(help="An unpacked Apache Kafka (Java 17), which keeps everything.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Where Apache Kafka keeps its records.")] = Path(".rlfa/kafka"),
) -> None:
    """Run a Kafka broker until Ctrl-C.

    Example: rlfa broker --port 9092
    """
    chosen = ApacheKafka(kafka_home, data_dir.resolve(), port) if kafka_home else EmbeddedBroker(port)
    with chosen:
        keeps = f"keeps its records in {data_dir}" if kafka_home else "in memory: a killed one forgets everything"
        typer.echo(f"broker at {chosen.bootstrap_servers}, {keeps}", err=True)
        chosen.wait()

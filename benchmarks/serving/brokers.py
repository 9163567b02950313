"""The broker that a benchmark asks for: the embedded one, or an Apache Kafka from a folder or its archive."""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
from pathlib import Path

from streams.kafka.embedded import ApacheKafka, EmbeddedBroker

ARCHIVES = "kafka-*.tar.xz"


def broker_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which broker."""
    parser.add_argument("--broker", choices=("noida", "kafka"), default="noida")
    parser.add_argument(
        "--kafka-home",
        type=Path,
        default=os.environ.get("KAFKA_HOME"),
        help="an unpacked Apache Kafka, or a folder with its archive; default: KAFKA_HOME",
    )


def broker_of(args: argparse.Namespace, scratch: Path) -> EmbeddedBroker | ApacheKafka:
    """A broker that isn't started yet; an Apache Kafka keeps its records under `scratch`."""
    if args.broker == "noida":
        return EmbeddedBroker()
    if args.kafka_home is None:
        sys.exit("--broker kafka needs --kafka-home DIR or KAFKA_HOME, and Java 17 on the path")
    return ApacheKafka(_unpacked(Path(args.kafka_home), scratch), scratch / "kafka")


def _unpacked(home: Path, scratch: Path) -> Path:
    archive = next(iter(sorted(home.glob(ARCHIVES))), None)
    if archive is None:
        return home
    with tarfile.open(archive) as packed:
        packed.extractall(scratch, filter="data")
    return scratch / archive.name.removesuffix(".tar.xz")

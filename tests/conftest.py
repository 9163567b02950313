"""Brokers and a database server, started once a run, and the option that rewrites golden files."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rlfa.cluster import cluster
from streams.kafka.embedded import ApacheKafka, EmbeddedBroker
from tests.postgres import PostgresServer

ROOT = Path(__file__).parents[1]
ARCHIVE = ROOT.parent / "shared" / "kafka" / "kafka-4.3.1.tar.xz"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-rewrite", action="store_true", help="write golden files instead of comparing them")


def kafka_home(scratch: Path) -> Path | None:
    """An unpacked Apache Kafka: KAFKA_HOME, or the archive beside the repository."""
    if shutil.which("java") is None:
        return None
    if "KAFKA_HOME" in os.environ:
        return Path(os.environ["KAFKA_HOME"])
    if not ARCHIVE.exists():
        return None
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(scratch, filter="data")
    return scratch / ARCHIVE.name.removesuffix(".tar.xz")


@pytest.fixture(scope="session")
def apache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Apache Kafka is; the test is left out where there is none."""
    home = kafka_home(tmp_path_factory.mktemp("kafka-home"))
    if home is None:
        pytest.skip("no Apache Kafka: set KAFKA_HOME and have Java 17 on the path")
    return home


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Of torch: on a busy machine more of them wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def noida() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def apache(apache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    with ApacheKafka(apache_home, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with cluster(tmp_path_factory.mktemp("ray")):
        yield

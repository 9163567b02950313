"""Whatever breaks, a `read_committed` reader has one decision for each transaction, and the state is as if nothing had.

Trials of `benchmarks.chaos`, which has more kinds of them and more of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from benchmarks.chaos.faults import fault_named
from benchmarks.chaos.stage import Stage, stage
from benchmarks.chaos.trial import trial
from benchmarks.serving.process import last_lines
from rlfa.cli.topics import create_topics
from streams.kafka.embedded import ApacheKafka, EmbeddedBroker

FAULTS = (
    "a lane killed between sending offsets and committing",
    "the remote host killed",
    "a commit's answer lost",
    "the whole service killed",
    "the service stopped and started with other lanes",
)


@pytest.fixture(scope="module")
def on_noida(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service that all trials on a broker share, as in life."""
    with EmbeddedBroker() as broker, stage(tmp_path_factory.mktemp("chaos"), broker, lanes=2, seed=0, rate=200.0) as on:
        yield on


@pytest.fixture(scope="module")
def on_apache(apache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("chaos")
    with (
        ApacheKafka(apache_home, tmp_path_factory.mktemp("kafka")) as broker,
        stage(folder, broker, lanes=2, seed=0, rate=200.0) as on,
    ):
        yield on


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_loses_doubles_and_changes_nothing(name: str, on_noida: Stage) -> None:
    outcome = trial(on_noida, fault_named(name), Random(name))
    assert outcome.is_clean, outcome


# All others run on Apache Kafka too, by `python -m benchmarks.chaos --broker kafka`.
@pytest.mark.parametrize("name", [FAULTS[0], "the broker killed"])
def test_on_apache_kafka_too(name: str, on_apache: Stage) -> None:
    outcome = trial(on_apache, fault_named(name), Random(name))
    assert outcome.is_clean, outcome


def test_a_snapshot_or_a_broker_that_does_not_fit_stops_the_start_in_one_line(on_noida: Stage) -> None:
    assert isinstance(on_noida.broker, EmbeddedBroker)  # Apache Kafka keeps its records
    on_noida.process.stop()
    snapshot = on_noida.service.snapshot(0)
    whole = snapshot.read_bytes()
    snapshot.write_bytes(whole[:-1])
    on_noida.process.start()
    assert on_noida.process.wait() == 1
    assert "allowed: a whole snapshot; remove it" in last_lines(on_noida.process.log, 1)
    snapshot.write_bytes(whole)
    on_noida.broker.stop()
    on_noida.broker.start()
    create_topics(on_noida.service)
    on_noida.process.start()
    assert on_noida.process.wait() == 1
    assert "allowed: the broker that the state folder was made with" in last_lines(on_noida.process.log, 1)

"""Whatever breaks, a `read_committed` reader has one decision for each transaction, and the state is as if nothing had.

Trials of `benchmarks.chaos`, which has more kinds of them and more of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
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
# All of them run on Apache Kafka too, by `python -m benchmarks.chaos --broker kafka`.
TRIALS = (*(("noida", name) for name in FAULTS), ("apache", FAULTS[0]), ("apache", "the broker killed"))


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service that all trials on a broker share, as in life."""
    with ExitStack() as closing:
        broker: EmbeddedBroker | ApacheKafka = EmbeddedBroker()
        if request.param == "apache":
            broker = ApacheKafka(request.getfixturevalue("apache_home"), tmp_path_factory.mktemp("kafka"))
        closing.enter_context(broker)
        folder = tmp_path_factory.mktemp("chaos")
        yield closing.enter_context(stage(folder, broker, lanes=2, seed=0, rate=200.0))


@pytest.mark.parametrize(("scene", "name"), TRIALS, indirect=["scene"])
def test_a_fault_loses_doubles_and_changes_nothing(scene: Stage, name: str) -> None:
    outcome = trial(scene, fault_named(name), Random(name))
    assert outcome.is_clean, outcome


@pytest.mark.parametrize("scene", ["noida"], indirect=True)
def test_a_snapshot_or_a_broker_that_does_not_fit_stops_the_start_in_one_line(scene: Stage) -> None:
    assert isinstance(scene.broker, EmbeddedBroker)  # Apache Kafka keeps its records
    scene.process.stop()
    snapshot = scene.service.snapshot(0)
    whole = snapshot.read_bytes()
    snapshot.write_bytes(whole[:-1])
    scene.process.start()
    assert scene.process.wait() == 1
    assert "allowed: a whole snapshot; remove it" in last_lines(scene.process.log, 1)
    snapshot.write_bytes(whole)
    scene.broker.stop()
    scene.broker.start()
    create_topics(scene.service)
    scene.process.start()
    assert scene.process.wait() == 1
    assert "allowed: the broker that the state folder was made with" in last_lines(scene.process.log, 1)

"""A small service on a real broker: a stream of its own, agents trained on it, and ways to count what came out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.cluster import RunningService
from rlfa.config import Service, load_service
from streams.kafka.audit import read_ids, read_values
from streams.kafka.producer import Producer
from streams.messages import Messages
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks

WAIT_S = 120.0
HISTORY_DAYS = 12
SPEC = (Path(__file__).parents[2] / "streams" / "synthetic" / "simulator.toml").read_text()
CONFIG = """
name = "{name}"
stream = "stream.toml"
state = "state"
log_level = "error"
{root}
[kafka]
bootstrap_servers = "{servers}"
transaction_timeout_s = 10
{kafka}
[topics]
transactions = "{name}-transactions"
labels = "{name}-labels"
decisions = "{name}-decisions"
dead_letters = "{name}-dead-letters"
roster_events = "{name}-roster-events"
partitions = {partitions}

[lanes]
snapshot_every_s = 1
batch_max = 256
turn_limit_s = 20
commit_timeout_s = 5
{lanes}
[hosts]
remote_slots = {remote}
wait_s = 20

[free_agency.exploration]
declined_labels = "all"

[slots]
a = "small"
b = "linear"
c = "wave"

[genomes.small]
experts = 2
hidden = 8
epochs_max = 3
genuine_per_fraud = 5

[genomes.linear]
expert = "logistic"
experts = 2
epochs_max = 3
genuine_per_fraud = 5

[genomes.wave]
encoder = "periodic"
experts = 2
hidden = 8
epochs_max = 3
genuine_per_fraud = 5
"""


@dataclass(frozen=True)
class Bench:
    """A configured service with a trained lineup, its topics, and the stream to come."""

    service: Service
    simulator: Simulator

    def publish(self, first: int, last: int) -> int:
        """Publish days of the stream; returns how many transactions."""
        topics = self.service.settings.topics
        producer = Producer(self.service.settings.kafka)
        sent = 0
        for chunk in chunks(self.simulator, first, last):
            sent += len(chunk.transactions)
            _send(producer, topics.transactions, chunk.transactions)
            _send(producer, topics.labels, chunk.labels)
        producer.flush()
        producer.close()
        return sent

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """One record of one's own."""
        producer = Producer(self.service.settings.kafka)
        producer.produce(topic, key, value)
        producer.flush()
        producer.close()

    def decided(self) -> Counter[str]:
        """How many committed decisions each transaction has."""
        return Counter(read_ids(self.service.settings.kafka, self.service.settings.topics.decisions))

    def dead(self) -> list[dict[str, object]]:
        """The dead letters."""
        values = read_values(self.service.settings.kafka, self.service.settings.topics.dead_letters)
        return [msgspec.json.decode(v) for v in values]

    def wait_for(self, decisions: int, running: RunningService) -> Counter[str]:
        """Until a reader sees so many decisions."""
        wait_until(lambda: sum(self.decided().values()) >= decisions, running)
        return self.decided()


def bench(
    folder: Path,
    servers: str,
    name: str,
    *,
    partitions: int = 1,
    remote: str = "[]",
    root: str = "",
    kafka: str = "",
    lanes: str = "",
) -> Bench:
    """Configure, create topics, and train a small lineup on a short history."""
    text = CONFIG.format(
        name=name, servers=servers, partitions=partitions, remote=remote, root=root, kafka=kafka, lanes=lanes
    )
    (folder / "rlfa.toml").write_text(text)
    (folder / "stream.toml").write_text(SPEC)
    service = load_service(folder / "rlfa.toml")
    create_topics(service)
    simulator = Simulator(demo_scenario().scaled(1500), seed=3)
    learn(service, chunks(simulator, 0, HISTORY_DAYS), Console(quiet=True))
    return Bench(service, simulator)


def wait_until(done: Callable[[], bool], running: RunningService, wait_s: float = WAIT_S) -> None:
    """Poll what another process does, with an end; a service that has failed fails the test at once."""
    deadline = time.monotonic() + wait_s
    while not done():
        failure = running.failure()
        assert failure is None, failure
        assert time.monotonic() < deadline, f"no progress; lanes: {running.statuses()}"
        time.sleep(0.05)


def _send(producer: Producer, topic: str, messages: Messages) -> None:
    for key, value in zip(messages.key, messages.value, strict=True):
        producer.produce(topic, key, value)


__all__ = ["Bench", "bench", "wait_until"]

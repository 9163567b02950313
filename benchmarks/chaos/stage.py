"""What a trial plays on: a broker behind a proxy, a service that has learned, a stream that goes on, and a reader."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.proxy import Proxy
from benchmarks.chaos.reader import Reader
from benchmarks.chaos.truth import Truth
from benchmarks.serving.process import ServiceProcess, last_lines
from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.config import Service, load_service
from rlfa.lanes.clients import group_of
from streams.kafka.confluent import ConfluentSource
from streams.kafka.embedded import ApacheKafka, EmbeddedBroker
from streams.kafka.producer import Producer
from streams.kafka.settings import KafkaSettings
from streams.replay import Chunk
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from streams.synthetic.simulator import DAYS_MAX

Broker = EmbeddedBroker | ApacheKafka
HISTORY_DAYS = 12
PER_DAY = 1500
PARTITIONS = 4
COMMIT_TIMEOUT_S = 5.0
LABELS_AHEAD_DAYS = 14
TICK_S = 0.02
START_WAIT_S = 180.0
# The customer is the only entity: with more than one lane no other would be exact.
SPEC = """
tx_id = "tx_id"
event_time = "event_time"
amount = "amount"
currency = "currency"
categorical = ["category", "channel", "country"]
[entities]
customer = "customer_id"
[windows]
windows = ["1h", "1d", "7d"]
label_delay = "4d"
"""
# The remote host gets one slot of three; nobody trains, which would only take the cores.
CONFIG = """
name = "chaos"
stream = "stream.toml"
state = "state"
log_level = "warning"
[kafka]
bootstrap_servers = "{servers}"
transaction_timeout_s = 10
connect_wait_s = 10
request_timeout_s = 5
[topics]
partitions = {partitions}
[lanes]
count = {lanes}
snapshot_every_s = 1
batch_max = 256
turn_limit_s = 20
commit_timeout_s = {commit_timeout_s}
[metrics]
port = 0
[hosts]
remote_slots = ["c"]
wait_s = 10
[free_agency.exploration]
declined_labels = "all"
[free_agency.watch]
reward_min = -1e12
detection_share_min = 0
gap_max = 100
[slots]
a = "first"
b = "second"
c = "third"
[genomes.first]
expert = "logistic"
experts = 2
epochs_max = 1
genuine_per_fraud = 5
seed = 1
[genomes.second]
expert = "logistic"
experts = 2
epochs_max = 1
genuine_per_fraud = 5
seed = 2
[genomes.third]
expert = "logistic"
experts = 2
epochs_max = 1
genuine_per_fraud = 5
seed = 3
"""


@dataclass(slots=True)
class Stage:
    """Everything that faults hit and trials look at. Clients of the trials go past the proxy.

    Attributes:
        lanes: how many the service has now.
        blamed: what was found wrong in the trials so far.
    """

    folder: Path
    service: Service
    broker: Broker
    proxy: Proxy
    process: ServiceProcess
    publisher: Publisher
    reader: Reader
    truth: Truth
    lanes: int
    blamed: set[tuple[str, object]] = field(default_factory=set)

    def restart(self, lanes: int) -> None:
        """Start the service again, which has been stopped or killed, with so many lanes."""
        self.lanes = lanes
        write_config(self.folder, self.proxy.bootstrap_servers, lanes)
        self.process.start()


class Publisher:
    """A simulated stream at a steady rate, on and off; labels are there before the transactions that they tell of.

    Args:
        kafka: past the proxy.
        service: names of the topics.
        simulator: of the stream, after its history.
        rate: transactions a second.
    """

    def __init__(self, kafka: KafkaSettings, service: Service, simulator: Simulator, rate: float) -> None:
        self.published = 0
        self._rate, self._topics = rate, service.settings.topics
        self._producer = Producer(kafka)
        self._days = chunks(simulator, HISTORY_DAYS, DAYS_MAX)
        self._ahead: deque[Chunk] = deque()
        self._stream = self._transactions()
        self._pause = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Publish until `stop`."""
        self._pause.clear()
        self._thread = threading.Thread(target=self._publish, name="publisher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Pause, with everything confirmed by the broker."""
        self._pause.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._producer.flush()

    def _publish(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._pause.wait(TICK_S):
            due = int((time.monotonic() - began) * self._rate)
            for _ in range(due - sent):
                self._producer.produce(self._topics.transactions, *next(self._stream))
            self.published += due - sent
            sent = due

    def publish_labels(self) -> None:
        """Labels of some days ahead: no outage may make them late for the transactions that they act on."""
        while len(self._ahead) <= LABELS_AHEAD_DAYS:
            day = next(self._days)
            self._ahead.append(day)
            for key, value in zip(day.labels.key, day.labels.value, strict=True):
                self._producer.produce(self._topics.labels, key, value)

    def _transactions(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            self.publish_labels()
            now = self._ahead.popleft().transactions
            yield from zip(now.key, now.value, strict=True)


@contextmanager
def stage(folder: Path, broker: Broker, *, lanes: int, seed: int, rate: float) -> Iterator[Stage]:
    """Train a service, start it behind a proxy on a running broker, and end it with the block.

    Args:
        folder: for the service's files; empty.
        broker: started, with none of our topics.
        lanes: of the service at first.
        seed: of the stream.
        rate: transactions a second while a trial publishes.
    """
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    with ExitStack() as closing:
        proxy = closing.enter_context(Proxy(broker.port))
        (folder / "stream.toml").write_text(SPEC)
        simulator = Simulator(demo_scenario().scaled(PER_DAY), seed)
        service = _learned(folder, proxy.bootstrap_servers, simulator)
        write_config(folder, proxy.bootstrap_servers, lanes)
        process = ServiceProcess(folder / "rlfa.toml", folder / "service.log")
        reader = closing.enter_context(Reader(kafka, service.settings.topics))
        publisher = Publisher(kafka, service, simulator, rate)
        publisher.publish_labels()
        publisher.stop()
        closing.enter_context(process)
        scene = Stage(folder, service, broker, proxy, process, publisher, reader, Truth(kafka, service), lanes)
        _wait_for_labels(scene, kafka)
        yield scene


def write_config(folder: Path, servers: str, lanes: int) -> None:
    """The service's settings with so many lanes."""
    text = CONFIG.format(servers=servers, lanes=lanes, partitions=PARTITIONS, commit_timeout_s=COMMIT_TIMEOUT_S)
    (folder / "rlfa.toml").write_text(text)


def _learned(folder: Path, servers: str, simulator: Simulator) -> Service:
    """Topics, and a lineup trained on a few days; its windows begin empty, so that lanes of any number do."""
    write_config(folder, servers, 1)
    service = load_service(folder / "rlfa.toml")
    create_topics(service)
    learn(service, chunks(simulator, 0, HISTORY_DAYS), Console(quiet=True))
    service.snapshot(0).unlink()
    return service


def _wait_for_labels(scene: Stage, kafka: KafkaSettings) -> None:
    """Until the service has read what is published by now, and is so up."""
    topic = scene.service.settings.topics.labels
    source = ConfluentSource(kafka, group_of(scene.service))
    ends = {(topic, p): source.retained((topic, p))[1] for p in source.partitions(topic)}
    deadline = time.monotonic() + START_WAIT_S
    while any((source.committed([place])[place] or 0) < end for place, end in ends.items()):
        scene.process.refuse_failed()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service isn't up after {START_WAIT_S:.0f} s: {last_lines(scene.process.log)}")
        time.sleep(TICK_S)
    source.close()

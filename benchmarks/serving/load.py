"""Open-loop load: a generator that waits for no answer, and a reader that notes when each decision came.

Both are processes of their own on librdkafka, so that they take as little as they can from what is measured. Times are
the wall clock's: the record's timestamp as the broker has it, and the moment at which the reader held the decision.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

import msgspec
import numpy as np
from confluent_kafka import Producer
from numpy.typing import NDArray

from streams.kafka.confluent import ConfluentSource, client_config
from streams.kafka.settings import KafkaSettings

TICK_S = 0.001
LINGER_MS = 1
SILENCE_S = 15.0
"""Without a decision for so long the rest counts as lost."""
READ_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Load:
    """So many transactions a second for so long, on an event clock of its own.

    Attributes:
        first_time: event time of the first, ms UTC.
        jumps_ms: by how much event time jumps ahead, at each place in the stretch (0 to 1).
    """

    name: str
    rate: int
    seconds: float
    first_time: int
    jumps_ms: tuple[tuple[float, int], ...] = ()

    @property
    def count(self) -> int:
        return int(self.rate * self.seconds)

    @property
    def last_time(self) -> int:
        """After the last, ms UTC."""
        return int(self.event_times()[-1]) + 1 if self.count else self.first_time

    def event_times(self) -> NDArray[np.int64]:
        """int64[count], as fast as the clock of the wall, and the jumps."""
        times = self.first_time + np.arange(self.count) * 1000 // self.rate
        for place, jump in self.jumps_ms:
            times[int(place * self.count) :] += jump
        return times


@dataclass(frozen=True, slots=True)
class Heard:
    """Latency in ms of every decision that came, float64[n], and how many transactions were sent."""

    latency_ms: NDArray[np.float64]
    sent: int
    decisions: int

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.latency_ms, q)) if len(self.latency_ms) else float("nan")


class _Id(msgspec.Struct, frozen=True):
    tx_id: str


def records(samples: Sequence[dict[str, object]], load: Load, key: str) -> list[tuple[bytes, bytes]]:
    """Keys and values of a load: the samples again and again, with ids and event times of their own."""
    encode = msgspec.json.Encoder().encode
    found = []
    for i, when in enumerate(load.event_times().tolist()):
        sample = samples[i % len(samples)]
        found.append((str(sample[key]).encode(), encode(sample | {"tx_id": f"{load.name}-{i}", "event_time": when})))
    return found


def offer(
    kafka: KafkaSettings,
    topics: tuple[str, str],
    load: Load,
    messages: list[tuple[bytes, bytes]],
    meanwhile: Callable[[], None] = lambda: None,
) -> Heard:
    """Send a load, do something meanwhile, and say when each decision came.

    Args:
        kafka: of the cluster.
        topics: of transactions and of decisions.
        load: how fast.
        messages: of `records`.
        meanwhile: called once the load has begun; returns before its end or after.
    """
    spawn = get_context("spawn")
    ears, mouth = spawn.Pipe(), spawn.Pipe()
    reader = spawn.Process(target=_read, args=(kafka, topics[1], load.count, ears[1]), daemon=True)
    sender = spawn.Process(target=_send, args=(kafka, topics[0], load.rate, mouth[1]), daemon=True)
    reader.start()
    sender.start()
    mouth[0].send(messages)
    assert ears[0].recv() == "ready"
    assert mouth[0].recv() == "ready"
    mouth[0].send("go")
    meanwhile()
    arrived = ears[0].recv()
    reader.join()
    sender.join()
    sent = _timestamps(kafka, topics[0], load.name)
    latency = [at - sent[tx] for tx, at in arrived if tx in sent]
    return Heard(np.array(latency), load.count, len(latency))


def _send(kafka: KafkaSettings, topic: str, rate: int, pipe: Connection) -> None:
    producer = Producer(client_config(kafka) | {"linger.ms": LINGER_MS, "queue.buffering.max.messages": 1_000_000})
    producer.list_topics(topic, timeout=30)
    messages = pipe.recv()
    pipe.send("ready")
    pipe.recv()
    begin, sent = time.monotonic(), 0
    while sent < len(messages):
        due = min(len(messages), int((time.monotonic() - begin) * rate) + 1)
        for key, value in messages[sent:due]:
            producer.produce(topic, value, key)
        sent = due
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush(30)


def _read(kafka: KafkaSettings, topic: str, count: int, pipe: Connection) -> None:
    source = ConfluentSource(kafka, "rlfa-latency-reader")
    source.assign({(topic, p): source.retained((topic, p))[1] for p in source.partitions(topic)})
    source.consume(1, 1.0)
    pipe.send("ready")
    batches, seen, last = [], 0, time.monotonic()
    while seen < count and time.monotonic() - last < SILENCE_S:
        found = source.consume(READ_MOST, 0.05)
        if found:
            last = time.monotonic()
            batches.append((time.time_ns() / 1e6, found))
            seen += len(found)
    decoder = msgspec.json.Decoder(_Id)
    pipe.send([(decoder.decode(r.value or b"{}").tx_id, at) for at, found in batches for r in found])
    source.close()


def _timestamps(kafka: KafkaSettings, topic: str, name: str) -> dict[str, int]:
    """When the broker says that each transaction of a load was written, ms UTC."""
    decoder, prefix = msgspec.json.Decoder(_Id), name + "-"
    source = ConfluentSource(kafka, "rlfa-latency-timestamps")
    found: dict[str, int] = {}
    source.assign({(topic, p): source.retained((topic, p))[0] for p in source.partitions(topic)})
    ends = {(topic, p): source.retained((topic, p))[1] for p in source.partitions(topic)}
    while any(source.positions()[place] < end for place, end in ends.items()):
        for r in source.consume(READ_MOST, 1.0):
            tx = decoder.decode(r.value or b"{}").tx_id
            if tx.startswith(prefix):
                found[tx] = r.timestamp
    source.close()
    return found

"""A generator or a reader as a process of its own: `python -m benchmarks.serving.client send|read JOB`.

It imports a Kafka client and little else, so that it takes next to nothing from what is measured. It says "ready",
waits for a line, and begins.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from streams.kafka.confluent import ConfluentSource, client_config
from streams.kafka.settings import KafkaSettings

TICK_S = 0.001
LINGER_MS = 1
QUEUE_MESSAGES = 1_000_000
READ_MOST = 20_000
READ_WAIT_S = 0.05


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one of both does.

    Attributes:
        messages: file of what is sent, pairs of key and value.
        arrivals: file of what was read: pairs of id and wall clock, ms UTC.
        silence_s: without a decision for so long, the rest counts as lost.
    """

    kafka: KafkaSettings
    topic: str
    rate: int
    count: int
    messages: str
    arrivals: str
    silence_s: float


class _Id(msgspec.Struct, frozen=True):
    tx_id: str


_decode = msgspec.json.Decoder(_Id).decode


def send(job: Job) -> None:
    """Every tick what is due by then, whatever has been answered."""
    messages = msgspec.msgpack.decode(Path(job.messages).read_bytes(), type=list[tuple[bytes, bytes]])
    config = {"linger.ms": LINGER_MS, "queue.buffering.max.messages": QUEUE_MESSAGES}
    producer = Producer(client_config(job.kafka) | config)
    producer.list_topics(job.topic, timeout=30)
    _ready()
    begin, sent = time.monotonic(), 0
    while sent < len(messages):
        due = min(len(messages), int((time.monotonic() - begin) * job.rate) + 1)
        for key, value in messages[sent:due]:
            producer.produce(job.topic, value, key)
        sent = due
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush(30)


def read(job: Job) -> None:
    """Note when each decision came; ids are decoded after the last."""
    source = ConfluentSource(job.kafka, "benchmark-reader")
    source.assign({(job.topic, p): source.retained((job.topic, p))[1] for p in source.partitions(job.topic)})
    source.consume(1, 1.0)
    _ready()
    batches, seen, last = [], 0, time.monotonic()
    while seen < job.count and time.monotonic() - last < job.silence_s:
        found = source.consume(READ_MOST, READ_WAIT_S)
        if found:
            last = time.monotonic()
            batches.append((time.time_ns() / 1e6, found))
            seen += len(found)
    source.close()
    arrivals = [(_decode(r.value or b"{}").tx_id, at) for at, found in batches for r in found]
    Path(job.arrivals).write_bytes(msgspec.msgpack.encode(arrivals))


def timestamps(kafka: KafkaSettings, first: dict[tuple[str, int], int]) -> dict[str, int]:
    """When the broker says that each transaction from some offsets on was written, ms UTC."""
    source = ConfluentSource(kafka, "benchmark-timestamps")
    source.assign(first)
    ends = {place: source.retained(place)[1] for place in first}
    found: dict[str, int] = {}
    while any(source.positions()[place] < end for place, end in ends.items()):
        found |= {_decode(r.value or b"{}").tx_id: r.timestamp for r in source.consume(READ_MOST, 1.0)}
    source.close()
    return found


def ends(kafka: KafkaSettings, topic: str) -> dict[tuple[str, int], int]:
    """The offset after the last one of each partition."""
    source = ConfluentSource(kafka, "benchmark-ends")
    found = {(topic, p): source.retained((topic, p))[1] for p in source.partitions(topic)}
    source.close()
    return found


def _ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    does = {"send": send, "read": read}[sys.argv[1]]
    does(msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Job))

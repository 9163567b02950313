"""A `read_committed` reader that goes on all the while: what came out, how often, and when."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import NamedTuple, Self

import msgspec

from rlfa.settings import Topics
from streams.errors import StreamsError
from streams.kafka.confluent import ConfluentSource
from streams.kafka.settings import KafkaSettings
from streams.kafka.source import Place, Record

BATCH = 20_000
POLL_S = 0.05
SILENCE_S = 5.0


class Said(msgspec.Struct, frozen=True):
    """What a trial looks at in a decision."""

    tx_id: str
    agents: dict[str, float]
    decided_at: int


class Heard(NamedTuple):
    """A decision's partition, when a lane made it, and when the reader held it: wall clock, ms UTC."""

    partition: int
    decided_at: int
    arrived_at: int


class _Place(msgspec.Struct, frozen=True):
    topic: str
    partition: int
    offset: int


class Reader(threading.Thread):
    """Reads decisions and dead letters from their beginning on.

    Args:
        kafka: past the proxy.
        topics: names of the two.

    Attributes:
        decided: how many decisions each transaction has.
        dead: how many dead letters each record has, by topic, partition and offset.
        said: the last decision on each transaction.
        heard: every decision's times, in order of arrival.
        skipped: records that a client had gone past and that a new one saw: a fault of the broker.
    """

    def __init__(self, kafka: KafkaSettings, topics: Topics) -> None:
        super().__init__(name="reader", daemon=True)
        self.decided: Counter[str] = Counter()
        self.dead: Counter[tuple[str, int, int]] = Counter()
        self.said: dict[str, Said] = {}
        self.heard: list[Heard] = []
        self._kafka, self._topics = kafka, topics
        self._done = threading.Event()
        self.skipped = 0
        self._highest: dict[Place, int] = {}
        self._seen: set[tuple[Place, int]] = set()
        self._decision = msgspec.json.Decoder(Said)
        self._letter = msgspec.json.Decoder(_Place)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        """Read until the block ends; after each trouble or silence a new client reads all of it again.

        A client of the embedded broker that is there while a transaction is given up can stop, or go past what is
        committed later; one that reads from the beginning sees all of it. No record is counted twice.
        """
        while not self._done.is_set():
            try:
                self._read()
            except StreamsError:
                continue  # the broker is what trials kill

    def _read(self) -> None:
        source = ConfluentSource(self._kafka, "chaos-reader")
        try:
            topics = (self._topics.decisions, self._topics.dead_letters)
            source.assign({(topic, p): 0 for topic in topics for p in source.partitions(topic)})
            last = time.monotonic()
            while not self._done.is_set() and time.monotonic() - last < SILENCE_S:
                records = source.consume(BATCH, POLL_S)
                for record in records:
                    self._take(record)
                last = time.monotonic() if records else last
        finally:
            source.close()

    def _take(self, record: Record) -> None:
        place = (record.topic, record.partition)
        if (place, record.offset) in self._seen:
            return
        self._seen.add((place, record.offset))
        self.skipped += record.offset < self._highest.get(place, 0)
        self._highest[place] = max(self._highest.get(place, 0), record.offset + 1)
        self._count(record)

    def _count(self, record: Record) -> None:
        if record.topic == self._topics.dead_letters:
            letter = self._letter.decode(record.value or b"")
            self.dead[letter.topic, letter.partition, letter.offset] += 1
            return
        said = self._decision.decode(record.value or b"")
        self.decided[said.tx_id] += 1
        self.said[said.tx_id] = said
        self.heard.append(Heard(record.partition, said.decided_at, time.time_ns() // 1_000_000))

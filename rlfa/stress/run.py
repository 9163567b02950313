"""A run: one thread sends at its pace, this one reads decisions and dead letters as a `read_committed` reader."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from rlfa.config import Service
from rlfa.stress.load import Load, Made
from rlfa.stress.tally import Found, Tally
from streams.errors import StreamsError
from streams.kafka.confluent import ConfluentSource
from streams.kafka.producer import Producer
from streams.kafka.source import Record

BATCH = 10_000
POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the load comes.

    Attributes:
        seconds: that it lasts.
        rate: open loop, transactions a second whether or not they are answered; None: closed loop.
        in_flight: closed loop, so many wait for their decision at any time.
        settle_s: for the last decisions.
    """

    seconds: float
    rate: float | None
    in_flight: int
    settle_s: float


class _Decided(msgspec.Struct, frozen=True):
    tx_id: str


class _Dead(msgspec.Struct, frozen=True):
    value: str


@dataclass(slots=True)
class Run:
    """One load on one service.

    Args:
        service: whose broker and topics.
        load: what is sent.
        shape: how.
        begin_ms: event time of the first transaction, ms UTC.
    """

    service: Service
    load: Load
    shape: Shape
    begin_ms: int
    tally: Tally = field(default_factory=Tally)
    _answered: threading.Semaphore = field(init=False)
    _sender_failed: StreamsError | None = None

    def __post_init__(self) -> None:
        self._answered = threading.Semaphore(self.shape.in_flight)

    def play(self) -> Found:
        """Send, read, and count.

        Raises:
            StreamsError: the broker is away or refuses.
        """
        settings = self.service.settings
        producer = Producer(settings.kafka)
        source = ConfluentSource(settings.kafka, f"{settings.name}-stress")
        try:
            topics = (settings.topics.decisions, settings.topics.dead_letters)
            places = [(topic, p) for topic in topics for p in source.partitions(topic)]
            source.assign({place: source.retained(place)[1] for place in places})
            sender = threading.Thread(target=self._send, args=(producer,), daemon=True)
            sender.start()
            self._read_until_settled(source, sender)
        finally:
            source.close()
            producer.close()
        if self._sender_failed is not None:
            raise self._sender_failed
        return self.tally.found()

    def _read_until_settled(self, source: ConfluentSource, sender: threading.Thread) -> None:
        deadline = None
        while True:
            self._take(source.consume(BATCH, POLL_S))
            if sender.is_alive():
                continue
            deadline = deadline or time.monotonic() + self.shape.settle_s
            if not self.tally.open or time.monotonic() > deadline:
                return

    def _take(self, records: list[Record]) -> None:
        now, decisions = time.monotonic(), self.service.settings.topics.decisions
        for record in records:
            if record.topic == decisions:
                tx_id = msgspec.json.decode(record.value or b"{}", type=_Decided).tx_id
                is_mine = tx_id.startswith(self.load.prefix)
                if is_mine:
                    self.tally.decide(tx_id, now)
            else:
                refused = base64.b64decode(msgspec.json.decode(record.value or b"{}", type=_Dead).value)
                is_mine = self.load.prefix.encode() in refused
                self.tally.refused += is_mine
            if is_mine:
                self._answered.release()

    def _send(self, producer: Producer) -> None:
        try:
            topic = self.service.settings.topics.transactions
            for made, due in self._paced():
                self.tally.send(made.tx_id, due)
                producer.produce(topic, made.key, made.value)
            producer.flush()
        except StreamsError as error:
            self._sender_failed = error

    def _paced(self) -> Iterator[tuple[Made, float]]:
        """Each transaction when it is due."""
        rate, began = self.shape.rate, time.monotonic()
        end = began + self.shape.seconds
        step_ms = 1000 / rate if rate else 1.0
        for number, made in enumerate(self.load.transactions(self.begin_ms, step_ms)):
            if rate:
                due = began + number / rate
                if due >= end:
                    return
                time.sleep(max(due - time.monotonic(), 0.0))
                yield made, due
            else:
                if not self._answered.acquire(timeout=max(end - time.monotonic(), 0.0)):
                    return
                yield made, time.monotonic()

"""confluent-kafka behind the source and sink interfaces: the hot path."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.errors import BrokerError, UnknownOutcomeError
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import Headers, Lap, Message
from streams.kafka.source import Place, Record, Source

T = TypeVar("T")
QUEUE_MESSAGES_MAX = 1_000_000
RECEIVE_BYTES_MAX = 2_000_000_000
FULL_WAIT_S = 0.01
NO_OFFSET = 0  # confluent marks "none" with negative numbers


def client_config(settings: KafkaSettings) -> dict[str, object]:
    """librdkafka's settings for a connection."""
    config: dict[str, object] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "log_level": 2,  # what matters comes back as errors; the rest would go to stderr as raw text
        "socket.timeout.ms": int(settings.request_timeout_s * 1000),
    }
    if settings.sasl_mechanism:
        config |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username,
            "sasl.password": settings.password(),
        }
    files = {
        "ssl.ca.location": settings.ssl_ca_file,
        "ssl.certificate.location": settings.ssl_certificate_file,
        "ssl.key.location": settings.ssl_key_file,
    }
    return config | {key: path for key, path in files.items() if path}


def sink_config(settings: KafkaSettings) -> dict[str, object]:
    """Of a client that a lane writes with: at once, and no more held than the settings allow."""
    return {
        **client_config(settings),
        "linger.ms": 0,
        "message.max.bytes": settings.record_bytes_max,
        "queue.buffering.max.messages": QUEUE_MESSAGES_MAX,
        "queue.buffering.max.kbytes": settings.producer_queue_mib * 1024,
    }


def leave(producer: Producer) -> None:
    """Give up what a client holds, without waiting."""
    with suppress(KafkaException):  # a fenced producer has nothing left to give up
        producer.purge()
        producer.flush(0)


class ConfluentSource:
    """Reads what it is assigned; commits nothing by itself.

    Args:
        settings: of the cluster.
        group: whose committed offsets `committed` reads and transactions move.
        contexts: takes the header `traceparent` of each record that has one.

    Raises:
        BrokerError: no broker answers within `connect_wait_s`, or it refuses.
    """

    def __init__(self, settings: KafkaSettings, group: str, contexts: MutableSequence[bytes] | None = None) -> None:
        self._settings, self._contexts = settings, contexts
        self._problems: list[KafkaError] = []
        self.consumer = Consumer(
            {
                **client_config(settings),
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.message.max.bytes": settings.record_bytes_max,
                "fetch.wait.max.ms": 20,
                # The embedded broker answers with all that a partition has, whatever size was asked for.
                "receive.message.max.bytes": RECEIVE_BYTES_MAX,
                "queued.min.messages": 20_000,
                "queued.max.messages.kbytes": settings.consumer_queue_mib * 1024,
                "error_cb": self._problems.append,
            }
        )
        self._assigned: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._answered(lambda wait: self.consumer.list_topics(timeout=wait), settings.connect_wait_s)

    def partitions(self, topic: str) -> list[int]:
        """The topic's partitions, ascending.

        Raises:
            BrokerError: there is no such topic.
        """
        found = self._answered(lambda wait: self.consumer.list_topics(topic, timeout=wait)).topics[topic]
        if found.error is not None:
            raise BrokerError(f"topic {topic}", found.error.str(), "a topic that exists (rlfa topics create)")
        return sorted(found.partitions)

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        """The group's committed offsets, None where there is none.

        Raises:
            BrokerError: no answer, or a transaction that moves them has not ended.
        """
        wanted = [TopicPartition(*place) for place in places]
        found = answered(
            lambda wait: self.consumer.committed(wanted, timeout=wait),
            self._settings,
            self._problems,
            serve=self.consumer.poll,
            allowed="a broker that answers, and no hanging transaction (kafka-transactions.sh find-hanging)",
        )
        return {(p.topic, p.partition): p.offset if p.offset >= NO_OFFSET else None for p in found}

    def retained(self, place: Place) -> tuple[int, int]:
        """The first offset that the broker has, and the one after its last."""
        at = TopicPartition(*place)
        found: tuple[int, int] = self._answered(lambda wait: self.consumer.get_watermark_offsets(at, timeout=wait))
        return found

    def assign(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions from these offsets on."""
        self._assigned = dict(offsets)
        self._ends = {}
        self.consumer.assign([TopicPartition(t, p, offset) for (t, p), offset in offsets.items()])

    def consume(self, most: int, timeout_s: float) -> list[Record]:
        """At most so many records; waits at most so long for the first.

        Raises:
            BrokerError: offsets out of range, or access refused.
        """
        messages = self.consumer.consume(1, timeout_s) if timeout_s else []
        if messages or not timeout_s:
            messages += self.consumer.consume(most - len(messages), 0.0) if most > len(messages) else []
        records = []
        for m in messages:
            if (error := m.error()) is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._ends[m.topic(), m.partition()] = m.offset()
                else:
                    self._refuse(error)
                continue
            record = Record(m.topic(), m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value())
            self._assigned[record.topic, record.partition] = record.offset + 1
            self._ends.pop((record.topic, record.partition), None)
            records.append(record)
        if self._contexts is not None:
            headers = [header for m in messages if not m.error() for header in m.headers() or ()]
            self._contexts.extend(value for name, value in headers if name == "traceparent" and value)
        return records

    def pause(self) -> None:
        """Ask the broker for nothing until `resume`."""
        self.consumer.pause([TopicPartition(*place) for place in self._assigned])

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self.consumer.resume([TopicPartition(*place) for place in self._assigned])

    def positions(self) -> dict[Place, int]:
        """The next offset to be read of each assigned partition."""
        return dict(self._assigned)

    def ends(self) -> dict[Place, int]:
        """Of the partitions read to their present end, the offset after it, control records included."""
        return dict(self._ends)

    def close(self) -> None:
        """Leave; commits nothing."""
        self.consumer.close()

    def _refuse(self, error: KafkaError) -> None:
        if error.retriable():
            return
        if error.code() in {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT}:
            return  # the client goes on trying by itself
        raise BrokerError("consumer", error.str(), "records of the assigned partitions")

    def _answered(self, question: Callable[[float], T], wait_s: float | None = None) -> T:
        return answered(question, self._settings, self._problems, wait_s, self.consumer.poll)


class ConfluentTransactionalSink:
    """Decisions and offsets in one Kafka transaction.

    Args:
        settings: of the cluster.
        transactional_id: the same after a restart: making the new one fences the old.
        commit_timeout_s: after which a commit counts as of unknown outcome.
        headers: that the messages of the next commit carry.

    Raises:
        BrokerError: no broker answers, or it refuses.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        commit_timeout_s: float,
        headers: Callable[[], Headers] = list,
    ) -> None:
        self._timeout_s, self._headers = commit_timeout_s, headers
        problems: list[KafkaError] = []
        self.producer = Producer(
            {
                **sink_config(settings),
                "transactional.id": transactional_id,
                "transaction.timeout.ms": int(settings.transaction_timeout_s * 1000),
                "retry.backoff.ms": 2,
                "retry.backoff.max.ms": 50,
                "delivery.timeout.ms": int(min(commit_timeout_s, settings.transaction_timeout_s) * 1000),
                "error_cb": problems.append,
            }
        )
        answered(self.producer.init_transactions, settings, problems, settings.connect_wait_s, self.producer.poll)

    def commit(
        self, messages: Sequence[Message], offsets: Mapping[Place, int], source: Source, lap: Lap = bool
    ) -> None:
        """One Kafka transaction; see `Sink`.

        Raises:
            UnknownOutcomeError: no answer in time, or the broker aborted: make every client anew.
        """
        assert isinstance(source, ConfluentSource)
        places = [TopicPartition(t, p, offset) for (t, p), offset in offsets.items()]
        try:
            self.producer.begin_transaction()
            produce_all(self.producer, messages, self._timeout_s, self._headers())
            lap("produce")
            self.producer.send_offsets_to_transaction(
                places, source.consumer.consumer_group_metadata(), self._timeout_s
            )
            self.producer.commit_transaction(self._timeout_s)
            lap("commit")
        except (KafkaException, BufferError) as error:
            raise UnknownOutcomeError(f"commit: {error}") from error

    def settle(self, source: Source, *, wait: bool) -> None:
        """Nothing is ever open: each commit waits for its answer."""

    def close(self) -> None:
        """Leave; the broker aborts an open transaction, or the next producer of this id does."""
        leave(self.producer)


def produce_all(producer: Producer, messages: Sequence[Message], timeout_s: float, headers: Headers = ()) -> None:
    """Hand messages over; while the client's buffer is full, wait for the broker to take some.

    Args:
        producer: the client.
        messages: to be written.
        timeout_s: for all of them together.
        headers: that each of them carries.

    Raises:
        BufferError: it stays full.
        KafkaException: a message can't be taken.
    """
    deadline = time.monotonic() + timeout_s
    produce = partial(producer.produce, headers=headers) if headers else producer.produce
    for topic, key, value in messages:
        while True:
            try:
                produce(topic, value, key)
                break
            except BufferError:
                if time.monotonic() > deadline:
                    raise
                producer.poll(FULL_WAIT_S)


def answered(
    question: Callable[[float], T],
    settings: KafkaSettings,
    problems: Sequence[KafkaError],
    wait_s: float | None = None,
    serve: Callable[[float], object] = bool,
    allowed: str = "a broker that answers",
) -> T:
    """Ask until there is an answer or the time is up; then one line says why.

    Args:
        question: takes a time-out in seconds.
        settings: of the cluster.
        problems: what the client reports beside its answers.
        wait_s: for all tries together.
        serve: lets the client make its reports; takes a time-out in seconds.
        allowed: what would do, for the line that says why.

    Raises:
        BrokerError: with what the broker or the network last said.
    """
    deadline = time.monotonic() + (wait_s or settings.request_timeout_s)
    while True:
        left = deadline - time.monotonic()
        try:
            return question(max(min(left, 2.0), 0.1))
        except KafkaException as error:
            serve(0.1)
            reason = _reason(problems) or error.args[0].str()
            hopeless = any(word in reason for word in HOPELESS)
            if hopeless or time.monotonic() >= deadline:
                raise BrokerError(f"kafka at {settings.bootstrap_servers}", reason, allowed) from error


HOPELESS = ("uthentication fail", "certificate verify failed", "SSL handshake failed")


def _reason(problems: Sequence[KafkaError]) -> str:
    """The most telling of what the client reported beside its answer."""
    texts: list[str] = [p.str() for p in problems]
    telling = [t for t in texts if any(word in t for word in HOPELESS)]
    return (telling or texts or [""])[-1]

"""kafka-python behind the same interfaces: a second client that shares no code with the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from streams.errors import BrokerError, UnknownOutcomeError
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import Lap, Message
from streams.kafka.source import Place, Record, Source


def python_config(settings: KafkaSettings) -> dict[str, object]:
    """kafka-python's settings for a connection."""
    config: dict[str, object] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.security_protocol,
        "bootstrap_timeout_ms": int(settings.connect_wait_s * 1000),
    }
    if settings.sasl_mechanism:
        config |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.password(),
        }
    files = {
        "ssl_cafile": settings.ssl_ca_file,
        "ssl_certfile": settings.ssl_certificate_file,
        "ssl_keyfile": settings.ssl_key_file,
    }
    return config | {key: path for key, path in files.items() if path}


def unreachable(settings: KafkaSettings, error: KafkaError) -> BrokerError:
    """One line on why there is no connection; this client only says that it couldn't bootstrap."""
    login = "; authentication may have failed: brokers hang up on a wrong password" if settings.sasl_mechanism else ""
    trust = "; or the certificate isn't trusted" if "SSL" in settings.security_protocol else ""
    where = f"kafka at {settings.bootstrap_servers}"
    return BrokerError(where, f"{error}{login}{trust}", "a broker that answers")


class PythonSource:
    """Reads what it is assigned; see `ConfluentSource`.

    Args:
        settings: of the cluster.
        group: whose committed offsets `committed` reads and transactions move.

    Raises:
        BrokerError: no broker answers, or it refuses.
    """

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._where = f"kafka at {settings.bootstrap_servers}"
        try:
            self.consumer = KafkaConsumer(
                **python_config(settings),
                group_id=group,
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="none",
                max_partition_fetch_bytes=settings.record_bytes_max,
            )
        except KafkaError as error:
            raise unreachable(settings, error) from error

    def partitions(self, topic: str) -> list[int]:
        """The topic's partitions, ascending.

        Raises:
            BrokerError: there is no such topic.
        """
        found = self.consumer.partitions_for_topic(topic)
        if not found:
            raise BrokerError(f"topic {topic}", "no such topic", "a topic that exists (rlfa topics create)")
        return sorted(found)

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        """The group's committed offsets, None where there is none."""
        return {place: self.consumer.committed(TopicPartition(*place)) for place in places}

    def retained(self, place: Place) -> tuple[int, int]:
        """The first offset that the broker has, and the one after its last."""
        at = TopicPartition(*place)
        return self.consumer.beginning_offsets([at])[at], self.consumer.end_offsets([at])[at]

    def assign(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions from these offsets on."""
        self.consumer.assign([TopicPartition(*place) for place in offsets])
        for place, offset in offsets.items():
            self.consumer.seek(TopicPartition(*place), offset)

    def consume(self, most: int, timeout_s: float) -> list[Record]:
        """At most so many records; waits at most so long for the first."""
        try:
            found = self.consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=most)
        except KafkaError as error:
            raise BrokerError(self._where, error, "records of the assigned partitions") from error
        return [
            Record(m.topic, m.partition, m.offset, m.timestamp, m.key, m.value)
            for messages in found.values()
            for m in messages
        ]

    def pause(self) -> None:
        """Ask the broker for nothing until `resume`."""
        self.consumer.pause(*self.consumer.assignment())

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self.consumer.resume(*self.consumer.assignment())

    def positions(self) -> dict[Place, int]:
        """The next offset to be read of each assigned partition."""
        return {(p.topic, p.partition): self.consumer.position(p) for p in self.consumer.assignment()}

    def ends(self) -> dict[Place, int]:
        """None: this client doesn't tell."""
        return {}

    def close(self) -> None:
        """Leave; commits nothing."""
        self.consumer.close()


class PythonTransactionalSink:
    """Messages and offsets in one Kafka transaction; see `ConfluentTransactionalSink`.

    Args:
        settings: of the cluster.
        transactional_id: the same after a restart: making the new one fences the old.
        commit_timeout_s: after which a commit counts as of unknown outcome.

    Raises:
        BrokerError: no broker answers, or it refuses.
    """

    def __init__(self, settings: KafkaSettings, transactional_id: str, commit_timeout_s: float) -> None:
        self._timeout_s = commit_timeout_s
        try:
            self.producer = KafkaProducer(
                **python_config(settings),
                transactional_id=transactional_id,
                transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
                max_block_ms=int(settings.connect_wait_s * 1000),
                max_request_size=settings.record_bytes_max,
            )
            self.producer.init_transactions()
        except KafkaError as error:
            raise unreachable(settings, error) from error

    def commit(
        self, messages: Sequence[Message], offsets: Mapping[Place, int], source: Source, lap: Lap = bool
    ) -> None:
        """One Kafka transaction; see `Sink`.

        Raises:
            UnknownOutcomeError: no answer in time, or the broker aborted: make every client anew.
        """
        assert isinstance(source, PythonSource)
        places = {TopicPartition(*place): OffsetAndMetadata(offset, "", -1) for place, offset in offsets.items()}
        try:
            self.producer.begin_transaction()
            for message in messages:
                self.producer.send(message.topic, message.value, message.key)
            lap("produce")
            self.producer.send_offsets_to_transaction(places, source.consumer.group_metadata())
            self.producer.commit_transaction()
            lap("commit")
        except (KafkaError, AssertionError) as error:
            raise UnknownOutcomeError(f"commit: {error}") from error

    def settle(self, source: Source, *, wait: bool) -> None:
        """Nothing is ever open: each commit waits for its answer."""

    def close(self) -> None:
        """Leave; an open transaction is aborted."""
        self.producer.close(timeout=self._timeout_s)

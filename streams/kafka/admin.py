"""Topics: made and described through kafka-python, which shares no code with the hot path's client."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streams.errors import BrokerError
from streams.kafka.python import python_config
from streams.kafka.settings import KafkaSettings


class TopicInfo(msgspec.Struct, frozen=True):
    """A topic as the broker has it."""

    name: str
    partitions: int
    replication: int


class Admin:
    """Makes and describes topics.

    Args:
        settings: of the cluster.

    Raises:
        BrokerError: no broker answers, or it refuses.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._where = f"kafka at {settings.bootstrap_servers}"
        try:
            self._client = KafkaAdminClient(**python_config(settings))
        except KafkaError as error:
            raise BrokerError(self._where, str(error), "a broker that answers") from error

    def create(self, topics: Sequence[TopicInfo]) -> list[str]:
        """Make the topics that aren't there; returns their names."""
        there = {t.name for t in self.describe()}
        new = [t for t in topics if t.name not in there]
        if not new:
            return []
        try:
            self._client.create_topics([NewTopic(t.name, t.partitions, t.replication) for t in new])
        except TopicAlreadyExistsError:
            pass
        except KafkaError as error:
            raise BrokerError(self._where, str(error), "a broker that makes topics") from error
        return [t.name for t in new]

    def describe(self) -> list[TopicInfo]:
        """Every topic, by name."""
        try:
            found = self._client.describe_topics()
        except KafkaError as error:
            raise BrokerError(self._where, str(error), "a broker that answers") from error
        return sorted(
            (TopicInfo(t["name"], len(t["partitions"]), len(t["partitions"][0]["replica_nodes"])) for t in found),
            key=lambda t: t.name,
        )

    def close(self) -> None:
        """Leave."""
        self._client.close()

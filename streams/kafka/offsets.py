"""Where a group stands in its topics, asked of the broker from outside: known while lanes are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.errors import BrokerError
from streams.kafka.confluent import NO_OFFSET, client_config
from streams.kafka.settings import KafkaSettings
from streams.kafka.source import Place


class Standing(NamedTuple):
    """One partition; all count control records too, as the broker does."""

    committed: int | None
    """Of the group; None where it never committed."""
    end: int
    """The first offset that a `read_committed` reader doesn't see yet."""
    end_open: int
    """The same for one that reads what transactions haven't committed."""


class OffsetReader:
    """Asks a broker for offsets, three small questions a look.

    Args:
        settings: of the cluster.
        group: whose committed offsets are looked at.
        wait_s: for each question.
    """

    def __init__(self, settings: KafkaSettings, group: str, wait_s: float) -> None:
        self._settings, self._group, self._wait_s = settings, group, wait_s
        self._client = AdminClient(client_config(settings) | {"error_cb": bool})

    def look(self, topics: Sequence[str]) -> dict[Place, Standing]:
        """Every partition of some topics.

        Raises:
            BrokerError: no answer in time, or a topic isn't there.
        """
        try:
            return self._look(topics)
        except KafkaException as error:
            where = f"kafka at {self._settings.bootstrap_servers}"
            raise BrokerError(where, error.args[0].str(), "a broker that answers") from error

    def _look(self, topics: Sequence[str]) -> dict[Place, Standing]:
        known = self._client.list_topics(timeout=self._wait_s).topics
        places = [(topic, p) for topic in topics if topic in known for p in sorted(known[topic].partitions)]
        if not places:
            return {}
        ends = self._ends(places, IsolationLevel.READ_COMMITTED)
        open_ends = self._ends(places, IsolationLevel.READ_UNCOMMITTED)
        committed = self._committed()
        return {place: Standing(committed.get(place), ends[place], open_ends[place]) for place in places}

    def _ends(self, places: Iterable[Place], isolation: IsolationLevel) -> dict[Place, int]:
        asked = {TopicPartition(*place): OffsetSpec.latest() for place in places}
        found = self._client.list_offsets(asked, isolation_level=isolation, request_timeout=self._wait_s)
        return {(at.topic, at.partition): answer.result().offset for at, answer in found.items()}

    def _committed(self) -> dict[Place, int]:
        asked = [ConsumerGroupTopicPartitions(self._group)]
        found = self._client.list_consumer_group_offsets(asked, request_timeout=self._wait_s)
        (answer,) = found.values()
        offsets = answer.result().topic_partitions
        return {(p.topic, p.partition): p.offset for p in offsets if p.offset >= NO_OFFSET}

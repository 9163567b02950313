"""Where a group stands in its topics, asked of the broker from outside: known while lanes are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

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
    """Asks a broker for offsets, by consumers that read nothing.

    librdkafka's admin client would do it in fewer questions, but it aborts the process when connections break under it
    (2.16, an assertion in `rd_kafka_enq_once_del_source_return`).

    Args:
        settings: of the cluster.
        group: whose committed offsets are looked at.
        wait_s: for each question.
    """

    def __init__(self, settings: KafkaSettings, group: str, wait_s: float) -> None:
        self._settings, self._wait_s = settings, wait_s
        config = client_config(settings) | {"group.id": group, "enable.auto.commit": False, "error_cb": bool}
        self._settled = Consumer(config | {"isolation.level": "read_committed"})
        self._open = Consumer(config | {"isolation.level": "read_uncommitted"})

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
        known = self._open.list_topics(timeout=self._wait_s).topics
        asked = [
            TopicPartition(topic, p) for topic in topics if topic in known for p in sorted(known[topic].partitions)
        ]
        if not asked:
            return {}
        committed = [at.offset for at in self._open.committed(asked, timeout=self._wait_s)]
        return {
            (at.topic, at.partition): Standing(
                offset if offset >= NO_OFFSET else None, self._end(self._settled, at), self._end(self._open, at)
            )
            for at, offset in zip(asked, committed, strict=True)
        }

    def _end(self, client: Consumer, at: TopicPartition) -> int:
        """The offset after the last that this client may see."""
        return int(client.get_watermark_offsets(at, timeout=self._wait_s)[1])

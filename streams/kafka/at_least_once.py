"""Decisions first, input offsets later, without a Kafka transaction: nothing lost, and after a crash some doubled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.errors import UnknownOutcomeError
from streams.kafka import sink
from streams.kafka.confluent import ConfluentSource, answered, leave, produce_all, sink_config
from streams.kafka.settings import KafkaSettings
from streams.kafka.source import Place, Source

PATIENCE_S = 1.0  # that a commit may come later, rather than that a lane waits for the broker


class AtLeastOnceSink:
    """Hands messages over without waiting, and commits the offsets of those that the broker has confirmed.

    Args:
        settings: of the cluster.
        commit_interval_s: between commits of input offsets; so much, and `PATIENCE_S` at most, is decided again after a
            crash.
        commit_timeout_s: after which a delivery counts as of unknown outcome.
        headers: that the messages of the next commit carry.

    Raises:
        BrokerError: no broker answers, or it refuses.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        commit_interval_s: float,
        commit_timeout_s: float,
        headers: Callable[[], sink.Headers] = list,
    ) -> None:
        self._interval_s, self._timeout_s, self._headers = commit_interval_s, commit_timeout_s, headers
        self._failed: list[KafkaError] = []
        self._taken: dict[Place, int] = {}  # handed over, not yet known to be confirmed
        self._confirmed: dict[Place, int] = {}  # waits for the next commit
        self._committed_at = time.monotonic()
        problems: list[KafkaError] = []
        self.producer = Producer(
            {
                **sink_config(settings),
                "enable.idempotence": True,
                "delivery.timeout.ms": int(commit_timeout_s * 1000),
                "delivery.report.only.error": True,
                "on_delivery": self._report,
                "error_cb": problems.append,
            }
        )
        answered(
            lambda wait: self.producer.list_topics(timeout=wait),
            settings,
            problems,
            settings.connect_wait_s,
            self.producer.poll,
        )

    def commit(
        self, messages: Sequence[sink.Message], offsets: Mapping[Place, int], source: Source, lap: sink.Lap = bool
    ) -> None:
        """Hand messages over; their offsets follow once the broker has them all.

        Raises:
            UnknownOutcomeError: an earlier message was not taken, or the queue stays full: make every client anew.
        """
        self.settle(source, wait=False)
        lap("commit")
        try:
            produce_all(self.producer, messages, self._timeout_s, self._headers())
        except (KafkaException, BufferError) as error:
            raise UnknownOutcomeError(f"delivery: {error}") from error
        self._taken.update(offsets)
        self.producer.poll(0)
        lap("produce")

    def settle(self, source: Source, *, wait: bool) -> None:
        """Commit confirmed offsets when it is time; with `wait`, everything that was handed over, now.

        Raises:
            UnknownOutcomeError: a message was not taken, or no answer came in time.
        """
        assert isinstance(source, ConfluentSource)
        since = time.monotonic() - self._committed_at
        is_due, is_overdue = wait or since >= self._interval_s, wait or since >= self._interval_s + PATIENCE_S
        self.producer.poll(0)
        left = len(self.producer)
        if is_overdue and self._taken and left:  # between two batches the buffer is empty by itself, mostly
            left = self.producer.flush(self._timeout_s)
        if self._failed or (is_overdue and left):
            raise UnknownOutcomeError(f"delivery: {self._failed[0].str() if self._failed else 'no answer in time'}")
        if not len(self.producer):
            self._confirmed.update(self._taken)
            self._taken.clear()
        if is_due and self._confirmed:
            self._commit_confirmed(source, wait=wait)

    def close(self) -> None:
        """Leave; what isn't confirmed is decided again."""
        leave(self.producer)

    def _commit_confirmed(self, source: ConfluentSource, *, wait: bool) -> None:
        places = [TopicPartition(t, p, offset) for (t, p), offset in self._confirmed.items()]
        try:
            source.consumer.commit(offsets=places, asynchronous=not wait)
        except KafkaException as error:
            raise UnknownOutcomeError(f"commit: {error}") from error
        self._confirmed.clear()
        self._committed_at = time.monotonic()

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)

"""A plain producer for publishers: replay, simulator, roster events. At least once."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message
from confluent_kafka import Producer as _Producer

from streams.errors import BrokerError
from streams.kafka.confluent import QUEUE_MESSAGES_MAX, answered, client_config
from streams.kafka.settings import KafkaSettings

FLUSH_EVERY = 100_000
NOW = 0  # the client's own word for it


class Producer:
    """Buffers records and sends them in batches; `flush` waits for the broker's word.

    Args:
        settings: of the cluster.

    Raises:
        BrokerError: no broker answers within `connect_wait_s`, or it refuses.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        problems: list[KafkaError] = []
        self._failed: list[KafkaError] = []
        self._settings = settings
        self._producer = _Producer(
            {
                **client_config(settings),
                "enable.idempotence": True,
                "linger.ms": 5,
                "batch.num.messages": 20_000,
                "message.max.bytes": settings.record_bytes_max,
                "queue.buffering.max.messages": QUEUE_MESSAGES_MAX,
                "error_cb": problems.append,
            }
        )
        answered(
            lambda wait: self._producer.list_topics(timeout=wait),
            settings,
            problems,
            settings.connect_wait_s,
            self._producer.poll,
        )

    def produce(self, topic: str, key: bytes | None, value: bytes, partition: int = -1, timestamp: int = NOW) -> None:
        """Hand a record over, stamped with now or a time in ms UTC; waits only while the buffer is full."""
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._delivered, timestamp=timestamp)
            except BufferError:
                self._producer.poll(0.1)
                continue
            self._producer.poll(0)
            return

    def flush(self) -> None:
        """Wait until everything is confirmed.

        Raises:
            BrokerError: a record was not taken.
        """
        try:
            left = self._producer.flush(self._settings.connect_wait_s)
        except SystemError as error:  # Ctrl-C has ended the wait, and the client forgot to say so
            raise KeyboardInterrupt from error
        if left or self._failed:
            reason = self._failed[0].str() if self._failed else f"{left} records without an answer"
            raise BrokerError(f"kafka at {self._settings.bootstrap_servers}", reason, "a broker that takes records")

    def close(self) -> None:
        """Give up what isn't confirmed."""
        self._producer.purge()
        self._producer.flush(0)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)

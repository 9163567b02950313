"""What a writer takes: messages, and for exactly-once the input offsets beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.kafka.source import Place, Source


class Message(NamedTuple):
    """A record to be written."""

    topic: str
    key: bytes | None
    value: bytes


class TransactionalSink(Protocol):
    """Messages and input offsets together, or neither."""

    def commit(self, messages: Sequence[Message], offsets: Mapping[Place, int], source: Source) -> None:
        """One Kafka transaction.

        Raises:
            UnknownOutcomeError: no answer in time, or the broker aborted.
        """
        ...

    def close(self) -> None:
        """Leave; an open transaction is aborted."""
        ...

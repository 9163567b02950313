"""What a writer takes: messages, and for exactly-once the input offsets beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.kafka.source import Place, Source

Lap = Callable[[str], object]  # told the name of a stage when it ends; `bool` takes it and does nothing


class Message(NamedTuple):
    """A record to be written."""

    topic: str
    key: bytes | None
    value: bytes


class TransactionalSink(Protocol):
    """Messages and input offsets together, or neither."""

    def commit(
        self, messages: Sequence[Message], offsets: Mapping[Place, int], source: Source, lap: Lap = bool
    ) -> None:
        """One Kafka transaction.

        Args:
            messages: to be written.
            offsets: of the input, to go on from.
            source: that the input was read from.
            lap: told "produce" when the messages are handed over, "commit" when the transaction is through.

        Raises:
            UnknownOutcomeError: no answer in time, or the broker aborted.
        """
        ...

    def close(self) -> None:
        """Leave; an open transaction is aborted."""
        ...

"""What a writer takes: messages, and the input offsets beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.kafka.source import Place, Source

Lap = Callable[[str], object]  # told the name of a stage when it ends; `bool` takes it and does nothing

Headers = Sequence[tuple[str, bytes]]


class Message(NamedTuple):
    """A record to be written."""

    topic: str
    key: bytes | None
    value: bytes


class Sink(Protocol):
    """Takes messages with the offsets that they answer: together or neither, or first the ones, then the others."""

    def commit(
        self, messages: Sequence[Message], offsets: Mapping[Place, int], source: Source, lap: Lap = bool
    ) -> None:
        """Hand both over.

        Args:
            messages: to be written.
            offsets: of the input, to go on from.
            source: that the input was read from.
            lap: told "produce" when the messages are handed over, "commit" when the transaction is through.

        Raises:
            UnknownOutcomeError: no answer in time, or the broker refused.
        """
        ...

    def settle(self, source: Source, *, wait: bool) -> None:
        """Commit offsets that are due; with `wait`, nothing that was handed over is open afterwards.

        Raises:
            UnknownOutcomeError: no answer in time, or the broker refused.
        """
        ...

    def close(self) -> None:
        """Leave; what is open is aborted, or done again."""
        ...

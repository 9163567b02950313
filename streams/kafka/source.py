"""What a reader of a topic gives: records, offsets, and nothing of its client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

Place = tuple[str, int]  # topic, partition


class Record(NamedTuple):
    """One record as the broker has it; timestamp in ms UTC, of the producer or the broker."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def next_offsets(records: Iterable[Record]) -> dict[Place, int]:
    """Per partition the offset after its last record; records of a partition come in order."""
    return {(record.topic, record.partition): record.offset + 1 for record in records}


class Source(Protocol):
    """Reads partitions that it is assigned, from offsets that it is told; sees committed records only."""

    def partitions(self, topic: str) -> list[int]:
        """The topic's partitions, ascending."""
        ...

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        """The group's committed offsets, None where there is none."""
        ...

    def retained(self, place: Place) -> tuple[int, int]:
        """The first offset that the broker has, and the one after its last."""
        ...

    def assign(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions from these offsets on."""
        ...

    def consume(self, most: int, timeout_s: float) -> list[Record]:
        """At most so many records; waits at most so long for the first."""
        ...

    def pause(self) -> None:
        """Ask the broker for nothing until `resume`."""
        ...

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        ...

    def positions(self) -> dict[Place, int]:
        """The next offset to be read of each assigned partition."""
        ...

    def ends(self) -> dict[Place, int]:
        """Of the partitions read to their present end, the offset after it, control records included; may be empty."""
        ...

    def close(self) -> None:
        """Leave; commits nothing."""
        ...

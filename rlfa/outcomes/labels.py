"""Labels on their way to their transactions: held until event time has reached them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.codec import Labels
from streams.kafka.source import Record

OVERHEAD_BYTES = 600  # of a label and its record as Python objects, beside the record's own bytes


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """One label, ordered by the event time at which it became known."""

    event_time: int
    partition: int
    offset: int
    tx_hash: int = field(compare=False)
    is_fraud: bool = field(compare=False)
    record: Record = field(compare=False)

    @property
    def bytes(self) -> int:
        """Of memory, about."""
        return OVERHEAD_BYTES + len(self.record.value or b"") + len(self.record.key or b"")


@dataclass(slots=True)
class LabelQueue:
    """Labels that aren't due yet, and due ones whose transaction hasn't been seen.

    Labels and transactions are topics of their own, so either may run ahead. A label is due once its partition's
    event time has reached it (no look-ahead), and is given up once event time is past it by `patience_ms`: any
    transaction that could still match would itself be refused as too old by then.

    Args:
        patience_ms: the allowed lateness of transactions.
    """

    patience_ms: int
    _heap: list[Waiting] = field(default_factory=list)
    _unmatched: list[Waiting] = field(default_factory=list)
    bytes: int = 0
    """Of memory that waiting labels take, about."""

    def __len__(self) -> int:
        return len(self._heap) + len(self._unmatched)

    def add(self, labels: Labels, records: list[Record]) -> None:
        """Take decoded labels, each with the record it came in."""
        columns = (labels.event_time.tolist(), labels.partition.tolist(), labels.offset.tolist())
        facts = (labels.tx_hash.tolist(), labels.is_fraud.tolist(), records)
        for event_time, partition, offset, tx_hash, is_fraud, record in zip(*columns, *facts, strict=True):
            label = Waiting(event_time, partition, offset, tx_hash, is_fraud, record)
            heapq.heappush(self._heap, label)
            self.bytes += label.bytes

    def due(self, watermarks: Mapping[int, int], *, in_order: bool = False) -> list[Waiting]:
        """Take out every label that event time has reached, in event-time order.

        Args:
            watermarks: event time per partition.
            in_order: no partition is behind another, so that the newest event time counts for all.
        """
        newest = max(watermarks.values(), default=None)
        due, later = self._unmatched, list[Waiting]()
        self._unmatched = []
        while self._heap and newest is not None and self._heap[0].event_time <= newest:
            label = heapq.heappop(self._heap)
            reached = in_order or label.event_time <= watermarks.get(label.partition, -1)
            (due if reached else later).append(label)
        for label in later:
            heapq.heappush(self._heap, label)
        self.bytes -= sum(label.bytes for label in due)
        return sorted(due)

    def unmatched(self, labels: list[Waiting], watermarks: Mapping[int, int]) -> list[Waiting]:
        """Keep labels whose transaction isn't known for another try; hand back those that have waited too long."""
        given_up: list[Waiting] = []
        for label in labels:
            too_long = label.event_time + self.patience_ms < watermarks.get(label.partition, -1)
            (given_up if too_long else self._unmatched).append(label)
            self.bytes += 0 if too_long else label.bytes
        return given_up

    def drained(self) -> list[Waiting]:
        """Take out every label, in event-time order."""
        everything = sorted((*self._heap, *self._unmatched))
        self._heap, self._unmatched, self.bytes = [], [], 0
        return everything

    def first_offsets(self) -> dict[int, int]:
        """Per partition the smallest offset still held: where a replay has to read from."""
        first: dict[int, int] = {}
        for label in (*self._heap, *self._unmatched):
            first[label.partition] = min(first.get(label.partition, label.offset), label.offset)
        return first

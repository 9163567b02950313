"""What a lane reads next: records as they come, or those of all its partitions in one order."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from rlfa.config import Service
from rlfa.lanes.label_reader import LabelReader
from rlfa.shards.shard import Order
from streams.kafka.source import Record, Source
from streams.kafka.timeline import END, Timeline

HELD = 4  # batches that wait for their turn, before reading waits for them


class Polled(NamedTuple):
    """A batch: records of transactions, of labels, and their order, where there is one."""

    records: list[Record]
    labels: list[Record]
    order: Order | None = None


@dataclass(slots=True)
class Reader:
    """Polls both topics, each partition from where its source stands.

    Args:
        service: settings.
        lane: its number.
        transactions: assigned.
        labels: assigned.
    """

    service: Service
    lane: int
    transactions: Source
    labels: Source
    is_idle: bool = False
    """Everything that there is has been handed out."""
    _held_up: bool = True
    """Nothing was ready: what holds it up has to be read."""
    _timeline: Timeline = field(init=False)
    _label_reader: LabelReader = field(init=False)

    def __post_init__(self) -> None:
        topics = self.service.settings.topics
        places = [*self.transactions.positions(), *self.labels.positions()]
        self._timeline = Timeline({topics.labels: 0, topics.transactions: 1}, places)
        self._label_reader = LabelReader(self.labels, time.monotonic())

    def poll(self, most: int, *, with_labels: bool) -> Polled:
        """At most so many transactions; waits for the first as long as the settings say.

        Args:
            most: transactions, and with an order records of both kinds.
            with_labels: whether labels are wanted now.
        """
        lanes = self.service.settings.lanes
        if not lanes.in_order:
            labels = self._label_reader.poll(time.monotonic()) if with_labels else []
            return Polled(self.transactions.consume(most, lanes.poll_ms / 1000), labels)
        self._read(most, with_labels=with_labels)
        waits = [] if with_labels else list(self.labels.positions())
        taken = self._timeline.take({*self.transactions.ends(), *self.labels.ends(), *waits}, most)
        is_label = taken.moments[:, 1] == 0
        self._held_up = not taken.records
        self.is_idle = taken.until == END and not taken.records
        return Polled(
            [record for record, skipped in zip(taken.records, is_label, strict=True) if not skipped],
            [record for record, chosen in zip(taken.records, is_label, strict=True) if chosen],
            Order(self.lane, taken.moments[~is_label], taken.moments[is_label], taken.until),
        )

    def _read(self, most: int, *, with_labels: bool) -> None:
        poll_s = self.service.settings.lanes.poll_ms / 1000
        if with_labels:
            self._timeline.offer(self._label_reader.poll(time.monotonic()))
        if len(self._timeline) < HELD * most or self._held_up:
            self._timeline.offer(self.transactions.consume(most, poll_s if self._held_up else 0.0))

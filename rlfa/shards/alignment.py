"""Asks of several lanes, taken in the order of their records: the same windows, however many lanes there are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rlfa.shards.shard import Arrived, Ask, Order, Shard
from streams.features.windows import LabelEvents
from streams.kafka.timeline import BEGINNING, END, Moment, count_up_to, rows_before, sorted_moments


@dataclass(slots=True)
class Pending:
    """An ask that waits for lanes which may still bring something before it.

    Attributes:
        ask: in order.
        order: its own.
        features: float32[n, d], filled as far as its rows are taken.
        rows: how many of them are.
        labels: how many labels.
        is_given_up: the lane has asked anew.
    """

    ask: Ask
    order: Order
    features: NDArray[np.float32]
    rows: int = 0
    labels: int = 0
    is_given_up: bool = False

    @property
    def is_done(self) -> bool:
        """Whether all of it is taken."""
        return self.rows == len(self.order.rows) and self.labels == len(self.order.labels)

    def next(self, until: Moment) -> Part:
        """What isn't taken yet of the rows and labels up to a moment."""
        rows, labels = count_up_to(self.order.rows, until), count_up_to(self.order.labels, until)
        row, label = slice(self.rows, rows), slice(self.labels, labels)
        told = self.ask.labels
        part = Part(
            rows=self.ask.rows.at(np.arange(self.rows, rows)),
            labels=LabelEvents(told.tx_hash[label], told.event_time[label], told.is_fraud[label]),
            order=Order(self.order.lane, self.order.rows[row], self.order.labels[label], until),
            features=self.features[row],
        )
        self.rows, self.labels = rows, labels
        return part


@dataclass(frozen=True, slots=True)
class Part:
    """Rows and labels of one ask that are taken now, and where the rows' features go."""

    rows: Arrived
    labels: LabelEvents
    order: Order
    features: NDArray[np.float32]


@dataclass(slots=True)
class Alignment:
    """Takes rows and labels up to the moment that every lane has come to.

    Args:
        shard: takes them.
        lanes: how many there are; one that was never heard of is waited for.
    """

    shard: Shard
    lanes: int
    _until: dict[int, Moment] = field(default_factory=dict)
    _pending: dict[int, Pending] = field(default_factory=dict)

    def offer(self, ask: Ask, order: Order) -> Pending:
        """Take an ask in; a lane's earlier one, which it gave up, is forgotten."""
        if earlier := self._pending.get(order.lane):
            earlier.is_given_up = True
        features = np.full((len(order.rows), len(self.shard.state.names)), np.nan, np.float32)
        self._pending[order.lane] = pending = Pending(ask, order, features)
        self._until[order.lane] = order.until
        return pending

    def advance(self) -> list[Pending]:
        """Take what nobody can come before any more; the asks that are done with it."""
        until = min(self._until.get(lane, BEGINNING) for lane in range(self.lanes))
        parts = [pending.next(until) for pending in self._pending.values()]
        if any(len(part.order.rows) or len(part.order.labels) for part in parts):
            _take(self.shard, parts)
        done = [pending for pending in self._pending.values() if pending.is_done]
        for pending in done:
            self.shard.told(pending.ask.reached)
            del self._pending[pending.order.lane]
        return done

    def wait_no_longer(self) -> list[int]:
        """Go on without the lanes that bring nothing, until each is heard of again; which ones these are."""
        absent = [lane for lane in range(self.lanes) if lane not in self._pending and self._until.get(lane) != END]
        self._until |= dict.fromkeys(absent, END)
        return absent


def _take(shard: Shard, parts: list[Part]) -> None:
    """Rows and labels of several asks, merged by their moments: a label between the rows where it belongs."""
    moments, told = (np.concatenate([part.order[i] for part in parts]) for i in (1, 2))
    order, told_order = sorted_moments(moments), sorted_moments(told)
    rows = Arrived(*(np.concatenate(columns)[order] for columns in zip(*(part.rows for part in parts), strict=True)))
    labels = LabelEvents(
        np.concatenate([part.labels.tx_hash for part in parts])[told_order],
        np.concatenate([part.labels.event_time for part in parts])[told_order],
        np.concatenate([part.labels.is_fraud for part in parts])[told_order],
        rows_before(moments[order], told[told_order]),
    )
    features = np.empty((len(order), len(shard.state.names)), np.float32)
    features[order] = shard.take(Ask(rows, labels, {}))
    begin = 0
    for part in parts:
        part.features[:] = features[begin : begin + len(part.features)]
        begin += len(part.features)

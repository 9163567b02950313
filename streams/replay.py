"""History as a stream: transactions and labels on their topics, in the order of event time, at a pace."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streams.messages import Messages

SLICE_S = 0.05  # messages due within so many seconds go out together
SLICE_ROWS = 2_000
NONE = Messages(np.empty(0, np.int64), [], [])


class Producer(Protocol):
    """What publishing needs of a broker's client."""

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        """Hand a message over; blocks while the client's queue is full."""

    def flush(self) -> None:
        """Wait until the broker has all of them."""


class Clock(Protocol):
    """Time that tests can hold."""

    def now(self) -> float:
        """Seconds, from any origin, never backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class WallClock:
    """The machine's own."""

    def now(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Transactions a second, or event time so many times faster; as fast as possible without either."""

    rate: float | None = None
    speedup: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Where to."""

    transactions: str = "transactions"
    labels: str = "labels"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of history, usually a day: its transactions, and labels that become known in it or later."""

    transactions: Messages
    labels: Messages


@dataclass(frozen=True, slots=True)
class Stretch:
    """`m` messages of both topics in the order in which they are published."""

    time: NDArray[np.int64]  # [m], event time, ms UTC
    is_label: NDArray[np.bool_]  # [m]
    key: list[bytes]
    value: list[bytes]


@dataclass(frozen=True, slots=True)
class Published:
    """What a replay sent."""

    transactions: int
    labels: int
    seconds: float


def merged_order(transaction_time: NDArray[np.int64], label_time: NDArray[np.int64]) -> NDArray[np.intp]:
    """The order of event time; at the same time labels first, otherwise as they came.

    Args:
        transaction_time: int64[n], ms.
        label_time: int64[m], ms.

    Returns:
        intp[n + m]: row numbers; those from n on are labels.
    """
    is_transaction = np.arange(len(transaction_time) + len(label_time)) < len(transaction_time)
    return np.lexsort((is_transaction, np.concatenate([transaction_time, label_time])))


def in_event_time_order(chunks: Iterable[Chunk]) -> Iterator[Stretch]:
    """Merge transactions and labels; a label waits until the transactions have reached its time.

    Args:
        chunks: no transaction of a chunk is earlier than those of the chunk before.

    Yields:
        A stretch per chunk, and one of the labels that become known after the last transaction.
    """
    waiting = NONE
    for chunk in chunks:
        known = _joined(waiting, chunk.labels)
        reached = chunk.transactions.time.max(initial=np.iinfo(np.int64).min)
        yield _merged(chunk.transactions, _rows(known, known.time <= reached))
        waiting = _rows(known, known.time > reached)
    yield _merged(NONE, waiting)


def publish(
    stretches: Iterable[Stretch],
    producer: Producer,
    topics: Topics,
    pace: Pace | None = None,
    clock: Clock | None = None,
) -> Published:
    """Publish everything, at a pace.

    Args:
        stretches: in order.
        producer: a broker's client.
        topics: names of the two topics.
        pace: as fast as possible when missing.
        clock: the machine's when missing.
    """
    pace, clock = pace or Pace(), clock or WallClock()
    begin = clock.now()
    first_time: int | None = None
    sent = labels = 0
    for stretch in stretches:
        if first_time is None and len(stretch.time):
            first_time = int(stretch.time[0])
        due = due_seconds(stretch, pace, sent, first_time or 0)
        for rows in _slices(due):
            ahead = float(due[rows.start]) - (clock.now() - begin)
            if ahead > 0:
                clock.sleep(ahead)
            _send(stretch, rows, producer, topics)
        labels += int(stretch.is_label.sum())
        sent += len(stretch.time) - int(stretch.is_label.sum())
    producer.flush()
    return Published(sent, labels, clock.now() - begin)


def due_seconds(stretch: Stretch, pace: Pace, sent: int, first_time: int) -> NDArray[np.float64]:
    """float64[m]: seconds after the start at which each message is due, never decreasing.

    Args:
        stretch: the messages.
        pace: the wanted one.
        sent: transactions before this stretch.
        first_time: event time of the first message of all, ms.
    """
    if pace.rate:
        due: NDArray[np.float64] = (sent + np.cumsum(~stretch.is_label) - 1).clip(0) / pace.rate
        return due
    if pace.speedup:
        passed: NDArray[np.float64] = (stretch.time - first_time) / (1000.0 * pace.speedup)
        return passed
    return np.zeros(len(stretch.time))


def _slices(due: NDArray[np.float64]) -> Iterator[slice]:
    begin = 0
    while begin < len(due):
        soon = int(np.searchsorted(due, due[begin] + SLICE_S, side="right"))
        end = min(soon, begin + SLICE_ROWS)
        yield slice(begin, end)
        begin = end


def _send(stretch: Stretch, rows: slice, producer: Producer, topics: Topics) -> None:
    names = (topics.transactions, topics.labels)
    produce = producer.produce
    for key, value, label in zip(stretch.key[rows], stretch.value[rows], stretch.is_label[rows].tolist(), strict=True):
        produce(names[label], key, value)


def _merged(transactions: Messages, labels: Messages) -> Stretch:
    order = merged_order(transactions.time, labels.time)
    both = _joined(transactions, labels)
    rows = order.tolist()
    return Stretch(
        time=both.time[order],
        is_label=order >= len(transactions),
        key=[both.key[row] for row in rows],
        value=[both.value[row] for row in rows],
    )


def _joined(first: Messages, second: Messages) -> Messages:
    return Messages(np.concatenate([first.time, second.time]), first.key + second.key, first.value + second.value)


def _rows(messages: Messages, chosen: NDArray[np.bool_]) -> Messages:
    keep = chosen.tolist()
    return Messages(messages.time[chosen], list(compress(messages.key, keep)), list(compress(messages.value, keep)))

"""Exact windows over event time, per entity, kept incrementally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.durations import parse_duration
from streams.features import kernels
from streams.features.kernels import NEVER, NONE
from streams.features.spec import Aggregate, WindowSpec

MICRO = 1_000_000  # amounts are kept as whole millionths: sums are exact whatever the order
PER_WINDOW: tuple[Aggregate, ...] = ("count", "sum", "mean", "distinct", "delayed_count", "fraud_share")
ALL: tuple[Aggregate, ...] = (
    "count",
    "sum",
    "mean",
    "distinct",
    "since_last",
    "delayed_count",
    "fraud_share",
)


@dataclass(frozen=True, slots=True)
class Update:
    """features float64[n, d] (rows of duplicates are NaN) and status uint8[n]: 0 taken, 1 duplicate."""

    features: NDArray[np.float64]
    status: NDArray[np.uint8]


def feature_names(spec: WindowSpec, entities: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the features in their order, e.g. `customer_count_1d`."""
    return tuple(
        name
        for entity in entities
        for aggregate in _aggregates(spec, entity)
        for name in (
            [f"{entity}_{aggregate}_{w}" for w in spec.windows]
            if aggregate in PER_WINDOW
            else [f"{entity}_{aggregate}"]
        )
    )


class FeatureState:
    """Windows `(t - w, t]` of every entity, each transaction's own included, over what had arrived before it.

    A late transaction gets the values of its own time, and joins the windows of those that come after. Sums are over
    whole millionths, so they are exact and don't depend on the order.

    Args:
        spec: windows and aggregates.
        entities: names, in the order of the columns that `update` gets.
        lateness_ms: how late a transaction may come; longer history than windows, delay and this need is dropped.
        capacity: events to make room for at first.
    """

    def __init__(
        self,
        spec: WindowSpec,
        entities: tuple[str, ...],
        lateness_ms: int = 86_400_000,
        capacity: int = 65_536,
    ) -> None:
        self.spec, self.entities = spec, entities
        self.names = feature_names(spec, entities)
        self._windows = np.array([parse_duration(w) for w in spec.windows], np.int64)
        self._delay = parse_duration(spec.label_delay)
        self._retention = int(self._windows.max()) + self._delay + lateness_ms
        self._capacity = capacity
        self._events = _Events(len(entities), capacity)
        self._kinds = [_Kind(len(self._windows)) for _ in entities]

    @property
    def events(self) -> int:
        """Transactions held."""
        return self._events.count

    @property
    def memory_bytes(self) -> int:
        """Of all arrays."""
        return self._events.nbytes + sum(kind.nbytes for kind in self._kinds)

    def update(
        self,
        tx_hash: NDArray[np.uint64],
        event_time: NDArray[np.int64],
        amount: NDArray[np.float64],
        entities: NDArray[np.uint64],
    ) -> Update:
        """Take transactions in arrival order, and read each one's features.

        Args:
            tx_hash: uint64[n].
            event_time: int64[n], ms UTC.
            amount: float64[n].
            entities: uint64[n, e]; 0 where there is none.
        """
        self._make_room(len(tx_hash))
        micros = np.rint(amount * MICRO).astype(np.int64)
        status = self._events.append(tx_hash, event_time, micros, entities)
        fresh = np.flatnonzero(status == 0)
        features = np.full((len(tx_hash), len(self.names)), np.nan)
        if len(fresh):
            features[fresh] = self._advance(self._events.count - len(fresh), len(fresh))
        return Update(features, status)

    def label(
        self, tx_hash: NDArray[np.uint64], known_at: NDArray[np.int64], is_fraud: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Mark transactions; a fraud counts in windows from `known_at` on. A later label supersedes an earlier one.

        Returns:
            bool[m]: the transaction is held.
        """
        at = self._events.find(tx_hash)
        found = at != NONE
        for event, time, fraud in zip(
            at[found].tolist(), known_at[found].tolist(), is_fraud[found].tolist(), strict=True
        ):
            self._events.mark(event, time, fraud)
            if fraud:
                for j, kind in enumerate(self._kinds):
                    kind.add_fraud(event, int(self._events.entity[j][event]))
        return np.asarray(found)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The transactions held, in arrival order: the windows follow from them."""
        return self._events.columns()

    def restore(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Take a snapshot's transactions in place of what is held."""
        self._rebuild({name: np.array(values) for name, values in columns.items()})

    def _make_room(self, n: int) -> None:
        if self._events.count + n <= self._events.capacity:
            return
        columns = self._events.columns()
        newest = columns["event_time"].max(initial=-NEVER)
        keep = columns["event_time"] > newest - self._retention
        if self._events.count and keep.mean() < 0.5:
            self._rebuild({name: values[keep] for name, values in columns.items()})
        self._events.grow(self._events.count + n)
        for kind in self._kinds:
            kind.grow_events(self._events.capacity)

    def _rebuild(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        n = len(columns["tx_hash"])
        self._events = _Events(len(self.entities), max(self._capacity, 2 * n))
        self._kinds = [_Kind(len(self._windows)) for _ in self.entities]
        self._events.append(columns["tx_hash"], columns["event_time"], columns["amount"], columns["entities"])
        self._advance(0, n)
        self._events.known_at[:n], self._events.labelled_at[:n] = columns["known_at"], columns["labelled_at"]
        for event in np.flatnonzero(columns["known_at"] != NEVER).tolist():
            for j, kind in enumerate(self._kinds):
                kind.add_fraud(event, int(self._events.entity[j][event]))

    def _advance(self, first: int, n: int) -> NDArray[np.float64]:
        blocks = []
        for j, kind in enumerate(self._kinds):
            kind.grow_events(self._events.capacity)
            kind.place(self._events, j, first, n)
        for j, (name, kind) in enumerate(zip(self.entities, self._kinds, strict=True)):
            read = kind.advance(self._events, j, first, n, self._windows, self._delay)
            blocks.append(_columns(read, _aggregates(self.spec, name)))
        return np.hstack(blocks)


@dataclass(frozen=True, slots=True)
class _Read:
    """What the kernel read: [n, w] each, since_last [n]."""

    count: NDArray[np.int64]
    total: NDArray[np.int64]
    distinct: NDArray[np.int64]
    since: NDArray[np.float64]
    delayed: NDArray[np.int64]
    frauds: NDArray[np.int64]


class _Events:
    """Every transaction held, in arrival order, and a table from its hash to its place."""

    def __init__(self, kinds: int, capacity: int) -> None:
        self.count = 0
        self.capacity = 0
        self.tx_hash = np.zeros(0, np.uint64)
        self.event_time = np.zeros(0, np.int64)
        self.amount = np.zeros(0, np.int64)
        self.known_at = np.zeros(0, np.int64)
        self.labelled_at = np.zeros(0, np.int64)
        self.keys = np.zeros((0, kinds), np.uint64)
        self.entity = [np.zeros(0, np.int64) for _ in range(kinds)]
        self._key = np.zeros(0, np.uint64)
        self._value = np.zeros(0, np.int64)
        self.grow(capacity)

    @property
    def nbytes(self) -> int:
        arrays = (self.tx_hash, self.event_time, self.amount, self.known_at, self.labelled_at, self.keys)
        return sum(a.nbytes for a in (*arrays, *self.entity, self._key, self._value))

    def grow(self, wanted: int) -> None:
        if wanted <= self.capacity:
            return
        self.capacity = max(wanted, 2 * self.capacity)
        for name, fill in (
            ("tx_hash", 0),
            ("event_time", 0),
            ("amount", 0),
            ("known_at", NEVER),
            ("labelled_at", -NEVER),
        ):
            setattr(self, name, _grown(getattr(self, name), self.capacity, fill))
        self.keys = np.vstack([self.keys, np.zeros((self.capacity - len(self.keys), self.keys.shape[1]), np.uint64)])
        self.entity = [_grown(e, self.capacity, NONE) for e in self.entity]
        self._key, self._value = _larger_table(self._key, self._value, self.capacity)

    def append(
        self, tx_hash: NDArray[Any], event_time: NDArray[Any], amount: NDArray[Any], entities: NDArray[Any]
    ) -> NDArray[np.uint8]:
        status, self.count = kernels.append_events(
            tx_hash, event_time, amount, entities, self.tx_hash, self.event_time, self.amount, self.keys,
            self._key, self._value, self.count,
        )  # fmt: skip
        return np.asarray(status)

    def find(self, tx_hash: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.asarray(kernels.look_up(self._key, self._value, tx_hash))

    def mark(self, event: int, time: int, fraud: bool) -> None:
        if time >= self.labelled_at[event]:
            self.labelled_at[event] = time
            self.known_at[event] = time if fraud else NEVER

    def columns(self) -> dict[str, NDArray[np.generic]]:
        n = self.count
        return {
            "tx_hash": self.tx_hash[:n].copy(),
            "event_time": self.event_time[:n].copy(),
            "amount": self.amount[:n].copy(),
            "known_at": self.known_at[:n].copy(),
            "labelled_at": self.labelled_at[:n].copy(),
            "entities": self.keys[:n].copy(),
        }


class _Kind:
    """The windows of one kind of entity."""

    def __init__(self, windows: int) -> None:
        self._w = windows
        self.live = 0
        self._key, self._value = np.zeros(1024, np.uint64), np.full(1024, NONE, np.int64)
        self.prev = np.zeros(0, np.int64)
        self.next = np.zeros(0, np.int64)
        self.same_prev = np.zeros(0, np.int64)
        self.same_next = np.zeros(0, np.int64)
        self.has_pair = np.zeros(0, np.bool_)
        self._pair_key, self._pair_last = np.zeros(1024, np.uint64), np.full(1024, NONE, np.int64)
        self.fraud_next = np.zeros(0, np.int64)
        self.in_frauds = np.zeros(0, np.bool_)
        self.newest = np.zeros(0, np.int64)
        self.oldest = np.zeros(0, np.int64)
        self.fraud_head = np.zeros(0, np.int64)
        self.delayed_head = np.zeros(0, np.int64)
        self.tail = np.zeros((0, windows), np.int64)
        self.count = np.zeros((0, windows), np.int64)
        self.total = np.zeros((0, windows), np.int64)
        self.distinct = np.zeros((0, windows), np.int64)
        self.delayed_tail = np.zeros((0, windows), np.int64)
        self.delayed_count = np.zeros((0, windows), np.int64)

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in vars(self).values() if isinstance(a, np.ndarray))

    def grow_events(self, capacity: int) -> None:
        if len(self.prev) >= capacity:
            return
        self._pair_key, self._pair_last = _larger_table(self._pair_key, self._pair_last, capacity)
        for name in ("prev", "next", "same_prev", "same_next", "fraud_next"):
            setattr(self, name, _grown(getattr(self, name), capacity, NONE))
        self.in_frauds = _grown(self.in_frauds, capacity, False)
        self.has_pair = _grown(self.has_pair, capacity, False)

    def place(self, events: _Events, j: int, first: int, n: int) -> None:
        """Number the entities of new events, and make room for the new ones."""
        if 2 * (self.live + n) > len(self._key):
            self._key, self._value = _larger_table(self._key, self._value, self.live + n)
        keys = events.keys[first : first + n, j]
        events.entity[j][first : first + n], self.live = kernels.insert_keys(self._key, self._value, keys, self.live)
        if self.live > len(self.newest):
            size = max(self.live, 2 * len(self.newest), 1024)
            for name in ("newest", "oldest", "fraud_head", "delayed_head"):
                setattr(self, name, _grown(getattr(self, name), size, NONE))
            for name, fill in (
                ("tail", NONE),
                ("delayed_tail", NONE),
                ("count", 0),
                ("total", 0),
                ("distinct", 0),
                ("delayed_count", 0),
            ):
                setattr(self, name, _grown(getattr(self, name), size, fill))

    def advance(self, events: _Events, j: int, first: int, n: int, windows: NDArray[np.int64], delay: int) -> _Read:
        ints = [np.zeros((n, self._w), np.int64) for _ in range(5)]
        since = np.full(n, np.nan)
        other = _counterpart(j, len(events.entity))
        rows = slice(first, first + n)
        counterpart = events.entity[other][rows] if other is not None else np.full(n, NONE, np.int64)
        kernels.advance(
            first, events.entity[j][rows], counterpart, events.event_time, events.amount, events.known_at, self.prev,
            self.next, self.same_prev, self.same_next, self.has_pair, self._pair_key, self._pair_last, self.newest,
            self.oldest, self.tail, self.count, self.total, self.distinct, self.delayed_head, self.delayed_tail,
            self.delayed_count, self.fraud_head, self.fraud_next, windows, delay, ints[0], ints[1], ints[2], since,
            ints[3], ints[4],
        )  # fmt: skip
        return _Read(ints[0], ints[1], ints[2], since, ints[3], ints[4])

    def add_fraud(self, event: int, entity: int) -> None:
        """Put an event on its entity's list of frauds; whether it still counts is `known_at`'s to say."""
        if entity != NONE and not self.in_frauds[event]:
            self.in_frauds[event] = True
            self.fraud_next[event], self.fraud_head[entity] = self.fraud_head[entity], event


def _columns(read: _Read, aggregates: tuple[Aggregate, ...]) -> NDArray[np.float64]:
    total = read.total / MICRO
    values = {
        "count": read.count.astype(np.float64),
        "sum": total,
        "mean": total / np.maximum(read.count, 1),
        "distinct": read.distinct.astype(np.float64),
        "since_last": read.since[:, None],
        "delayed_count": read.delayed.astype(np.float64),
        "fraud_share": read.frauds / np.maximum(read.delayed, 1),
    }
    return np.hstack([values[a] for a in aggregates])


def _counterpart(kind: int, kinds: int) -> int | None:
    """Whom an entity meets: the key meets the second kind, every other kind meets the key."""
    if kinds == 1:
        return None
    return 1 if kind == 0 else 0


def _aggregates(spec: WindowSpec, entity: str) -> tuple[Aggregate, ...]:
    return spec.entities.get(entity, ALL) if spec.entities else ALL


def _grown(array: NDArray[Any], size: int, fill: object) -> NDArray[Any]:
    larger = np.full((size, *array.shape[1:]), fill, array.dtype)
    larger[: len(array)] = array
    return larger


def _larger_table(key: NDArray[Any], value: NDArray[Any], entries: int) -> tuple[NDArray[Any], NDArray[Any]]:
    size = 1 << max(10, (2 * entries + 1).bit_length())
    if size <= len(key):
        return key, value
    new_key, new_value = np.zeros(size, np.uint64), np.full(size, NONE, np.int64)
    kernels.rehash(key, value, new_key, new_value)
    return new_key, new_value

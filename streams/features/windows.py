"""Exact windows over event time, per entity, kept incrementally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streams.errors import StreamsError
from streams.features import columns, kernels, store
from streams.features.spec import WindowSpec

AMOUNT_MAX = 9e12  # as whole millionths an int64
MAX_EVENTS = 1 << 30
DAY_MS = 86_400_000


class AmountError(StreamsError):
    """An amount that can't be summed exactly."""

    def __init__(self, found: float) -> None:
        super().__init__(found)

    def __str__(self) -> str:
        return f"amount: found {self.args[0]}, allowed: finite, up to {AMOUNT_MAX:g} either way"


@dataclass(frozen=True, slots=True)
class LabelEvents:
    """m labels.

    Attributes:
        tx_hash: uint64[m].
        event_time: int64[m], when each became known, ms UTC.
        is_fraud: bool[m].
        after: int64[m], how many of the rows that they come with arrived before each; None: all of them are there
            from the first row on.
    """

    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    after: NDArray[np.int64] | None = None


NO_LABELS = LabelEvents(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Update:
    """What a batch came to.

    Attributes:
        features: float64[n, d]; NaN in the rows of duplicates, and where a row lacks the entity.
        status: uint8[n], 0 taken, 1 duplicate.
        labels_found: bool[m], whether each label's transaction was held when the label acted.
    """

    features: NDArray[np.float64]
    status: NDArray[np.uint8]
    labels_found: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def float32(self) -> NDArray[np.float32]:
        """The features as agents take them: counts stay exact up to 2^24."""
        return self.features.astype(np.float32)


class FeatureState:
    """Windows `(t - w, t]` of every entity, each transaction's own included, over what had arrived before it.

    A late transaction gets the values of its own time, and joins the windows of those that come after it. Delayed
    windows are `(t - delay - w, t - delay]`; a fraud counts in them from the time of its label on. Sums are over
    whole millionths, so they depend on no order.

    A transaction is forgotten once it is older than the longest window, the label delay and the lateness together,
    measured from the newest event time. Where there are more than `max_events` the one that arrived first goes and is
    counted in `evicted`.

    Args:
        spec: windows and aggregates.
        entities: names, in the order of the columns that `update` gets; the first is the primary one.
        lateness_ms: how far behind the newest event time a transaction may be and still get exact values; how late
            the stream lets it come and how far ahead of time another may be, together.
        capacity: events to make room for at first.
        max_events: bound of memory.

    Raises:
        SpecError: the windows don't fit the entities.
    """

    def __init__(
        self,
        spec: WindowSpec,
        entities: tuple[str, ...],
        lateness_ms: int = 8 * DAY_MS,
        capacity: int = 1024,
        max_events: int = MAX_EVENTS,
    ) -> None:
        columns.check(spec, entities)
        self.spec, self.entities = spec, entities
        self.names = columns.feature_names(spec, entities)
        self._plan = columns.plan(spec, entities)
        self._rules = columns.rules(spec, entities, lateness_ms, max_events)
        self._store = store.empty_store(self._rules, min(capacity, max_events))

    @property
    def kinds(self) -> NDArray[np.int64]:
        """int64[d], of each feature the place of its entity among `entities`."""
        return self._plan[:, 0]

    @property
    def events(self) -> int:
        """Transactions held."""
        return int(self._store.state[kernels.LIVE])

    @property
    def entities_live(self) -> int:
        """Entities of any kind with a transaction held."""
        return int(self._store.state[kernels.ENTITIES])

    @property
    def evicted(self) -> int:
        """Transactions forgotten before their time, for want of room."""
        return int(self._store.state[kernels.EVICTED])

    @property
    def stale(self) -> int:
        """Transactions that came later than `lateness_ms`: their longest windows may reach behind what is held."""
        return int(self._store.state[kernels.STALE])

    @property
    def memory_bytes(self) -> int:
        """Of all arrays."""
        return store.memory_bytes(self._store)

    def update(
        self,
        tx_hash: ArrayLike,
        event_time: ArrayLike,
        amount: ArrayLike,
        entities: ArrayLike,
        labels: LabelEvents | None = None,
    ) -> Update:
        """Take transactions in arrival order, and read each one's features.

        A label acts as soon as a row has brought the newest event time to its own, before that row is read; labels
        ahead of every row act after the last. So the values don't depend on how a stream is cut into batches.

        Args:
            tx_hash: uint64[n].
            event_time: int64[n], ms UTC.
            amount: float64[n].
            entities: uint64[n, e]; 0 where there is none.
            labels: that arrived with these rows.

        Raises:
            AmountError: an amount is not finite, or too large.
        """
        hashes = np.array(tx_hash, np.uint64)
        n = len(hashes)
        told = labels or NO_LABELS
        first_row = self._first_rows(np.asarray(event_time, np.int64), told)
        order = np.lexsort((told.event_time, first_row))
        acted = np.zeros(len(order), np.bool_)
        features, status = np.full((n, len(self.names)), np.nan), np.zeros(n, np.uint8)
        micros = _micros(np.asarray(amount, np.float64))
        self._store = store.with_room(self._store, self._rules, n)
        kernels.take_events(
            self._store, self._rules, hashes, np.array(event_time, np.int64), micros,
            np.array(entities, np.uint64, order="C").reshape(n, len(self.entities)),
            told.tx_hash[order].astype(np.uint64), told.event_time[order].astype(np.int64),
            told.is_fraud[order].astype(np.bool_), first_row[order], self._plan, features, status, acted,
        )  # fmt: skip
        found = np.empty_like(acted)
        found[order] = acted
        return Update(features, status, found)

    def _first_rows(self, event_time: NDArray[np.int64], labels: LabelEvents) -> NDArray[np.int64]:
        """int64[m], the first row that each label may act before: it is there, and no older than the newest row."""
        newest = np.maximum.accumulate(np.maximum(event_time, self._store.state[kernels.NEWEST_TIME]))
        due = np.searchsorted(newest, labels.event_time)
        return due if labels.after is None else np.maximum(due, labels.after)

    def read(self, tx_hash: ArrayLike) -> NDArray[np.float64]:
        """The features of transactions that are held, over all that has arrived by now, late ones included.

        Args:
            tx_hash: uint64[n].

        Returns:
            float64[n, d]; NaN in the rows of transactions that aren't held.
        """
        hashes = np.array(tx_hash, np.uint64)
        features = np.full((len(hashes), len(self.names)), np.nan)
        kernels.read_events(self._store, self._rules, hashes, self._plan, features)
        return features

    def label(self, tx_hash: ArrayLike, event_time: ArrayLike, is_fraud: ArrayLike) -> NDArray[np.bool_]:
        """Mark transactions at once, in the order given; a label as new as the last one taken supersedes it.

        Args:
            tx_hash: uint64[m].
            event_time: int64[m], when each label became known, ms UTC: a fraud counts from then on.
            is_fraud: bool[m].

        Returns:
            bool[m]: the transaction is held.
        """
        hashes = np.array(tx_hash, np.uint64)
        found = np.zeros(len(hashes), np.bool_)
        times, frauds = np.array(event_time, np.int64), np.array(is_fraud, np.bool_)
        kernels.take_labels(self._store, self._rules, hashes, times, frauds, found)
        return found

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Copies of everything held, as plain arrays."""
        return store.pack(self._store)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take a snapshot in place of what is held, and go on from it bit for bit."""
        self._store = store.unpack(arrays, self._rules, 0, 0)


def _micros(amount: NDArray[np.float64]) -> NDArray[np.int64]:
    refused = ~(np.abs(amount) <= AMOUNT_MAX)
    if refused.any():
        raise AmountError(float(amount[refused][0]))
    return np.rint(amount * kernels.MICRO).astype(np.int64)

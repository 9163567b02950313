"""A fraud stream as every method sees it: the same features, days, delay and label rule; and a sample of its cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.handbook_data import DAY_MS, scattered
from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState, LabelEvents

BATCH = 2048
LATENESS_MS = 8 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Rows in the order of event time.

    Attributes:
        name: of the stream.
        names: of the features.
        categorical: names of those that hold codes.
        x: float32[n, d].
        fraud: bool[n].
        day: int64[n], from 0.
        event_time: int64[n], ms UTC.
        amount: float64[n].
        entities: uint64[n] per entity, the customer or card first.
        delay_days: labels of a day are known when so many days have passed after it.
        first_day: the first day that is scored.
        changes: days on which fraud changes, where they are known.
        budget: alerts a day.
        window_days: of closed cohorts that a training looks at, of every method.
        customers_a_day: k of card precision: 100, and on a sample its share of them.
        share: of the stream's cards that are here.
    """

    name: str
    names: tuple[str, ...]
    categorical: tuple[str, ...]
    x: NDArray[np.float32]
    fraud: NDArray[np.bool_]
    day: NDArray[np.int64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    entities: dict[str, NDArray[np.uint64]]
    delay_days: int
    first_day: int
    changes: tuple[int, ...] = ()
    budget: int = 100
    window_days: int = 28
    customers_a_day: int = 100
    share: float = 1.0

    @property
    def last_day(self) -> int:
        """Of the stream."""
        return int(self.day[-1])

    @property
    def card(self) -> NDArray[np.uint64]:
        """Of each row: the primary entity."""
        return next(iter(self.entities.values()))

    @property
    def scored(self) -> NDArray[np.intp]:
        """Rows that count in the figures."""
        return np.flatnonzero(self.day >= self.first_day)

    def rows(self, day: int) -> slice:
        """Of one day."""
        return slice(int(np.searchsorted(self.day, day)), int(np.searchsorted(self.day, day + 1)))

    def known(self, morning: int) -> slice:
        """Rows of the newest window whose cohorts have closed by a morning."""
        end = max(morning - self.delay_days, 0)
        return slice(self.rows(max(end - self.window_days, 0)).start, self.rows(end).start)

    def sampled(self, share: float) -> History:
        """The same stream of a random share of the cards, its features as on the whole; budgets shrink along."""
        if share >= 1.0:
            return self
        kept = np.flatnonzero((self.card >> np.uint64(20)) % np.uint64(10_000) < np.uint64(round(10_000 * share)))
        return replace(
            self,
            x=self.x[kept],
            fraud=self.fraud[kept],
            day=self.day[kept],
            event_time=self.event_time[kept],
            amount=self.amount[kept],
            entities={name: ids[kept] for name, ids in self.entities.items()},
            budget=max(round(self.budget * share), 1),
            customers_a_day=max(round(self.customers_a_day * share), 1),
            share=share,
        )


def with_windows(
    spec: WindowSpec,
    ids: dict[str, NDArray[np.int64]],
    event_time: NDArray[np.int64],
    amount: NDArray[np.float64],
    fraud: NDArray[np.bool_],
    delay_days: int,
) -> tuple[tuple[str, ...], NDArray[np.float32], dict[str, NDArray[np.uint64]]]:
    """Names of the exact windows, their values, and the entities' keys; each fraud is known after the delay."""
    tx_hash = scattered(np.arange(len(event_time)))
    known_at = event_time[fraud] + delay_days * DAY_MS
    labels = LabelEvents(tx_hash[fraud], known_at, np.ones(len(known_at), np.bool_))
    entities = {name: scattered(values.astype(np.int64)) for name, values in ids.items()}
    keys = np.column_stack(list(entities.values()))
    state = FeatureState(spec, tuple(ids), lateness_ms=LATENESS_MS)
    out, told = np.empty((len(event_time), len(state.names)), np.float32), 0
    for begin in range(0, len(event_time), BATCH):
        rows = slice(begin, min(begin + BATCH, len(event_time)))
        due = int(np.searchsorted(known_at, event_time[rows.stop - 1], side="right"))
        new = LabelEvents(labels.tx_hash[told:due], labels.event_time[told:due], labels.is_fraud[told:due])
        told = due
        out[rows] = state.update(tx_hash[rows], event_time[rows], amount[rows], keys[rows], new).float32()
    return tuple(state.names), out, entities


def codes(values: Sequence[object]) -> NDArray[np.int64]:
    """Words as numbers from 1; a missing word is 0."""
    known = {word: i for i, word in enumerate(sorted({str(v) for v in values if v is not None}), 1)}
    return np.array([0 if v is None else known[str(v)] for v in values], np.int64)

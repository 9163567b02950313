"""Records of several partitions in one order, which depends on the records alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.kafka.source import Place, Record


class Moment(NamedTuple):
    """A place in the order: a partition's largest timestamp so far, then kind of topic, partition and offset."""

    timestamp: int
    rank: int
    partition: int
    offset: int


BEGINNING, END = Moment(-1, -1, -1, -1), Moment(2**62, 0, 0, 0)


@dataclass(slots=True)
class Timeline:
    """Holds records until nothing that belongs before them can come any more.

    A partition that has been read to its end doesn't hold the others up: what comes to it later takes its place then.
    The same rule as Kafka Streams' `max.task.idle.ms = 0`.

    Args:
        ranks: of each topic, for equal timestamps; the smaller comes first.
        places: partitions that are read.
    """

    ranks: Mapping[str, int]
    places: Sequence[Place]
    _records: list[Record] = field(default_factory=list)
    _moments: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    _last: dict[Place, Moment] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._records)

    def offer(self, records: Sequence[Record]) -> None:
        """Take records in, each partition's in the order of its offsets."""
        moments = np.empty((len(records), 4), np.int64)
        for i, record in enumerate(records):
            place = (record.topic, record.partition)
            newest = max(record.timestamp, self._last.get(place, BEGINNING).timestamp)
            self._last[place] = at = Moment(newest, self.ranks[record.topic], record.partition, record.offset)
            moments[i] = at
        self._records.extend(records)
        self._moments = np.concatenate([self._moments, moments])

    def take(self, ended: Collection[Place], most: int) -> Taken:
        """The next records in order, at most so many.

        Args:
            ended: partitions that have been read to their present end.
            most: records.
        """
        until = min((self._last.get(p, BEGINNING) for p in self.places if p not in ended), default=END)
        order = sorted_moments(self._moments)
        ready = order[: count_up_to(self._moments[order], until)]
        if len(ready) > most:
            ready = ready[:most]
            until = Moment(*self._moments[ready[-1]].tolist())
        taken = Taken([self._records[i] for i in ready.tolist()], self._moments[ready], until)
        left = np.setdiff1d(np.arange(len(self._records)), ready, assume_unique=True)
        self._records, self._moments = [self._records[i] for i in left.tolist()], self._moments[left]
        return taken


class Taken(NamedTuple):
    """Records in order, int64[n, 4] their moments, and the moment that nothing to come lies before."""

    records: list[Record]
    moments: NDArray[np.int64]
    until: Moment


def sorted_moments(moments: NDArray[np.int64]) -> NDArray[np.intp]:
    """intp[n], the order of n moments int64[n, 4]."""
    return np.lexsort(moments.T[::-1])


def count_up_to(ordered: NDArray[np.int64], until: Moment) -> int:
    """How many of n moments int64[n, 4], ascending, are not behind another."""
    return bisect_right(range(len(ordered)), until, key=lambda i: Moment(*ordered[i].tolist()))


def rows_before(ordered: NDArray[np.int64], moments: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[m], before each of m moments, so many of n moments int64[n, 4], ascending."""
    return np.array([count_up_to(ordered, Moment(*m)) for m in moments.tolist()], np.int64)

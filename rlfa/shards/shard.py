"""One shard: the windows of its share of the entities, over the rows of every lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.features.windows import FeatureState, LabelEvents
from streams.kafka.source import Place
from streams.kafka.timeline import Moment


class Arrived(NamedTuple):
    """n transactions of one lane, in the order in which it took them.

    Attributes:
        partition: int32[n], of the topic.
        offset: int64[n].
        tx_hash: uint64[n].
        event_time: int64[n], ms UTC.
        amount: float64[n].
        keys: uint64[n, e], 0 where the row has no such entity, or another shard keeps it.
    """

    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    keys: NDArray[np.uint64]

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Arrived:
        """Some of them."""
        return Arrived(
            self.partition[rows], self.offset[rows], self.tx_hash[rows], self.event_time[rows], self.amount[rows],
            self.keys[rows],
        )  # fmt: skip


def nothing_arrived(entities: int) -> Arrived:
    """No rows."""
    none = np.zeros(0, np.int64)
    return Arrived(
        none.astype(np.int32), none, none.astype(np.uint64), none, np.zeros(0), np.zeros((0, entities), np.uint64)
    )


class Order(NamedTuple):
    """Where a lane's rows and labels belong among each other, and among those of other lanes.

    Attributes:
        lane: its number.
        rows: int64[n, 4], the moment of each row, see `streams.kafka.timeline.Moment`; ascending.
        labels: int64[m, 4], of each label; ascending.
        until: nothing that the lane brings later lies before it.
    """

    lane: int
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    until: Moment


class Ask(NamedTuple):
    """What a lane tells one shard.

    Attributes:
        rows: with an entity that the shard keeps.
        labels: of rows that the lane holds, this shard's or not.
        reached: per topic and partition the first offset that the lane hasn't told of yet, refused records and all.
    """

    rows: Arrived
    labels: LabelEvents
    reached: Mapping[Place, int]


@dataclass(slots=True)
class Shard:
    """Windows that remember how far they have come in each partition, so that what comes again changes nothing.

    Args:
        state: of the kinds of entities that shards keep.
        reached: see `Ask`, over all lanes.
    """

    state: FeatureState
    reached: dict[Place, int] = field(default_factory=dict)

    def take(self, ask: Ask) -> NDArray[np.float32]:
        """Take rows and labels of one lane, and read the rows' features.

        A lane that died between its ask and its commit asks again, perhaps in other batches: such rows are read, and
        not taken twice. Labels may come again as they like.

        Returns:
            float32[n, d]; NaN for entities that aren't here.
        """
        rows = ask.rows
        is_new = np.ones(len(rows.offset), np.bool_)
        for place in ask.reached:
            is_new &= (rows.partition != place[1]) | (rows.offset >= self.reached.get(place, 0))
        self.told(ask.reached)
        fresh = rows.at(is_new)
        updated = self.state.update(fresh.tx_hash, fresh.event_time, fresh.amount, fresh.keys, ask.labels)
        features = np.empty((len(rows.offset), len(self.state.names)))
        features[is_new] = updated.features
        again = ~is_new
        again[is_new] = updated.status == 1  # the same id in another lane's partition
        features[again] = self.state.read(rows.tx_hash[again])
        return features.astype(np.float32)

    def told(self, reached: Mapping[Place, int]) -> None:
        """Remember how far a lane has come."""
        self.reached |= {place: max(offset, self.reached.get(place, 0)) for place, offset in reached.items()}

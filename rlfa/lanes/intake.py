"""Records to features: codecs, windows and waiting labels, the same for lanes, history and backtests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlfa.config import Service
from rlfa.hosts.scoring import Features
from rlfa.lanes.watermarks import OK, TOO_FAR_AHEAD, TOO_OLD, Watermarks
from rlfa.outcomes.journal import LabelRows
from rlfa.outcomes.labels import LabelQueue, Waiting
from rlfa.shards.shard import Arrived, Order, nothing_arrived
from rlfa.shards.split import every_state, lane_state, used_kinds
from rlfa.shards.windows import SharedWindows
from streams.codec import LabelCodec, Labels, TransactionCodec, Transactions, raw_feature_names, raw_features
from streams.dead_letters import (
    DUPLICATE_ID,
    EVENT_TIME_TOO_FAR_AHEAD,
    EVENT_TIME_TOO_OLD,
    UNKNOWN_TRANSACTION,
    DeadLetter,
)
from streams.features.windows import NO_LABELS, FeatureState, LabelEvents
from streams.kafka.sink import Lap
from streams.kafka.source import Place, Record, next_offsets
from streams.kafka.timeline import BEGINNING, END, rows_before
from streams.spec import StreamSpec

DUPLICATE = 3  # beside the watermarks' verdicts
NOWHERE: Mapping[Place, int] = MappingProxyType({})


def intake_of(service: Service, shared: SharedWindows | None = None) -> Intake:
    """A fresh intake from the settings.

    Args:
        service: settings.
        shared: keeps the windows of all entities but the topic's key.
    """
    spec = service.spec
    return Intake(
        spec=spec,
        transactions=TransactionCodec(spec, spec.hmac_key()),
        labels=LabelCodec(),
        state=lane_state(spec) if shared else every_state(spec),
        watermarks=Watermarks(lateness_max_ms=spec.lateness_max_ms, ahead_max_ms=spec.ahead_max_ms),
        queue=LabelQueue(patience_ms=spec.lateness_max_ms),
        shared=shared,
    )


@dataclass(frozen=True, slots=True)
class Absorbed:
    """A batch that the feature state has taken in.

    Attributes:
        transactions: n accepted rows, in the order in which they were taken.
        features: float32[n, d].
        labels: as read, for the journal.
        dead: records refused, with reasons.
    """

    transactions: Transactions
    features: Features
    labels: LabelRows
    dead: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Taken:
    """What the feature state made of n rows.

    Attributes:
        verdict: uint8[n], see `rlfa.lanes.watermarks`, or `DUPLICATE`.
        kept: intp[k], the rows taken in, in the order in which they were.
        windows: float32[k, w], their window features.
        given_up: labels whose transaction never came.
    """

    verdict: NDArray[np.uint8]
    kept: NDArray[np.intp]
    windows: Features
    given_up: list[Waiting]


class News(NamedTuple):
    """What comes with n rows.

    Attributes:
        reached: per partition the offset after the batch's last, refused records and all.
        order: of the rows and of the labels that are new; None: rows go by event time.
        labels: the new ones.
    """

    reached: Mapping[Place, int] = NOWHERE
    order: Order | None = None
    labels: Labels | None = None


NOTHING_NEW = News()


@dataclass(slots=True)
class Intake:
    """Records to features: everything a lane keeps that a snapshot has to bring back.

    Args:
        spec: of the stream.
        transactions: codec.
        labels: codec.
        state: exact windows; of the topic's key alone where `shared` is given.
        watermarks: event time per partition.
        queue: labels that wait.
        shared: the windows of all other entities, where several lanes have them in common.
    """

    spec: StreamSpec
    transactions: TransactionCodec
    labels: LabelCodec
    state: FeatureState
    watermarks: Watermarks
    queue: LabelQueue
    shared: SharedWindows | None = None
    feature_names: tuple[str, ...] = field(init=False)
    _used: NDArray[np.bool_] = field(init=False)
    """Of each kind of entity, whether `state` needs its keys."""

    def __post_init__(self) -> None:
        self._used = used_kinds(self.state)
        shared = self.shared.names if self.shared else ()
        self.feature_names = (*raw_feature_names(self.spec), *self.state.names, *shared)

    def absorb(
        self,
        records: Sequence[Record],
        label_records: Sequence[Record],
        lap: Lap = bool,
        order: Order | None = None,
    ) -> Absorbed:
        """Decode a batch, refuse what can't be read, and take the rest into the feature state.

        Args:
            records: of transactions.
            label_records: of labels.
            lap: told when the batch is decoded, and when its features are there.
            order: of the records; without it transactions go by event time, and labels come first.

        Raises:
            ShardError: the shared windows are away.
        """
        labels, dead = self.labels.decode(label_records)
        by_label_place = {(r.partition, r.offset): r for r in label_records}
        places = zip(labels.partition.tolist(), labels.offset.tolist(), strict=True)
        self.queue.add(labels, [by_label_place[place] for place in places])
        decoded, unread = self.transactions.decode(records)
        lap("decode")
        arrived = Arrived(
            decoded.partition, decoded.offset, decoded.tx_hash, decoded.event_time, decoded.amount, decoded.entities
        )
        reached = next_offsets(records) if self.shared else NOWHERE
        taken = self.take(arrived, News(reached, order and _of_the_readable(order, arrived, labels), labels))
        by_place = {(r.partition, r.offset): r for r in records} if (taken.verdict != OK).any() else {}
        dead += unread
        dead += _refused(decoded, taken.verdict == TOO_OLD, EVENT_TIME_TOO_OLD, by_place)
        dead += _refused(decoded, taken.verdict == TOO_FAR_AHEAD, EVENT_TIME_TOO_FAR_AHEAD, by_place)
        dead += _refused(decoded, taken.verdict == DUPLICATE, DUPLICATE_ID, by_place)
        dead += [DeadLetter(label.record, UNKNOWN_TRANSACTION) for label in taken.given_up]
        kept = decoded.take(taken.kept)
        features = np.hstack([raw_features(kept, self.spec), taken.windows])
        lap("features")
        return Absorbed(kept, features, _label_rows(labels), dead)

    def take(self, arrived: Arrived, news: News = NOTHING_NEW) -> Taken:
        """Take rows into the feature state, with the labels that are due by then.

        Args:
            arrived: n rows.
            news: what comes with them.

        Raises:
            ShardError: the shared windows are away.
        """
        verdict, order = self.watermarks.admit(arrived.partition, arrived.event_time), news.order
        rows = np.flatnonzero(verdict == OK)
        if order is None:  # partitions interleave by chance; event-time order is what shared entities' windows want
            rows = rows[np.argsort(arrived.event_time[rows], kind="stable")]
        now = arrived.at(rows)
        due = self.queue.due(self.watermarks.by_partition, in_order=order is not None)
        told = _label_events(due)
        if order:
            told = replace(told, after=rows_before(order.rows[rows], _moments(due, news.labels, order)))
        keys = np.where(self._used, now.keys, np.uint64(0)) if self.shared else now.keys
        updated = self.state.update(now.tx_hash, now.event_time, now.amount, keys, told)
        is_duplicate = updated.status == 1
        verdict[rows[is_duplicate]] = DUPLICATE
        found = updated.labels_found
        found[~found] = self._apply([label for label, is_found in zip(due, found, strict=True) if not is_found])
        unknown = [label for label, is_found in zip(due, found, strict=True) if not is_found]
        given_up = self.queue.unmatched(unknown, self.watermarks.by_partition)
        own = updated.features[~is_duplicate].astype(np.float32)
        known = [label for label, is_found in zip(due, found, strict=True) if is_found]
        kept = rows[~is_duplicate]
        return Taken(
            verdict, kept, np.hstack([own, self._shared_windows(arrived.at(kept), kept, known, news)]), given_up
        )

    def idle(self, lane: int) -> None:
        """Tell the shards that this lane has taken all there is: nobody waits for it."""
        if self.shared:
            nothing = np.zeros((0, 4), np.int64)
            rows = nothing_arrived(len(self.spec.entities))
            self.shared.take(rows, NO_LABELS, NOWHERE, Order(lane, nothing, nothing, END))

    def settle(self) -> None:
        """Mark the transactions of every label that waits: each counts from the time at which it became known."""
        waiting = self.queue.drained()
        found = self._apply(waiting)
        known = [label for label, is_found in zip(waiting, found, strict=True) if is_found]
        none = nothing_arrived(len(self.spec.entities))
        self._shared_windows(none, np.zeros(0, np.intp), known, NOTHING_NEW)

    def _shared_windows(self, rows: Arrived, kept: NDArray[np.intp], known: Sequence[Waiting], news: News) -> Features:
        """The shared windows of rows, after these and the labels whose transactions are held.

        In order a shard is told of a label when it arrives, and once more when it is due, should its transaction have
        come later.
        """
        if self.shared is None:
            return np.empty((len(rows.offset), 0), np.float32)
        if news.order is None or news.labels is None:
            return self.shared.take(rows, _label_events(known), news.reached)
        new, order = news.labels, news.order
        fresh = set(zip(new.partition.tolist(), new.offset.tolist(), strict=True))
        older = _label_events([label for label in known if (label.partition, label.offset) not in fresh])
        labels = LabelEvents(
            np.concatenate([older.tx_hash, new.tx_hash]),
            np.concatenate([older.event_time, new.event_time]),
            np.concatenate([older.is_fraud, new.is_fraud]),
        )
        moments = np.vstack([np.tile(np.array(BEGINNING), (len(older.tx_hash), 1)), order.labels])
        return self.shared.take(rows, labels, news.reached, order._replace(rows=order.rows[kept], labels=moments))

    def _apply(self, labels: Sequence[Waiting]) -> NDArray[np.bool_]:
        """Mark the labels' transactions, some of which may have come after them; whether each is held."""
        events = _label_events(labels)
        return self.state.label(events.tx_hash, events.event_time, events.is_fraud)


def _of_the_readable(order: Order, rows: Arrived, labels: Labels) -> Order:
    """The order without the records that couldn't be read."""
    return order._replace(
        rows=order.rows[_among(order.rows, rows.partition, rows.offset)],
        labels=order.labels[_among(order.labels, labels.partition, labels.offset)],
    )


def _among(moments: NDArray[np.int64], partition: NDArray[np.int32], offset: NDArray[np.int64]) -> list[int]:
    at = {(p, o): i for i, (_, _, p, o) in enumerate(moments.tolist())}
    return [at[place] for place in zip(partition.tolist(), offset.tolist(), strict=True)]


def _moments(due: Sequence[Waiting], new: Labels | None, order: Order) -> NDArray[np.int64]:
    """int64[m, 4], of each due label its moment where it is new, else the beginning."""
    at: dict[tuple[int, int], list[int]] = {}
    if new is not None:
        places = zip(new.partition.tolist(), new.offset.tolist(), strict=True)
        at = dict(zip(places, order.labels.tolist(), strict=True))
    found = [at.get((label.partition, label.offset), list(BEGINNING)) for label in due]
    return np.array(found, np.int64).reshape(-1, 4)


def _refused(
    rows: Transactions, refused: NDArray[np.bool_], reason: str, records: dict[tuple[int, int], Record]
) -> list[DeadLetter]:
    at = np.flatnonzero(refused)
    places = zip(rows.partition[at].tolist(), rows.offset[at].tolist(), strict=True)
    return [DeadLetter(records[place], reason) for place in places]


def _label_rows(labels: Labels) -> LabelRows:
    return LabelRows(labels.tx_hash, labels.event_time, labels.is_fraud, labels.source)


def _label_events(labels: Sequence[Waiting]) -> LabelEvents:
    return LabelEvents(
        np.array([label.tx_hash for label in labels], np.uint64),
        np.array([label.event_time for label in labels], np.int64),
        np.array([label.is_fraud for label in labels], np.bool_),
    )

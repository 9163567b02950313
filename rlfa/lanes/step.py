"""A batch in, decisions out, no I/O: decode, features, scores, actions, reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rlfa.hosts.scoring import Features, Host, HostError
from rlfa.lanes.watermarks import TOO_FAR_AHEAD, TOO_OLD, Watermarks
from rlfa.lineup.actions import ACTIONS, choose, combine
from rlfa.lineup.reasons import strongest
from rlfa.lineup.slots import Lineup
from rlfa.outcomes.journal import Columns, DecisionRows, LabelRows
from rlfa.outcomes.labels import LabelQueue, Waiting
from rlfa.rewards.money import Costs
from streams.codec import (
    Decision,
    LabelCodec,
    Labels,
    Reason,
    TransactionCodec,
    Transactions,
    raw_feature_names,
    raw_features,
)
from streams.dead_letters import (
    DUPLICATE_ID,
    EVENT_TIME_TOO_FAR_AHEAD,
    EVENT_TIME_TOO_OLD,
    UNKNOWN_TRANSACTION,
    DeadLetter,
)
from streams.features.windows import FeatureState, LabelEvents
from streams.kafka.source import Record
from streams.spec import StreamSpec


@dataclass(frozen=True, slots=True)
class Absorbed:
    """A batch that the feature state has taken in.

    Attributes:
        transactions: n accepted rows in event-time order.
        features: float32[n, d].
        labels: as read, for the journal.
        dead: records refused, with reasons.
    """

    transactions: Transactions
    features: Features
    labels: LabelRows
    dead: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions on a batch, for the topic and for the journal."""

    decisions: list[Decision]
    rows: DecisionRows


@dataclass(slots=True)
class Intake:
    """Records to features: everything a lane keeps that a snapshot has to bring back.

    Args:
        spec: of the stream.
        transactions: codec.
        labels: codec.
        state: exact windows.
        watermarks: event time per partition.
        queue: labels that wait.
    """

    spec: StreamSpec
    transactions: TransactionCodec
    labels: LabelCodec
    state: FeatureState
    watermarks: Watermarks
    queue: LabelQueue
    feature_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.feature_names = (*raw_feature_names(self.spec), *self.state.names)

    def absorb(self, records: Sequence[Record], label_records: Sequence[Record]) -> Absorbed:
        """Decode a batch, refuse what can't be read, and take the rest into the feature state."""
        labels, dead = self._read_labels(label_records)
        decoded, unread = self.transactions.decode(records)
        by_place = {(r.partition, r.offset): r for r in records}
        verdict = self.watermarks.admit(decoded.partition, decoded.event_time)
        dead += unread
        dead += _refused(decoded, verdict == TOO_OLD, EVENT_TIME_TOO_OLD, by_place)
        dead += _refused(decoded, verdict == TOO_FAR_AHEAD, EVENT_TIME_TOO_FAR_AHEAD, by_place)
        admitted = np.flatnonzero(verdict == 0)
        # Partitions interleave by chance; event-time order is what the windows of shared entities want.
        rows = decoded.take(admitted[np.argsort(decoded.event_time[admitted], kind="stable")])
        due = self.queue.due(self.watermarks.by_partition)
        updated = self.state.update(rows.tx_hash, rows.event_time, rows.amount, rows.entities, _label_events(due))
        duplicate = updated.status == 1
        dead += _refused(rows, duplicate, DUPLICATE_ID, by_place)
        early = [label for label, found in zip(due, updated.labels_found.tolist(), strict=True) if not found]
        given_up = self.queue.unmatched(self._apply(early), self.watermarks.by_partition)
        dead += [DeadLetter(label.record, UNKNOWN_TRANSACTION) for label in given_up]
        fresh = np.flatnonzero(~duplicate)
        kept = rows if len(fresh) == len(rows.tx_id) else rows.take(fresh)
        windows = updated.features[fresh].astype(np.float32)
        return Absorbed(kept, np.hstack([raw_features(kept, self.spec), windows]), labels, dead)

    def _read_labels(self, records: Sequence[Record]) -> tuple[LabelRows, list[DeadLetter]]:
        decoded, dead = self.labels.decode(records)
        by_place = {(r.partition, r.offset): r for r in records}
        places = zip(decoded.partition.tolist(), decoded.offset.tolist(), strict=True)
        self.queue.add(decoded, [by_place[place] for place in places])
        return _label_rows(decoded), dead

    def _apply(self, labels: Sequence[Waiting]) -> list[Waiting]:
        """Mark the labels' transactions, some of which may have come after them; hand back the labels without one."""
        if not labels:
            return []
        events = _label_events(labels)
        found = self.state.label(events.tx_hash, events.event_time, events.is_fraud)
        return [label for label, is_found in zip(labels, found.tolist(), strict=True) if not is_found]


def decide(
    absorbed: Absorbed,
    spec: StreamSpec,
    feature_names: Sequence[str],
    lineup: Lineup,
    host: Host,
    costs: Costs,
    now: int,
) -> Decided:
    """Scores, actions and reasons for a batch, by one lineup.

    Args:
        absorbed: n transactions with their features.
        spec: of the stream.
        feature_names: columns of the features.
        lineup: who decides and who only watches.
        host: holds all of the lineup's agents.
        costs: of the user.
        now: wall clock, ms UTC, for `decided_at`.

    Raises:
        HostError: no agent scored some row.
    """
    tx, x = absorbed.transactions, absorbed.features
    deciding, agents = lineup.incumbents, lineup.agents
    weights = np.array([slot.weight for slot in lineup.slots])
    logits = host.score(agents, x)
    votes = logits[:, : len(deciding)]
    if not np.isfinite(votes).any(axis=1).all():
        raise HostError("no agent of the lineup scored the batch")
    score, degraded = combine(votes, weights)
    action = choose(score, tx.amount, costs)
    reasons = _reasons(absorbed, np.flatnonzero(action), spec, feature_names, lineup, host)
    votes_p = 1.0 / (1.0 + np.exp(-votes.astype(np.float64)))
    columns = (score.tolist(), action.tolist(), degraded.tolist(), tx.event_time.tolist(), votes_p.tolist())
    decisions = [
        Decision(
            tx_id=tx.tx_id[i],
            score=s,
            action=ACTIONS[a],
            reasons=reasons.get(i, []),
            epoch=lineup.epoch,
            agents={agent: p for agent, p in zip(deciding, ps, strict=True) if p == p},  # noqa: PLR0124  # NaN
            propensity=1.0,
            event_time=t,
            decided_at=now,
            degraded=is_degraded,
        )
        for i, (s, a, is_degraded, t, ps) in enumerate(zip(*columns, strict=True))
    ]
    return Decided(decisions, _rows(absorbed, logits, score, action, degraded, lineup))


def columns_of(intake: Intake, lineup: Lineup) -> Columns:
    """The names of the journal's wide columns under a lineup."""
    return Columns(intake.feature_names, tuple(intake.spec.entities), tuple(lineup.agents))


def _reasons(
    absorbed: Absorbed,
    stopped: NDArray[np.intp],
    spec: StreamSpec,
    names: Sequence[str],
    lineup: Lineup,
    host: Host,
) -> dict[int, list[Reason]]:
    """The reasons of the rows that were not approved, by row."""
    if not len(stopped):
        return {}
    x = absorbed.features[stopped]
    weights = np.array([slot.weight for slot in lineup.slots])
    contributions = host.contributions(lineup.incumbents, weights, x)
    best = strongest(contributions.astype(np.float64))
    texts = {name: absorbed.transactions.categorical[name] for name in spec.categorical}

    def value(i: int, row: int, j: int) -> str | float | None:
        if names[j] in texts:
            return texts[names[j]][row]
        number = float(x[i, j])
        return number if np.isfinite(number) else None

    return {
        int(row): [Reason(names[j], value(i, int(row), j), float(contributions[i, j])) for j in best[i]]
        for i, row in enumerate(stopped)
    }


def _rows(
    absorbed: Absorbed,
    logits: NDArray[np.float32],
    score: NDArray[np.float64],
    action: NDArray[np.int8],
    degraded: NDArray[np.bool_],
    lineup: Lineup,
) -> DecisionRows:
    tx = absorbed.transactions
    return DecisionRows(
        tx_id=tx.tx_id,
        tx_hash=tx.tx_hash,
        partition=tx.partition,
        offset=tx.offset,
        event_time=tx.event_time,
        amount=tx.amount,
        entities=tx.entities,
        features=absorbed.features,
        logits=logits,
        score=score.astype(np.float32),
        action=action,
        degraded=degraded,
        epoch=lineup.epoch,
    )


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

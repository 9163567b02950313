"""A batch in, decisions out, no I/O: decode, features, scores, actions, reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rlfa.hosts.scoring import Features, Host, HostError
from rlfa.lanes.watermarks import OK, TOO_FAR_AHEAD, TOO_OLD, Watermarks
from rlfa.lineup.actions import ACTIONS, combine, mean_logit
from rlfa.lineup.budget import Ration, Rationed
from rlfa.lineup.exploration import ExplorationRules, Explored
from rlfa.lineup.priority import priorities
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import Lineup
from rlfa.lineup.voting import NOBODY, Rows, voted, voters, votes, weights
from rlfa.outcomes.audit import NO_AUDIT, Audit, audits, encode
from rlfa.outcomes.journal import Columns, DecisionRows, LabelRows
from rlfa.outcomes.labels import LabelQueue, Waiting
from rlfa.rewards.money import Costs
from rlfa.rules.around import explore_around, spend_around, spoken_by
from rlfa.rules.deciding import NO_BOOK, RuleBook, Ruled, rule_on
from rlfa.rules.ruleset import NO_RULES, RuleSet
from rlfa.shards.shard import Arrived, nothing_arrived
from rlfa.shards.split import lane_keys
from rlfa.shards.windows import SharedWindows
from streams.codec import (
    LabelCodec,
    Labels,
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
from streams.decisions import encode_decisions
from streams.features.windows import FeatureState, LabelEvents
from streams.kafka.sink import Lap
from streams.kafka.source import Place, Record
from streams.spec import StreamSpec

DUPLICATE = 3  # beside the watermarks' verdicts
NOWHERE: Mapping[Place, int] = MappingProxyType({})


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
class Taken:
    """What the feature state made of n rows.

    Attributes:
        verdict: uint8[n], see `rlfa.lanes.watermarks`, or `DUPLICATE`.
        kept: intp[k], the rows taken in, in event-time order.
        windows: float32[k, w], their window features.
        given_up: labels whose transaction never came.
    """

    verdict: NDArray[np.uint8]
    kept: NDArray[np.intp]
    windows: Features
    given_up: list[Waiting]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a lineup of k agents and s slots makes of n rows.

    Attributes:
        logits: float32[n, k] of all its agents.
        voters: intp[n, s], the agent that votes for each slot, see `rlfa.lineup.voting`.
        score: float64[n].
        degraded: bool[n], some slot's vote is missing.
        alerts: what the day's alert budget left of the actions that pay.
        taken: the actions, and the chances with which they were taken.
        ruled: what the user's rules had to say, and where they decided.
    """

    logits: NDArray[np.float32]
    voters: NDArray[np.intp]
    score: NDArray[np.float64]
    degraded: NDArray[np.bool_]
    alerts: Rationed
    taken: Explored
    ruled: Ruled

    @property
    def action(self) -> NDArray[np.int8]:
        """int8[n], what is done."""
        return self.taken.action


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions on a batch, for the topic and for the journal."""

    values: list[bytes]
    """JSON for the topic, one for each transaction."""
    rows: DecisionRows
    ration: Ration
    """Of alerts, after the batch."""
    ruled: Ruled
    """What rules made of it; its book is for the next batch."""


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

    def __post_init__(self) -> None:
        shared = self.shared.names if self.shared else ()
        self.feature_names = (*raw_feature_names(self.spec), *self.state.names, *shared)

    def absorb(self, records: Sequence[Record], label_records: Sequence[Record], lap: Lap = bool) -> Absorbed:
        """Decode a batch, refuse what can't be read, and take the rest into the feature state."""
        labels, dead = self._read_labels(label_records)
        decoded, unread = self.transactions.decode(records)
        lap("decode")
        arrived = Arrived(
            decoded.partition, decoded.offset, decoded.tx_hash, decoded.event_time, decoded.amount, decoded.entities
        )
        taken = self.take(arrived, _reached(records) if self.shared else NOWHERE)
        by_place = {(r.partition, r.offset): r for r in records} if (taken.verdict != OK).any() else {}
        dead += unread
        dead += _refused(decoded, taken.verdict == TOO_OLD, EVENT_TIME_TOO_OLD, by_place)
        dead += _refused(decoded, taken.verdict == TOO_FAR_AHEAD, EVENT_TIME_TOO_FAR_AHEAD, by_place)
        dead += _refused(decoded, taken.verdict == DUPLICATE, DUPLICATE_ID, by_place)
        dead += [DeadLetter(label.record, UNKNOWN_TRANSACTION) for label in taken.given_up]
        kept = decoded.take(taken.kept)
        features = np.hstack([raw_features(kept, self.spec), taken.windows])
        lap("features")
        return Absorbed(kept, features, labels, dead)

    def take(self, arrived: Arrived, reached: Mapping[Place, int] = NOWHERE) -> Taken:
        """Take rows into the feature state, with the labels that are due by then.

        Args:
            arrived: n rows.
            reached: per partition the offset after the batch's last, refused records and all.

        Raises:
            ShardError: the shared windows are away.
        """
        verdict = self.watermarks.admit(arrived.partition, arrived.event_time)
        admitted = np.flatnonzero(verdict == OK)
        # Partitions interleave by chance; event-time order is what the windows of shared entities want.
        rows = admitted[np.argsort(arrived.event_time[admitted], kind="stable")]
        now = arrived.at(rows)
        due = self.queue.due(self.watermarks.by_partition)
        keys = lane_keys(self.spec, now.keys) if self.shared else now.keys
        updated = self.state.update(now.tx_hash, now.event_time, now.amount, keys, _label_events(due))
        is_duplicate = updated.status == 1
        verdict[rows[is_duplicate]] = DUPLICATE
        found = updated.labels_found
        found[~found] = self._apply([label for label, is_found in zip(due, found, strict=True) if not is_found])
        unknown = [label for label, is_found in zip(due, found, strict=True) if not is_found]
        given_up = self.queue.unmatched(unknown, self.watermarks.by_partition)
        own = updated.features[~is_duplicate].astype(np.float32)
        windows = np.hstack([own, self._tell(now.at(~is_duplicate), due, found, reached)])
        return Taken(verdict, rows[~is_duplicate], windows, given_up)

    def settle(self) -> None:
        """Mark the transactions of every label that waits: each counts from the time at which it became known."""
        waiting = self.queue.drained()
        self._tell(nothing_arrived(len(self.spec.entities)), waiting, self._apply(waiting), NOWHERE)

    def _read_labels(self, records: Sequence[Record]) -> tuple[LabelRows, list[DeadLetter]]:
        decoded, dead = self.labels.decode(records)
        by_place = {(r.partition, r.offset): r for r in records}
        places = zip(decoded.partition.tolist(), decoded.offset.tolist(), strict=True)
        self.queue.add(decoded, [by_place[place] for place in places])
        return _label_rows(decoded), dead

    def _tell(
        self, rows: Arrived, labels: Sequence[Waiting], found: NDArray[np.bool_], reached: Mapping[Place, int]
    ) -> Features:
        """The shared windows of rows, after these and the labels whose transactions are held."""
        if self.shared is None:
            return np.empty((len(rows.offset), 0), np.float32)
        known = _label_events([label for label, is_found in zip(labels, found, strict=True) if is_found])
        return self.shared.take(rows, known, reached)

    def _apply(self, labels: Sequence[Waiting]) -> NDArray[np.bool_]:
        """Mark the labels' transactions, some of which may have come after them; whether each is held."""
        events = _label_events(labels)
        return self.state.label(events.tx_hash, events.event_time, events.is_fraud)


def decide(
    absorbed: Absorbed,
    spec: StreamSpec,
    feature_names: Sequence[str],
    lineup: Lineup,
    host: Host,
    costs: Costs,
    exploration: ExplorationRules,
    ration: Ration,
    now: int,
    book: RuleBook = NO_BOOK,
    lap: Lap = bool,
) -> Decided:
    """Scores, actions and reasons for a batch, by one lineup.

    Args:
        absorbed: n transactions with their features.
        spec: of the stream.
        feature_names: columns of the features.
        lineup: who decides and who only watches.
        host: holds all of the lineup's agents.
        costs: of the user.
        exploration: which would-be declines pass.
        ration: of alerts, before the batch.
        now: wall clock, ms UTC, for `decided_at`.
        book: the user's rules, before the batch.
        lap: told when scores are there, when actions are, when reasons are, and when all is JSON.

    Raises:
        HostError: no agent scored some row.
    """
    tx, agents = absorbed.transactions, lineup.agents
    rows = Rows(
        tx_hash=tx.tx_hash,
        event_time=tx.event_time,
        amount=tx.amount,
        features=absorbed.features,
        fields=fields_of(spec, feature_names),
        entities=dict(zip(spec.entities, tx.entities.T, strict=True)),
    )
    judged = judge(rows, lineup, host, costs, exploration, ration, book, lap)
    score, action, degraded = judged.score, judged.action, judged.degraded
    said = votes(judged.logits, judged.voters)
    logit = mean_logit(said, weights(lineup, judged.voters))
    spoke = np.where(np.isfinite(said), judged.voters, NOBODY)
    alerts = np.flatnonzero(action)
    lap("decide")
    audit = audits(tx, absorbed.features, alerts, logit, spoke, spec, feature_names, lineup, host)
    lap("reasons")
    values = encode_decisions(
        tx_id=tx.tx_id,
        score=score,
        action=[ACTIONS[a] for a in action.tolist()],
        reasons={i: found.reasons for i, found in audit.items()},
        epoch=lineup.epoch,
        agents=agents,
        speakers=spoke,
        votes=1.0 / (1.0 + np.exp(-said.astype(np.float64))),
        propensity=judged.taken.propensity,
        event_time=tx.event_time,
        decided_at=now,
        degraded=degraded,
        priority=priorities(judged.logits, score, tx.amount, action, costs),
        over_budget=judged.alerts.over_budget,
        rules=spoken_by(judged.ruled),
    )
    lap("encode")
    return Decided(values, decision_rows(absorbed, judged, lineup, audit), judged.alerts.ration, judged.ruled)


def judge(
    rows: Rows,
    lineup: Lineup,
    host: Host,
    costs: Costs,
    exploration: ExplorationRules,
    ration: Ration,
    book: RuleBook = NO_BOOK,
    lap: Lap = bool,
) -> Judged:
    """Scores and actions for a batch, by one lineup and the user's rules around it.

    Every row is scored, whoever decides it: agents learn from it.

    Args:
        rows: n transactions; their features have the columns that the host was told.
        lineup: who decides and who only watches.
        host: holds all of the lineup's agents.
        costs: of the user.
        exploration: which would-be declines pass.
        ration: of alerts, before the batch; the next batch takes that of the result.
        book: the user's rules, likewise.
        lap: told when scores are there.

    Raises:
        HostError: no agent scored some row.
    """
    logits = host.score(lineup.scorers, rows.features)
    lap("score")
    chosen = voters(lineup, rows, logits)
    spoken = votes(logits, chosen)
    if not np.isfinite(spoken).any(axis=1).all():
        raise HostError("no agent of the lineup scored the batch")
    score, degraded = combine(spoken, weights(lineup, chosen))
    ruled = rule_on(book, rows, score)
    alerts = spend_around(ruled, score, rows, lineup, costs, ration)
    taken = explore_around(ruled, alerts.action, rows, exploration, costs)
    return Judged(logits, chosen, score, degraded, alerts, taken, ruled)


def columns_of(intake: Intake, lineup: Lineup, rules: RuleSet = NO_RULES) -> Columns:
    """The names of the journal's wide columns under a lineup and the user's rules."""
    return Columns(intake.feature_names, tuple(intake.spec.entities), tuple(lineup.agents), rules.names)


def decision_rows(
    absorbed: Absorbed, judged: Judged, lineup: Lineup, audit: Mapping[int, Audit] = NO_AUDIT
) -> DecisionRows:
    """What the outcome log keeps of a batch; `audit` is by row, of its alerts."""
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
        logits=judged.logits,
        voted=voted(judged.logits, judged.voters),
        score=judged.score.astype(np.float32),
        action=judged.action,
        propensity=judged.taken.propensity,
        explored=judged.taken.explored,
        covered=judged.taken.covered,
        floor=judged.alerts.floor,
        over_budget=judged.alerts.over_budget,
        degraded=judged.degraded,
        rules=judged.ruled.verdict,
        epoch=lineup.epoch,
        audit=[encode(audit[i]) if i in audit else None for i in range(len(tx.tx_id))],
    )


def _refused(
    rows: Transactions, refused: NDArray[np.bool_], reason: str, records: dict[tuple[int, int], Record]
) -> list[DeadLetter]:
    at = np.flatnonzero(refused)
    places = zip(rows.partition[at].tolist(), rows.offset[at].tolist(), strict=True)
    return [DeadLetter(records[place], reason) for place in places]


def _reached(records: Sequence[Record]) -> dict[Place, int]:
    """Per partition the offset after the last record."""
    return {(record.topic, record.partition): record.offset + 1 for record in records}


def _label_rows(labels: Labels) -> LabelRows:
    return LabelRows(labels.tx_hash, labels.event_time, labels.is_fraud, labels.source)


def _label_events(labels: Sequence[Waiting]) -> LabelEvents:
    return LabelEvents(
        np.array([label.tx_hash for label in labels], np.uint64),
        np.array([label.event_time for label in labels], np.int64),
        np.array([label.is_fraud for label in labels], np.bool_),
    )

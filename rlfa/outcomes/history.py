"""History before the stream: through the same intake, so that windows are warm and agents can learn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rlfa.config import Service
from rlfa.lanes.intake import Absorbed, Intake, intake_of
from rlfa.lineup.slots import Day
from rlfa.outcomes import journal, log
from rlfa.outcomes.journal import DAY_MS, DECISIONS, Columns, DecisionRows, Journal
from rlfa.shards.local import LocalPort
from rlfa.shards.shard import Shard
from rlfa.shards.split import shard_state
from rlfa.shards.windows import SharedWindows
from streams.features.snapshot import save_snapshot
from streams.kafka.source import Record

FOLDER = "history"  # beside the lanes' journals
EPOCH_BEFORE_ANY = 0


def absorb_history(
    service: Service, batches: Iterable[tuple[Sequence[Record], Sequence[Record]]], partitions: int
) -> int:
    """Take history in: feature state into the snapshots of lanes and shards, rows and labels into the journal.

    Args:
        service: settings.
        batches: transactions and labels in event-time order; only labels known before the history's end.
        partitions: of the transactions topic, which the stream will begin at its first offset.

    Returns:
        Transactions taken in.
    """
    shards = [Shard(shard_state(service.spec)) for _ in range(service.settings.lanes.shards)]
    shared = SharedWindows(service.spec, [LocalPort(shard) for shard in shards]) if shards else None
    if shared:
        shared.open()
    intake = intake_of(service, shared)
    rows = Journal(service.journals / FOLDER)
    rows.set_columns(Columns(intake.feature_names, tuple(service.spec.entities), ()))
    taken = 0
    for records, labels in batches:
        absorbed = intake.absorb(records, labels)
        taken += len(absorbed.transactions.tx_id)
        rows.append_decisions(undecided(absorbed))
        if len(absorbed.labels.tx_hash):
            rows.append_labels(absorbed.labels)
    rows.close()
    intake.settle()
    _hand_over(service, intake, shards, partitions)
    return taken


def close_history(service: Service) -> list[Day]:
    """Close every day of the history whose label delay has passed by its end; returns those days."""
    delay = service.spec.label_delay_ms
    days = journal.days(service.journals, DECISIONS)
    newest = (days[-1] + 1) * DAY_MS if days else 0
    closed = [Day(day) for day in days if (day + 1) * DAY_MS + delay <= newest]
    for day in closed:
        log.close_day(service.journals, service.outcomes, day, delay)
    return closed


def undecided(absorbed: Absorbed) -> DecisionRows:
    """Rows of the outcome log that nobody decided on."""
    tx = absorbed.transactions
    n = len(tx.tx_id)
    return DecisionRows(
        tx_id=tx.tx_id,
        tx_hash=tx.tx_hash,
        partition=tx.partition,
        offset=tx.offset,
        event_time=tx.event_time,
        amount=tx.amount,
        entities=tx.entities,
        features=absorbed.features,
        logits=np.empty((n, 0), np.float32),
        voted=np.empty((n, 0), np.bool_),
        score=np.full(n, np.nan, np.float32),
        action=np.zeros(n, np.int8),
        propensity=np.ones(n),
        explored=np.zeros(n, np.bool_),
        covered=np.ones(n, np.bool_),
        floor=np.full(n, np.nan),
        over_budget=np.zeros(n, np.bool_),
        degraded=np.zeros(n, np.bool_),
        rules=np.empty((n, 0), np.int8),
        epoch=EPOCH_BEFORE_ANY,
    )


def _hand_over(service: Service, intake: Intake, shards: Sequence[Shard], partitions: int) -> None:
    """Every lane begins with the whole of the topic's keys: nobody knows yet in which partition each will come."""
    topics = service.settings.topics
    newest = intake.watermarks.newest()
    marks = {} if newest is None else dict.fromkeys(range(partitions), newest)
    offsets = {(topic, p): 0 for topic in (topics.transactions, topics.labels) for p in range(partitions)}
    for lane in range(service.settings.lanes.count):
        save_snapshot(service.snapshot(lane), intake.state, offsets=offsets, watermarks=marks)
    for number, shard in enumerate(shards):
        save_snapshot(service.shard_snapshot(number), shard.state, offsets=offsets, watermarks={})

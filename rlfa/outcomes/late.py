"""What is known of closed days, and the labels that came too late for them.

A day is closed once and never again: a label that is read after that changes nothing. It is counted here, so that one
sees when the label delay is too short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rlfa.lineup.slots import Day
from rlfa.outcomes import log
from rlfa.outcomes.log import KnownLabel
from rlfa.outcomes.sight import SEEN, sight_of

LATE_SHARE_MAX = 0.05  # of frauds: above it the label delay should be raised, as the reference of free agency says
_COLUMNS = ("tx_hash", "amount", "action", "propensity", "explored", "covered", "label", "label_time", SEEN)


class ClosedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A closed day in numbers. Figures of transactions and labels are counts, not weighted."""

    day: Day
    transactions: int
    frauds: int
    """Known when it was closed, of payments that were let through or looked at."""
    explored: int
    """Would have been declined, and passed."""
    hidden: int
    """Declined without being seen, and measured by those that passed."""
    left_out: int
    """That exploration didn't cover: nothing is measured on them."""
    left_out_amount: float
    """Their share of the amount."""
    late: int
    """Transactions with a label that came after the day was closed, or overruled one after that."""
    late_frauds: int
    """Of them, those that are frauds and were taken for genuine."""


def closed_days(journals: Path, outcomes: Path, days: Sequence[Day]) -> list[ClosedDay]:
    """The numbers of some closed days, as of all labels that have been read by now.

    Args:
        journals: the folder with a journal per lane.
        outcomes: root of the outcome log.
        days: closed.
    """
    newest = log.labels_since(journals, min(days)) if days else {}
    return [_counted(log.path_of(outcomes, day), day, newest) for day in days]


def late_share(days: Sequence[ClosedDay]) -> float:
    """Share of the frauds that came too late to be counted as such; 0 without any fraud."""
    late = sum(d.late_frauds for d in days)
    known = sum(d.frauds for d in days)
    return late / (late + known) if late else 0.0


def _counted(path: Path, day: Day, newest: Mapping[int, KnownLabel]) -> ClosedDay:
    there = pq.read_schema(path).names
    table = pq.read_table(path, columns=[c for c in _COLUMNS if c in there])
    sight = sight_of(table)
    n = len(table)
    seen = np.ones(n, np.bool_) if sight is None else sight.seen
    covered = np.ones(n, np.bool_) if sight is None else sight.covered
    amount = np.maximum(table["amount"].to_numpy(), 0.0)
    known = np.asarray(pc.fill_null(table["label"], False).to_numpy(zero_copy_only=False), np.bool_)
    late, late_frauds = _late(table.filter(pa.array(seen)), newest)
    return ClosedDay(
        day=day,
        transactions=n,
        frauds=int((known & seen).sum()),
        explored=int(np.count_nonzero(table["explored"].to_numpy(zero_copy_only=False))),
        hidden=int((covered & ~seen).sum()),
        left_out=int((~covered).sum()),
        left_out_amount=float(amount[~covered].sum() / amount.sum()) if amount.any() else 0.0,
        late=late,
        late_frauds=late_frauds,
    )


def _late(seen: pa.Table, newest: Mapping[int, KnownLabel]) -> tuple[int, int]:
    """Of the rows whose truth counts: those that the newest labels would change, and those they would make frauds."""
    labelled = np.isin(seen["tx_hash"].to_numpy(), np.fromiter(newest, np.uint64, len(newest)))
    rows = seen.filter(pa.array(labelled)).select(["tx_hash", "label", "label_time"]).to_pylist()
    changed = [(newest[r["tx_hash"]], r) for r in rows if newest[r["tx_hash"]][:2] != (r["label_time"], r["label"])]
    return len(changed), sum(now[1] and not row["label"] for now, row in changed)

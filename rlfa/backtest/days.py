"""Days of the history from their first decision to the outcome log, each closed when its label delay has passed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlfa.backtest.features import FeaturesAhead
from rlfa.config import Service
from rlfa.lanes.intake import Absorbed
from rlfa.lanes.step import Judged, decision_rows
from rlfa.lineup.slots import DAY_MS, Day, Lineup
from rlfa.outcomes import log
from rlfa.outcomes.history import undecided
from rlfa.outcomes.journal import Columns, DecisionRows, Journal, LabelRows, record_batch
from rlfa.outcomes.scored import ScoredDay, scored_of
from rlfa.outcomes.summaries import DaySummary, summarise
from streams.codec import Transactions
from streams.history import FRAUD, UNKNOWN, History

SOURCE = "history"
FOLDER = "backtest"  # beside the lanes' journals
WRITING_MAX = 4  # days on their way to the outcome log
_NO_LABELS = LabelRows(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.bool_), [])


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one day that one lineup decided on; none of both for history that only teaches."""

    rows: NDArray[np.intp]
    judged: Judged | None = None
    lineup: Lineup | None = None


@dataclass(slots=True)
class OpenDays:
    """Days whose truth isn't whole yet.

    Args:
        service: settings and paths.
        history: with the labels.
        features: of its rows.
    """

    service: Service
    history: History
    features: FeaturesAhead
    _parts: dict[Day, list[_Part]] = field(default_factory=dict)
    _newest_closed: tuple[Day | None, pa.Table | None] = (None, None)
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _writing: deque[Future[Path]] = field(default_factory=deque)

    def add(self, day: Day, rows: NDArray[np.intp], judged: Judged | None = None, lineup: Lineup | None = None) -> None:
        """Rows of a day, decided by a lineup or only learnt from."""
        self._parts.setdefault(day, []).append(_Part(rows, judged, lineup))

    def closes_at(self) -> int | None:
        """When the oldest day closes, ms UTC; None while none is open."""
        return _closes_at(min(self._parts), self.service.spec.label_delay_ms) if self._parts else None

    def close(self, now: int) -> Iterator[tuple[Day, pa.Table]]:
        """Each day that is closed by an event time, oldest first, on its way to the outcome log and handed on."""
        hide = self.service.settings.free_agency.exploration.declined_labels == "none"
        while (due := self.closes_at()) is not None and due <= now:
            day = min(self._parts)
            parts = self._parts.pop(day)
            rows = pa.concat_tables([self._table(part) for part in parts], promote_options="default")
            labels, unknown = self._truth(np.concatenate([part.rows for part in parts]), due)
            table = log.matured(rows, labels, declines_hide=hide, unknown=unknown)
            self._write(table, day)
            self._newest_closed = day, table
            yield day, table

    def flush(self) -> None:
        """Until every closed day is in the outcome log."""
        while self._writing:
            self._writing.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.shutdown()

    def scored(self, day: Day, segments: Sequence[str], categorical: frozenset[str]) -> ScoredDay | None:
        """A day's scores before its labels; None for one without a transaction."""
        if day == self._newest_closed[0]:
            return scored_of(self._newest_closed[1], day, segments, categorical)
        if day not in self._parts:
            return None
        rows = pa.concat_tables([self._table(part) for part in self._parts[day]], promote_options="default")
        return scored_of(rows, day, segments, categorical)

    def summary(self, day: Day) -> DaySummary:
        """An open day's features and scores without its labels."""
        parts = self._parts[day]
        rows = np.concatenate([part.rows for part in parts])
        agents = {agent for part in parts if part.lineup for agent in part.lineup.agents}
        logits = {agent: np.full(len(rows), np.nan, np.float32) for agent in sorted(agents)}
        at = 0
        for part in parts:
            if part.judged and part.lineup:
                for k, agent in enumerate(part.lineup.agents):
                    logits[agent][at : at + len(part.rows)] = part.judged.logits[:, k]
            at += len(part.rows)
        return summarise(day, self.features.names, self.features.x[rows], logits)

    def keep_rest(self) -> None:
        """Journal the days that the history ends before they close, so that their decisions can be explained."""
        self.flush()
        journal = Journal(self.service.journals / FOLDER)
        for parts in self._parts.values():
            for part in parts:
                journal.set_columns(self._columns(part))
                journal.append_decisions(self._rows(part))
        journal.close()

    def _write(self, table: pa.Table, day: Day) -> None:
        """In a second thread, no more than a few days behind."""
        if len(self._writing) >= WRITING_MAX:
            self._writing.popleft().result()
        self._writing.append(self._writer.submit(log.write_day, table, self.service.outcomes, day))

    def _truth(self, rows: NDArray[np.intp], by: int) -> tuple[dict[int, log.KnownLabel], set[int]]:
        """The frauds known by an event time, and the rows that nobody will ever know about, by hashed id."""
        label, known_at, hashes = self.history.label[rows], self.history.label_time[rows], self.history.tx_hash[rows]
        known = (label == FRAUD) & (known_at <= by)
        frauds = zip(hashes[known].tolist(), known_at[known].tolist(), strict=True)
        return {h: (time, True, SOURCE) for h, time in frauds}, set(hashes[label == UNKNOWN].tolist())

    def _table(self, part: _Part) -> pa.Table:
        return log.widened(pa.Table.from_batches([record_batch(self._rows(part), self._columns(part))]))

    def _columns(self, part: _Part) -> Columns:
        agents = part.lineup.agents if part.lineup else ()
        rules = part.judged.ruled.book.rules.names if part.judged else ()
        return Columns(self.features.names, tuple(self.service.spec.entities), tuple(agents), rules)

    def _rows(self, part: _Part) -> DecisionRows:
        absorbed = _absorbed(self.history, part.rows, self.features.x)
        if part.judged is None or part.lineup is None:
            return undecided(absorbed)
        return decision_rows(absorbed, part.judged, part.lineup)


def _closes_at(day: Day, delay_ms: int) -> int:
    return (day + 1) * DAY_MS + delay_ms


def _absorbed(history: History, rows: NDArray[np.intp], x: NDArray[np.float32]) -> Absorbed:
    """Rows of the history as a batch that a lane took in; a row's place in the history is its offset."""
    n = len(rows)
    transactions = Transactions(
        tx_id=[history.tx_id[i] for i in rows.tolist()],
        tx_hash=history.tx_hash[rows],
        key=[],
        event_time=history.event_time[rows],
        amount=history.amount[rows],
        entities=history.entities[rows],
        categorical={},
        numeric={},
        partition=np.zeros(n, np.int32),
        offset=rows.astype(np.int64),
    )
    return Absorbed(transactions, x[rows], _NO_LABELS, [])

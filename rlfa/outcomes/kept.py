"""A decision as it was kept: found by its id in the outcome log, or in the journal while its day is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rlfa.errors import NotAllowedError
from rlfa.lineup.slots import Day, Epoch, date_of
from rlfa.outcomes import journal, log
from streams.keys import entity_key


class ExplainError(NotAllowedError):
    """A decision that isn't kept, or that nobody made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row of the outcome log or of the journal.

    Attributes:
        row: by column name; features, logits and entities under their prefixes.
        kept_in: where it was found.
    """

    row: Mapping[str, object]
    kept_in: Literal["outcome log", "journal"]

    @property
    def epoch(self) -> Epoch:
        """The lineup that decided; 0 for history, on which nobody decided."""
        return Epoch(int(str(self.row["epoch"])))

    @property
    def voted(self) -> set[str]:
        """The agents that took part."""
        return {agent for agent, is_one in self.numbers(log.VOTED).items() if is_one == 1.0}

    def numbers(self, prefix: str) -> dict[str, np.float32]:
        """The columns under a prefix, NaN where there is none."""
        return {
            name.removeprefix(prefix): np.float32(np.nan if value is None else value)  # type: ignore[arg-type]  # Arrow's
            for name, value in self.row.items()
            if name.startswith(prefix)
        }


def find(journals: Path, outcomes: Path, tx_id: str, day: Day | None = None) -> Kept:
    """A decision by its id: in the closed days, newest first, then in the journal.

    Only the column of hashed ids is read until a row group has it.

    Args:
        journals: the folder with a journal per lane.
        outcomes: root of the outcome log.
        tx_id: of the transaction.
        day: of its event time, where it is known: no other day is opened.

    Raises:
        ExplainError: it is in neither.
    """
    closed = [d for d in reversed(log.closed_days(outcomes)) if day in {None, d}]
    for candidate in closed:
        row = _in_day(log.path_of(outcomes, candidate), tx_id)
        if row is not None:
            return Kept(row=row, kept_in="outcome log")
    done = set(closed)
    for open_day in reversed(journal.days(journals, journal.DECISIONS)):
        if open_day not in done and day in {None, open_day}:
            row = _in_journal(journals, open_day, tx_id)
            if row is not None:
                return Kept(row=row, kept_in="journal")
    where = "any day" if day is None else date_of(day)
    raise ExplainError(f"transaction {tx_id!r}", f"no decision on {where}", "an id within the log's retention")


def _in_day(path: Path, tx_id: str) -> dict[str, object] | None:
    with pq.ParquetFile(path) as file:
        return _first(
            tx_id,
            (
                (file.read_row_group(i, ["tx_hash"]), lambda i=i: file.read_row_group(i))  # type: ignore[misc]  # bound here
                for i in range(file.num_row_groups)
            ),
        )


def _in_journal(journals: Path, day: int, tx_id: str) -> dict[str, object] | None:
    """The last try: a batch that was tried again is there again."""
    tables = list(journal.read(journals, journal.DECISIONS, day))
    return _first(tx_id, ((t, lambda t=t: log.widened(t)) for t in reversed(tables)))  # type: ignore[misc]  # bound here


def _first(tx_id: str, tables: Iterator[tuple[pa.Table, Callable[[], pa.Table]]]) -> dict[str, object] | None:
    """The newest row with an id, from pairs of a table with its hashes and of how to read all of it."""
    wanted = entity_key(tx_id)
    for hashes, whole in tables:
        places = np.flatnonzero(hashes["tx_hash"].to_numpy() == np.uint64(wanted))
        if len(places):
            rows = whole().take(pa.array(places))
            rows = rows.filter(pc.equal(rows["tx_id"], tx_id))
            if len(rows):
                return dict(rows.slice(len(rows) - 1).to_pylist()[0])
    return None

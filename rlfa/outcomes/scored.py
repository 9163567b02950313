"""A day's scores before anybody knows the truth: all that can be judged of a newcomer without waiting for labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes import log


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredDay:
    """One day of event time that is whole, late records included.

    Attributes:
        day: it is.
        amount: float64[n].
        logits: float32[n] per agent that scored any row, NaN where it gave none.
        segments: bool[n] per segment that some slot plays: its rows.
    """

    day: Day
    amount: NDArray[np.float64]
    logits: Mapping[AgentId, NDArray[np.float32]]
    segments: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def logits_of(self, agent: AgentId, segment: str) -> NDArray[np.float32]:
        """float32[m], an agent's logits on the rows of a segment; NaN where it gave none."""
        logits = self.logits.get(agent)
        whole = np.full(len(self.amount), np.nan, np.float32) if logits is None else logits
        return whole[self.segments[segment]] if segment else whole

    def amount_of(self, segment: str) -> NDArray[np.float64]:
        """float64[m], the amounts of a segment."""
        return self.amount[self.segments[segment]] if segment else self.amount


def read_scored(journals: Path, day: Day, segments: Sequence[str], categorical: frozenset[str]) -> ScoredDay | None:
    """A day from the lanes' journals; None where it had no transaction.

    Args:
        journals: the folder with a journal per lane.
        day: that is whole.
        segments: expressions that slots play by.
        categorical: names of the features that hold category codes.
    """
    table = log.rows_of(journals, day)
    return None if table is None else scored_of(table, day, segments, categorical)


def scored_of(table: pa.Table, day: Day, segments: Sequence[str], categorical: frozenset[str]) -> ScoredDay:
    """A day from its rows, wide as `log.widened` makes them."""
    return ScoredDay(
        day=day,
        amount=table["amount"].to_numpy(),
        logits=log.logits_in(table),
        segments={s: log.segment_rows(s, table, categorical) for s in segments},
    )

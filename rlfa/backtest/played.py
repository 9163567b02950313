"""What came of a backtest: columns of the rows that were played, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlfa.config import Service
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.store.ledger import Entry
from streams.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A finished backtest over a history of N rows, n of which were played.

    Attributes:
        service: with the state folder that holds ledger, agents and outcome log.
        history: all of it.
        feature_names: d names.
        x: float32[N, d], the features of every row; NaN where a row was refused.
        taken: bool[N], the rows that a lane would have taken.
        first_day: that was played; the days before it trained the first lineup.
        rows: intp[n], the played rows of the history, ascending.
        score: float64[n], the lineup's.
        action: int8[n], index into `rlfa.lineup.actions.ACTIONS`.
        epoch: int64[n], the lineup that decided.
        entries: the ledger, from the first entry on.
        refused: rows that a lane would have refused, by reason, the table's own included.
    """

    service: Service
    history: History
    feature_names: tuple[str, ...]
    x: NDArray[np.float32]
    taken: NDArray[np.bool_]
    first_day: Day
    rows: NDArray[np.intp]
    score: NDArray[np.float64]
    action: NDArray[np.int8]
    epoch: NDArray[np.int64]
    entries: tuple[Entry, ...]
    refused: dict[str, int]

    @property
    def day(self) -> NDArray[np.int64]:
        """int64[n], the UTC day of each played row."""
        return self.history.event_time[self.rows] // DAY_MS

    @property
    def label(self) -> NDArray[np.int8]:
        """int8[n], the truth about each played row, whenever it became known."""
        return self.history.label[self.rows]

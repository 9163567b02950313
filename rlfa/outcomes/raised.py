"""Alerts that a lane has raised, counted again from the journal when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlfa.lineup.slots import Day
from rlfa.outcomes import journal

_COLUMNS = ["partition", "offset", "action", "explored", "epoch"]


def alerts_raised(root: Path, from_day: Day, committed: Mapping[int, int]) -> dict[Day, int]:
    """By day of event time, the alerts among the decisions that were committed.

    A row counts by its last try: a batch that was decided again is there again. A would-be decline that passed for
    exploration has taken its place in the budget too.

    Args:
        root: the folder with a journal per lane.
        from_day: the earliest day that a transaction may still come for.
        committed: of each of the lane's partitions the first offset without a decision.
    """
    days = [Day(d) for d in journal.days(root, journal.DECISIONS) if d >= from_day]
    return {day: _raised(root, day, committed) for day in days}


def _raised(root: Path, day: Day, committed: Mapping[int, int]) -> int:
    tables = [table.select(_COLUMNS) for table in journal.read(root, journal.DECISIONS, day)]
    if not tables:
        return 0
    rows = pa.concat_tables(tables)
    partition, offset, action, explored, epoch = (np.asarray(rows[c].to_numpy(zero_copy_only=False)) for c in _COLUMNS)
    is_alert = ((action > 0) | explored.astype(np.bool_)) & (epoch > 0)  # history has offsets of its own
    return sum(_last_tries(offset, is_alert, (partition == p) & (offset < end)) for p, end in committed.items())


def _last_tries(offset: NDArray[np.int64], is_alert: NDArray[np.bool_], mine: NDArray[np.bool_]) -> int:
    """Alerts among the rows in bool[n] `mine`, each offset by its last row."""
    _, last = np.unique(offset[mine][::-1], return_index=True)
    return int(is_alert[mine][::-1][last].sum())

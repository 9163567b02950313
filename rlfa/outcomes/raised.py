"""Alerts that a lane has raised, and payments that rules have declined in it, counted again when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.slots import Day
from rlfa.outcomes import journal
from rlfa.outcomes.journal import Columns
from rlfa.rules.deciding import DECIDED, Used
from rlfa.rules.ruleset import RuleSet

_COLUMNS = ["partition", "offset", "action", "explored", "epoch", "rules"]
_REVIEW = ACTIONS.index("review")


def alerts_raised(root: Path, from_day: Day, committed: Mapping[int, int]) -> dict[Day, int]:
    """By day of event time, the alerts among the decisions that were committed.

    A row counts by its last try: a batch that was decided again is there again. A would-be decline that passed for
    exploration has taken its place in the budget too; what a rule declined has not, what it sent to review has.

    Args:
        root: the folder with a journal per lane.
        from_day: the earliest day that a transaction may still come for.
        committed: of each of the lane's partitions the first offset without a decision.
    """
    return {day: _count(_alerts(root, day), committed) for day in _days(root, from_day)}


def declined_by_rules(root: Path, from_day: Day, committed: Mapping[int, int], rules: RuleSet) -> Used:
    """Payments that each rule has declined by day of event time, among the decisions that were committed.

    Args:
        root: the folder with a journal per lane.
        from_day: the earliest day that a transaction may still come for.
        committed: of each of the lane's partitions the first offset without a decision.
        rules: the set that goes on; a rule is known by its name.
    """
    names = [rule.name for rule in rules.rules if rule.action == "decline"]
    days = _days(root, from_day) if names else []
    found = {(name, day): _count(_decided(root, day, name), committed) for day in days for name in names}
    return {key: count for key, count in found.items() if count}


_Marked = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]  # partition, offset, whether it counts


def _days(root: Path, from_day: Day) -> list[Day]:
    return [Day(d) for d in journal.days(root, journal.DECISIONS) if d >= from_day]


def _read(root: Path, day: Day) -> Iterator[tuple[pa.Table, NDArray[np.bool_], tuple[str, ...]]]:
    """A day's files, with whether each of their rules decided a row, bool[n, r]."""
    for table in journal.read(root, journal.DECISIONS, day):
        names = Columns.of(table.schema).rules
        flat = table["rules"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        yield table.select(_COLUMNS[:-1]), flat.reshape(len(table), len(names)) == DECIDED, names


def _alerts(root: Path, day: Day) -> Iterator[_Marked]:
    for table, decided, _ in _read(root, day):
        partition, offset, action, explored, epoch = _arrays(table)
        passed = explored.astype(np.bool_)
        by_lineup, by_rule = (action > 0) | passed, (action == _REVIEW) & ~passed
        is_alert = np.where(decided.any(axis=1), by_rule, by_lineup)
        yield partition, offset, is_alert & (epoch > 0)  # history has offsets of its own


def _decided(root: Path, day: Day, name: str) -> Iterator[_Marked]:
    for table, decided, names in _read(root, day):
        partition, offset, _, _, epoch = _arrays(table)
        mine = decided[:, names.index(name)] if name in names else np.zeros(len(table), np.bool_)
        yield partition, offset, mine & (epoch > 0)


def _arrays(table: pa.Table) -> list[NDArray[Any]]:  # of several types
    return [np.asarray(table[c].to_numpy(zero_copy_only=False)) for c in _COLUMNS[:-1]]


def _count(files: Iterator[_Marked], committed: Mapping[int, int]) -> int:
    """Rows that count, each by its last try."""
    parts = list(files)
    if not parts:
        return 0
    partition, offset, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return sum(_last_tries(offset, counts, (partition == p) & (offset < end)) for p, end in committed.items())


def _last_tries(offset: NDArray[np.int64], counts: NDArray[np.bool_], mine: NDArray[np.bool_]) -> int:
    """How many count among the rows in bool[n] `mine`, each offset by its last row."""
    _, last = np.unique(offset[mine][::-1], return_index=True)
    return int(counts[mine][::-1][last].sum())

"""The days that have no labels yet: kept as summaries on disk, read as drift signs for each slot.

What a step sees depends on its cohort alone, not on the moment at which it is taken: a restart, a backtest and a
manager that is behind see the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlfa.free_agency.drift import DriftSign, Look, Reference, look, read_sign, reference_of
from rlfa.free_agency.rules import DriftRules
from rlfa.free_agency.state import ManagerState, SlotState
from rlfa.lineup.slots import DAY_MS, AgentId, Day, SlotId
from rlfa.outcomes import log
from rlfa.outcomes.summaries import DaySummary, read_summary, write_summary

LOOKS_MAX = 256  # kept in memory; all can be read again


def seen_through(cohort: Day, label_delay_ms: int, lateness_max_ms: int) -> Day:
    """The newest day that is whole, late records included, when a cohort closes; the cohort itself at least."""
    closes_at = (cohort + 1) * DAY_MS + label_delay_ms
    return Day(max(cohort, (closes_at - lateness_max_ms) // DAY_MS - 1))


def first_day_of(slot: SlotState) -> Day:
    """The first day that a slot's incumbent decided whole."""
    return slot.since_day if slot.swapped is None else Day(slot.since_day + 1)


def days_of(slot: SlotState, days: Sequence[Day], rules: DriftRules) -> tuple[tuple[Day, ...], tuple[Day, ...]]:
    """A slot's reference, and the newest days to be compared with it; both empty while there are too few.

    Args:
        slot: with its incumbent.
        days: that have a summary, ascending.
        rules: of the user.
    """
    own = tuple(day for day in days if day >= first_day_of(slot))
    reference, rest = own[: rules.reference_days], own[rules.reference_days :]
    return (reference, rest[-(rules.days_alarm + 1) :]) if rest else ((), ())


@dataclass(slots=True)
class UnlabelledDays:
    """Summaries below a folder, and what has been read from them.

    Args:
        folder: of the summaries.
    """

    folder: Path
    _references: dict[tuple[AgentId, tuple[Day, ...], DriftRules], Reference] = field(default_factory=dict)
    _looks: dict[tuple[AgentId, Day, Day], Look | None] = field(default_factory=dict)

    def days(self) -> list[Day]:
        """Those that have a summary, ascending."""
        return log.closed_days(self.folder)

    def add(self, summary: DaySummary) -> None:
        """Keep a day; one that is kept already stays as it is."""
        if not log.path_of(self.folder, summary.day).exists():
            write_summary(summary, self.folder)

    def signs(self, state: ManagerState, through: Day, rules: DriftRules) -> dict[SlotId, DriftSign]:
        """What the days up to one say of each slot that has a reference.

        Args:
            state: whose incumbents are looked at.
            through: the newest day to look at.
            rules: of the user.
        """
        days = [day for day in self.days() if day <= through]
        there = {slot.incumbent for slot in state.slots}
        self._references = {key: reference for key, reference in self._references.items() if key[0] in there}
        found = {slot.id: self._sign(slot, days, rules) for slot in state.slots}
        return {slot: sign for slot, sign in found.items() if sign is not None}

    def _sign(self, slot: SlotState, days: Sequence[Day], rules: DriftRules) -> DriftSign | None:
        first, newest = days_of(slot, days, rules)
        if not first:
            return None
        reference = self._reference(slot.incumbent, first, rules)
        looks = [one for day in newest if (one := self._look(reference, day, rules)) is not None]
        return read_sign(reference, looks, rules) if looks else None

    def _reference(self, agent: AgentId, days: tuple[Day, ...], rules: DriftRules) -> Reference:
        key = agent, days, rules
        if key not in self._references:
            self._references[key] = reference_of([read_summary(self.folder, day) for day in days], agent, rules)
        return self._references[key]

    def _look(self, reference: Reference, day: Day, rules: DriftRules) -> Look | None:
        """None for a day with too few rows to say anything."""
        key = reference.agent, reference.days[0].day, day
        if key not in self._looks:
            if len(self._looks) >= LOOKS_MAX:
                self._looks.pop(next(iter(self._looks)))
            summary = read_summary(self.folder, day)
            enough = summary.rows >= rules.rows_min
            self._looks[key] = look(reference.days, summary, reference.agent, rules) if enough else None
        return self._looks[key]

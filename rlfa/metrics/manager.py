"""What the manager counts, and where free agency stands: read off its state, which is all that there is."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

import msgspec

from rlfa.free_agency.events import Event
from rlfa.free_agency.state import ManagerState, SlotState, Standing
from rlfa.lineup.slots import AgentId, Day, SlotId
from rlfa.metrics.process import ProcessReport

KINDS = tuple(kind.__name__ for kind in get_args(Event))
STANDINGS: tuple[str, ...] = get_args(Standing)


class ProbationReport(msgspec.Struct, frozen=True, kw_only=True):
    """One challenger's test; logarithms, since e-values overflow."""

    slot: SlotId
    agent: AgentId
    stage: str
    log_e: float
    log_bound: float
    """It is promoted from here on."""
    frauds: int


class GuardReport(msgspec.Struct, frozen=True, kw_only=True):
    """A newcomer's test against the agent that it replaced."""

    slot: SlotId
    agent: AgentId
    log_sr: float
    log_bound: float
    """It is rolled back from here on."""


class ManagerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The manager."""

    process: ProcessReport
    epoch: int
    day: Day
    """The newest cohort taken."""
    trainings: int
    """Under way or waiting."""
    entries: dict[str, int]
    """Of the ledger, by kind, since the process started."""
    waits: dict[str, int]
    """Times that it had to wait, by for whom."""
    is_store_up: bool
    probations: tuple[ProbationReport, ...]
    guards: tuple[GuardReport, ...]
    weights: dict[SlotId, float]
    standings: dict[SlotId, str]


@dataclass(slots=True)
class ManagerMeter:
    """Adds up what the manager does."""

    entries: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(KINDS, 0)))
    waits: Counter[str] = field(default_factory=lambda: Counter({"broker": 0, "store": 0}))
    is_store_up: bool = True

    def waits_for(self, whom: str) -> None:
        """The broker or the store is away."""
        self.waits[whom] += 1
        self.is_store_up = whom != "store"

    def report(
        self, state: ManagerState, false_alarm_days: float, trainings: int, process: ProcessReport
    ) -> ManagerReport:
        """As of now.

        Args:
            state: of free agency.
            false_alarm_days: of the settings: the guard's alarm.
            trainings: under way or waiting.
            process: the manager's.
        """
        return ManagerReport(
            process=process,
            epoch=state.epoch,
            day=state.day,
            trainings=trainings,
            entries=dict(self.entries),
            waits=dict(self.waits),
            is_store_up=self.is_store_up,
            probations=tuple(p for slot in state.slots for p in _probations(slot)),
            guards=tuple(g for slot in state.slots for g in _guards(slot, false_alarm_days)),
            weights={slot.id: slot.weight for slot in state.slots},
            standings={slot.id: slot.watch.standing for slot in state.slots},
        )


def _probations(slot: SlotState) -> list[ProbationReport]:
    return [
        ProbationReport(
            slot=slot.id,
            agent=p.challenger,
            stage=p.stage,
            log_e=p.e.log_up,
            log_bound=math.log(p.bound),
            frauds=p.frauds,
        )
        for p in slot.probations
    ]


def _guards(slot: SlotState, false_alarm_days: float) -> list[GuardReport]:
    if slot.guard is None:
        return []
    log_sr, log_bound = slot.guard.esr.log_sr, math.log(false_alarm_days)
    return [GuardReport(slot=slot.id, agent=slot.incumbent, log_sr=log_sr, log_bound=log_bound)]

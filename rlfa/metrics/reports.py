"""What actors answer when they are asked how they are: frozen values that go from their processes to the endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from rlfa.lanes.session import LaneStatus
from rlfa.metrics.lane import LaneCounts
from rlfa.metrics.manager import ManagerReport
from rlfa.metrics.process import ProcessReport
from streams.kafka.source import Place


class LaneReport(msgspec.Struct, frozen=True, kw_only=True):
    """One lane."""

    lane: int
    process: ProcessReport
    counts: LaneCounts
    turn_s: float | None
    """Seconds since its last turn or answer of the broker; None while it waits to connect."""
    status: LaneStatus | None
    """None while it connects or recovers."""
    reached: dict[Place, int]
    """The first offset without a decision; where all that the broker had is decided, the one after its last."""
    alerts_raised: int
    """On the newest day of event time."""
    was_hung: bool
    """The watchdog ended the process before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Everybody's at one moment; None of who didn't answer in time."""

    lanes: Mapping[int, LaneReport | None]
    manager: ManagerReport | None
    others: Mapping[str, ProcessReport | None]
    """Shards, and hosts in processes of their own, by name."""

    @property
    def processes(self) -> dict[str, ProcessReport | None]:
        """By name."""
        lanes = {f"lane-{lane}": report.process if report else None for lane, report in self.lanes.items()}
        return {**lanes, "manager": self.manager.process if self.manager else None, **self.others}

    @property
    def reached(self) -> dict[Place, int]:
        """By all lanes that answer."""
        return {place: at for report in self.lanes.values() if report for place, at in report.reached.items()}

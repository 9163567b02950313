"""What actors answer when they are asked how they are: frozen values that go from their processes to the endpoint."""

from __future__ import annotations

import msgspec

from rlfa.lanes.session import LaneStatus
from rlfa.metrics.lane import LaneCounts
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

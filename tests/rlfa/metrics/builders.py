"""Reports and looks as an observer would have them."""

from __future__ import annotations

from rlfa.lanes.session import LaneStatus
from rlfa.lineup.slots import AgentId, Epoch, Lineup, Slot, SlotId
from rlfa.metrics.lag import Lag
from rlfa.metrics.lane import LaneMeter
from rlfa.metrics.observer import Seen
from rlfa.metrics.process import ProcessReport
from rlfa.metrics.reports import LaneReport, Reports
from streams.kafka.source import Place

TRANSACTIONS: Place = ("transactions", 0)


def process(pid: int = 1) -> ProcessReport:
    return ProcessReport(pid=pid, resident_bytes=1 << 20, cpu_seconds=1.5, open_files=7)


def status() -> LaneStatus:
    slot = Slot(id=SlotId("a"), incumbent=AgentId("one"), weight=1.0)
    return LaneStatus(
        lane=0,
        decided=5,
        dead_letters={},
        epoch=2,
        lineup=Lineup(epoch=Epoch(2), slots=(slot,)),
        event_time=2000,
        labels_waiting=3,
        state_bytes=4096,
    )


def lane(
    number: int = 0,
    *,
    pid: int = 1,
    turn_s: float = 0.0,
    recovers: bool = False,
    was_hung: bool = False,
    reached: int = 0,
    meter: LaneMeter | None = None,
) -> LaneReport:
    return LaneReport(
        lane=number,
        process=process(pid),
        counts=(meter or LaneMeter()).counts(),
        turn_s=turn_s,
        status=None if recovers else status(),
        reached={TRANSACTIONS: reached},
        alerts_raised=4,
        was_hung=was_hung,
    )


def reports(*lanes: LaneReport | None) -> Reports:
    return Reports(lanes=dict(enumerate(lanes)), manager=None, others={})


def seen(*lanes: LaneReport | None, at: float = 100.0, behind_s: float = 0.0) -> Seen:
    return Seen(at=at, reports=reports(*lanes), lags={TRANSACTIONS: Lag(9, behind_s, 0)}, restarts={})

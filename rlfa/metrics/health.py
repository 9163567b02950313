"""Live and ready: one line of reason when not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rlfa.metrics.observer import Seen
from rlfa.metrics.settings import MetricsSettings

Phase = Literal["starts", "runs", "stops"]


@dataclass(slots=True)
class Health:
    """What probes are told; the service's main loop beats, the observer looks.

    Args:
        settings: with the limits.
        transactions: the topic whose lag counts.
    """

    settings: MetricsSettings
    transactions: str
    phase: Phase = "starts"
    beat: float = 0.0
    """Of the main loop, seconds, monotonic."""
    seen: Seen | None = None
    """The newest look."""

    def not_live(self, now: float) -> str:
        """Why the process ought to be ended; empty while it lives. Starting and stopping have bounds of their own."""
        if self.phase != "runs":
            return ""
        return self._too_old("main loop", self.beat, now)

    def not_ready(self, now: float) -> str:
        """Why not every lane decides within its limits; empty while all do."""
        if self.phase != "runs":
            return f"service: {self.phase}"
        if self.seen is None:
            return "service: nobody has been asked yet"
        looked = self._too_old("last look", self.seen.at, now)
        return looked or next(_troubles(self.seen, self.settings, self.transactions), "")

    def _too_old(self, what: str, at: float, now: float) -> str:
        limit = self.settings.live_s
        return f"{what}: found {now - at:.0f} s ago, allowed: {limit:g} (metrics.live_s)" if now - at > limit else ""


def _troubles(seen: Seen, settings: MetricsSettings, transactions: str) -> Iterator[str]:
    if not seen.is_broker_up:
        yield f"broker: no answer within {settings.answer_s:g} s"
    for lane, report in seen.reports.lanes.items():
        if report is None:
            yield f"lane {lane}: no answer within {settings.answer_s:g} s"
        elif report.status is None:
            yield f"lane {lane}: connects or recovers"
        elif (report.turn_s or 0.0) > settings.ready_turn_s:
            allowed = f"{settings.ready_turn_s:g} (metrics.ready_turn_s)"
            yield f"lane {lane}: found a batch of {report.turn_s:.1f} s, allowed: {allowed}"
    for (topic, partition), lag in seen.lags.items():
        if topic == transactions and lag.seconds > settings.ready_lag_s:
            allowed = f"{settings.ready_lag_s:g} (metrics.ready_lag_s)"
            yield f"{topic} partition {partition}: found {lag.seconds:.0f} s behind, allowed: {allowed}"

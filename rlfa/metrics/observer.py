"""Looks at lanes, manager, hosts and the broker's offsets again and again, from outside of all of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rlfa.metrics.lag import Lag, Lags
from rlfa.metrics.reports import Reports
from rlfa.telemetry import logger
from streams.errors import StreamsError
from streams.kafka.offsets import Standing
from streams.kafka.source import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look.

    Attributes:
        at: seconds, monotonic, when it was finished.
        reports: of those who answered.
        lags: by partition; empty while the broker is away.
        restarts: processes that came back, by name and reason, since the first look.
    """

    at: float
    reports: Reports
    lags: Mapping[Place, Lag]
    restarts: Mapping[tuple[str, str], int]

    @property
    def is_broker_up(self) -> bool:
        """Whether it answered."""
        return bool(self.lags)


@dataclass(slots=True)
class Restarts:
    """Counts processes that came back under another number."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _pids: dict[str, int] = field(default_factory=dict)

    def look(self, reports: Reports) -> Mapping[tuple[str, str], int]:
        """Those so far; who doesn't answer is not back yet."""
        hung = {f"lane-{lane}" for lane, report in reports.lanes.items() if report and report.was_hung}
        for name, process in reports.processes.items():
            self.counts.update({(name, "died"): 0, (name, "watchdog"): 0})
            if process is None:
                continue
            if self._pids.setdefault(name, process.pid) != process.pid:
                self.counts[name, "watchdog" if name in hung else "died"] += 1
                self._pids[name] = process.pid
        return dict(self.counts)


@dataclass(slots=True)
class Observer:
    """A thread that looks.

    Args:
        ask: everybody for a report; returns within a bounded time.
        standings: asks the broker for offsets.
        seen: told of each look.
        every_s: between two looks.
    """

    ask: Callable[[], Reports]
    standings: Callable[[], Mapping[Place, Standing]]
    seen: Callable[[Seen], object]
    every_s: float
    _lags: Lags = field(default_factory=Lags)
    _restarts: Restarts = field(default_factory=Restarts)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after a last look."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self.look()

    def look(self) -> None:
        """Once. Offsets come first: what lanes say then is at least as new, so no lag is seen that isn't there."""
        try:
            standings = self.standings()
        except StreamsError as error:
            logger().debug("broker_away", error=str(error))
            standings = {}
        reports, at = self.ask(), time.monotonic()
        lags = self._lags.look(at, standings, reports.reached)
        self.seen(Seen(at=at, reports=reports, lags=lags, restarts=self._restarts.look(reports)))

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(self.every_s)

"""Labels as they come, and a glance now and then while none do: they are days late, and a look is work."""

from __future__ import annotations

from dataclasses import dataclass

from streams.kafka.source import Record, Source

MOST = 10_000  # labels taken at once
QUIET_S = 1.0
GLANCE_EVERY_S, GLANCE_S = 0.1, 0.02


@dataclass(slots=True)
class LabelReader:
    """Reads a lane's labels beside its transactions.

    Some brokers answer at once when there is nothing to fetch, and a client then asks again at once: two such clients
    keep a core busy. After a second without a label the reader sleeps, and looks ten times a second.

    Args:
        source: assigned already.
        heard_s: monotonic clock, when a label last came; at first the begin.
    """

    source: Source
    heard_s: float
    _woke_s: float = 0.0
    _wakes_s: float | None = None

    def poll(self, now_s: float) -> list[Record]:
        """What has come, without waiting."""
        if self._wakes_s is not None:
            if now_s < self._wakes_s:
                return []
            self.source.resume()
            self._wakes_s, self._woke_s = None, now_s
        records = self.source.consume(MOST, 0.0)
        if records:
            self.heard_s = now_s
        elif now_s - self.heard_s > QUIET_S and now_s - self._woke_s > GLANCE_S:
            self.source.pause()
            self._wakes_s = now_s + GLANCE_EVERY_S
        return records

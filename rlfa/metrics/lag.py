"""How far a service is behind its topics, in records and in seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.kafka.offsets import Standing
from streams.kafka.source import Place

LOOKS_MAX = 4096  # of a partition that is kept; one further behind than they reach is at least so far


class Lag(NamedTuple):
    """Of one partition."""

    records: int
    """Up to the end that a `read_committed` reader sees, transaction markers between included; 0 at the end."""
    seconds: float
    """Since there was something to do for the partition."""
    unfinished: int
    """Offsets behind that end, in transactions that nobody has ended."""


@dataclass(slots=True)
class Lags:
    """Watches ends and offsets go by.

    The broker's own difference is no lag: markers that end transactions are counted and never read. A lane that has
    read a partition to its end says so, with the offset behind the markers, and that offset stands. Seconds are told by
    when an end was first seen beyond what is decided: event time and the producers' clocks have no part in it.
    """

    _ends: dict[Place, deque[tuple[float, int]]] = field(default_factory=dict)

    def look(self, at: float, found: Mapping[Place, Standing], reached: Mapping[Place, int]) -> dict[Place, Lag]:
        """What the broker says and what the lanes say, at one moment.

        Args:
            at: seconds, monotonic.
            found: by the broker.
            reached: by the lanes that answer, see `LaneReport`.
        """
        return {
            place: self._one(at, place, standing, max(standing.committed or 0, reached.get(place, 0)))
            for place, standing in found.items()
        }

    def _one(self, at: float, place: Place, standing: Standing, reached: int) -> Lag:
        ends = self._ends.setdefault(place, deque(maxlen=LOOKS_MAX))
        if not ends or ends[-1][1] != standing.end:
            ends.append((at, standing.end))
        while ends and ends[0][1] <= reached:
            ends.popleft()
        seconds = at - ends[0][0] if ends else 0.0
        return Lag(max(standing.end - reached, 0), seconds, standing.end_open - standing.end)

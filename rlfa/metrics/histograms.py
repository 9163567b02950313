"""Histograms that an actor keeps itself: plain lists that cost a fraction of a microsecond to add to."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import msgspec

SECONDS = (
    0.0001,
    0.0002,
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
)
# The bounds that are wanted of the service are among these: 20, 30 and 60 ms.
LATENCY = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
ROWS = tuple(float(2**power) for power in range(0, 17, 2))


class Counts(msgspec.Struct, frozen=True):
    """A histogram at one moment."""

    bounds: tuple[float, ...]
    """Upper, inclusive, ascending."""
    counts: tuple[int, ...]
    """Of each bound alone, and at the end of what lies above all."""
    sum: float


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound.

    Args:
        bounds: inclusive, ascending.
    """

    bounds: tuple[float, ...] = SECONDS
    _counts: list[int] = field(init=False)
    _sum: float = 0.0

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, or several as large as it."""
        self._counts[bisect_left(self.bounds, value)] += times
        self._sum += value * times

    def counts(self) -> Counts:
        """As of now."""
        return Counts(self.bounds, tuple(self._counts), self._sum)

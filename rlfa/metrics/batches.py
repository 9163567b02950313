"""What is measured of one batch on its way through a lane: when each stage ended, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from rlfa.outcomes.journal import DecisionRows

STAGES = ("consume", "decode", "features", "score", "decide", "reasons", "journal", "encode", "produce", "commit")
# It held all that a batch may; all that it may to keep to the latency target; all that was there.
SentBecause = Literal["full", "target", "drained"]


def sent_because(rows: int, limit: int, most: int) -> SentBecause:
    """Why a batch was sent.

    Args:
        rows: that it holds.
        limit: for the sake of latency.
        most: that any batch may hold.
    """
    if rows < limit:
        return "drained"
    return "full" if rows >= most else "target"


@dataclass(slots=True)
class BatchLog:
    """One batch, from the poll that found it to its commit; it is called with each stage's name as that ends.

    A stage that comes twice counts once, with the sum of its times.

    Args:
        began: by the clock, before the poll.
        clock: seconds, monotonic.
    """

    began: float = field(default_factory=time.perf_counter)
    clock: Callable[[], float] = time.perf_counter
    ends: list[tuple[str, float]] = field(default_factory=list)
    rows: DecisionRows | None = None
    suspended: tuple[str, ...] = ()
    """Rules that have declined all that they may on a day, within this batch."""

    def __call__(self, stage: str) -> None:
        """A stage has ended."""
        self.ends.append((stage, self.clock()))

    def seconds(self) -> dict[str, float]:
        """How long each stage took."""
        found, before = dict[str, float](), self.began
        for stage, end in self.ends:
            found[stage] = found.get(stage, 0.0) + end - before
            before = end
        return found

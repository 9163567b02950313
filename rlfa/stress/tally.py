"""What became of each transaction: decided once, twice or never, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a run."""

    sent: int
    decided: int
    """Different transactions with a decision."""
    lost: int
    """Without one when the wait was over."""
    doubled: int
    """Decisions beyond the first of a transaction."""
    refused: int
    """Dead letters: of those that are lost."""
    seconds: float
    """From the first transaction to the last decision."""
    per_second: float
    """Decisions."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    """None where nothing was decided."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Past which a run has failed."""

    lost: int = 0
    doubled: int = 0
    p95_ms: float | None = None
    p99_ms: float | None = None

    def broken_by(self, found: Found) -> list[str]:
        """One line for each."""
        limits = {"lost": self.lost, "doubled": self.doubled, "p95_ms": self.p95_ms, "p99_ms": self.p99_ms}
        values = {name: getattr(found, name) for name in limits}
        return [
            f"{name}: found {'no decision' if values[name] is None else f'{values[name]:g}'}, allowed: {limit:g}"
            for name, limit in limits.items()
            if limit is not None and (values[name] is None or values[name] > limit)
        ]


@dataclass(slots=True)
class Tally:
    """Pairs of what was sent and what was decided; one thread sends, another reads.

    Times are seconds, monotonic. A transaction's time is when it was due, not when the sender came to it: a sender that
    is held up doesn't hide that its transactions waited.
    """

    _due: dict[str, float] = field(default_factory=dict)
    _took: list[float] = field(default_factory=list)
    _decided: set[str] = field(default_factory=set)
    decisions: int = 0
    refused: int = 0
    first: float | None = None
    last: float | None = None

    def send(self, tx_id: str, due: float) -> None:
        """One is about to be sent."""
        self.first = due if self.first is None else self.first
        self._due[tx_id] = due

    def decide(self, tx_id: str, at: float) -> None:
        """A reader holds a decision."""
        self.decisions += 1
        self.last = at
        if tx_id not in self._decided:
            self._decided.add(tx_id)
            self._took.append(at - self._due[tx_id])

    @property
    def open(self) -> int:
        """Sent, and neither decided nor refused."""
        return len(self._due) - len(self._decided) - self.refused

    def found(self) -> Found:
        """So far."""
        seconds = max((self.last or 0.0) - (self.first or 0.0), 0.0)
        took = np.percentile(self._took, [50, 95, 99, 100]) * 1000 if self._took else [None] * 4
        p50, p95, p99, most = (None if value is None else round(float(value), 3) for value in took)
        return Found(
            sent=len(self._due),
            decided=len(self._decided),
            lost=len(self._due) - len(self._decided),
            doubled=self.decisions - len(self._decided),
            refused=self.refused,
            seconds=round(seconds, 3),
            per_second=round(len(self._decided) / seconds, 1) if seconds else 0.0,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            max_ms=most,
        )

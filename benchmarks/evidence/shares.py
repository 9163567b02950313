"""Shares with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import beta


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the exact interval of Clopper and Pearson at 95 %."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.of

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return float(beta.ppf(0.025, self.hits, self.of - self.hits + 1)) if self.hits else 0.0

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return float(beta.ppf(0.975, self.hits + 1, self.of - self.hits)) if self.hits < self.of else 1.0

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

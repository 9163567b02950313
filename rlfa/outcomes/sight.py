"""Whose truth was seen, where declined payments never show theirs, and how much each seen one stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of n rows.

    Attributes:
        seen: bool[n], let through or looked at: its truth is known by now.
        chance: float64[n], the probability with which it came to be seen: 1 for what was approved or sent to review
            anyway, that of exploration for a would-be decline. 0 for all payments, approved ones too, that exploration
            didn't cover: nobody can say there what declines hid, so they are left out.
    """

    seen: NDArray[np.bool_]
    chance: NDArray[np.float64]

    @property
    def covered(self) -> NDArray[np.bool_]:
        """bool[n], the rows that are measured."""
        return self.chance > 0

    @property
    def weight(self) -> NDArray[np.float64]:
        """float64[n], how many rows each stands for: 1/chance where it was seen, else 0."""
        return self._over_chance(1.0)

    def scaled(self, chance_min: float) -> NDArray[np.float64]:
        """float64[n] in [0, 1], weights that a test may bet on: chance_min/chance where it was seen, else 0.

        Args:
            chance_min: fixed before the test began; no covered row has less.
        """
        assert self.least >= chance_min
        return np.minimum(self._over_chance(chance_min), 1.0)

    @property
    def least(self) -> float:
        """The smallest chance that a covered row had; infinite without one."""
        # 1 - (1 - p) has lost the last digit of p.
        return float(np.round(self.chance[self.covered], 12).min(initial=np.inf))

    def _over_chance(self, numerator: float) -> NDArray[np.float64]:
        out = np.zeros(len(self.chance))
        return np.divide(numerator, self.chance, out=out, where=self.covered & self.seen)

    def take(self, rows: NDArray[np.intp]) -> Sight:
        """The same of some rows."""
        return Sight(self.seen[rows], self.chance[rows])


def sight_of(table: pa.Table) -> Sight | None:
    """The sight that a closed day was written with; None where the truth about every row is known.

    Args:
        table: with the columns `action`, `propensity`, `explored`, `covered` and, unless all is known, `seen`.
    """
    if SEEN not in table.column_names:
        return None
    masks = (table[n].to_numpy(zero_copy_only=False) for n in (SEEN, "explored", "covered"))
    seen, explored, covered = (np.asarray(m, np.bool_) for m in masks)
    propensity = table["propensity"].to_numpy()
    chance = np.where(explored, propensity, np.where(seen, 1.0, 1.0 - propensity))
    return Sight(seen, np.where(covered, chance, 0.0))

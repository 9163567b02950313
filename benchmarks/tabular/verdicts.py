"""Where a method helps: sets on which it differs from another by more than the seeds do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("helps on", "hurts on", "same on")
ERRORS = 2.0  # standard errors of a difference that count as one


def seed_error(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard error of the difference of two methods' means, float64[sets], of scores float64[methods, sets, seeds].

    The spread over seeds is pooled over the methods: three seeds of one alone say little.
    """
    pooled = found.var(axis=2, ddof=1).mean(axis=0)
    return np.asarray(np.sqrt(2.0 * pooled / found.shape[2]))


def verdict(gain: NDArray[np.float64], error: NDArray[np.float64], names: Sequence[str]) -> dict[str, object]:
    """Cells of a row that name the sets where a gain float64[sets] is beyond its error float64[sets]."""
    beyond = np.abs(gain) > ERRORS * error
    helps = [name for name, g, b in zip(names, gain, beyond, strict=True) if b and g > 0]
    hurts = [name for name, g, b in zip(names, gain, beyond, strict=True) if b and g < 0]
    same = f"{len(names) - len(helps) - len(hurts)} of {len(names)}"
    return dict(zip(COLUMNS, (", ".join(helps) or "-", ", ".join(hurts) or "-", same), strict=True))

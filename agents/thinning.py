"""Fewer genuine rows to learn from, and the way back to the prior of all rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def thinned(y: NDArray[np.bool_], per_fraud: float, rng: np.random.Generator) -> tuple[NDArray[np.intp], float]:
    """Rows kept, all frauds among them, and what to add to a logit learnt from these for the prior of all rows.

    Source: Dal Pozzolo, Caelen, Johnson, Bontempi 2015, "Calibrating probability with undersampling for unbalanced
    classification", eq. 4.
    """
    fraud, genuine = np.flatnonzero(y), np.flatnonzero(~y)
    wanted = int(per_fraud * len(fraud))
    if wanted >= len(genuine):
        return np.arange(len(y)), 0.0
    kept = rng.choice(genuine, wanted, replace=False)
    return np.sort(np.concatenate([fraud, kept])), float(np.log(wanted / len(genuine)))

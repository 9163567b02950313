"""The contributions shown with a decision: which features moved the lineup's logit, and by how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REASONS_MAX = 5


def strongest(contributions: NDArray[np.float64], most: int = REASONS_MAX) -> list[list[int]]:
    """The features that speak most for fraud, strongest first, row by row.

    Args:
        contributions: float64[n, d], in logits; positive speaks for fraud.
        most: reasons per row.

    Returns:
        n lists of column indices, each with at most `most`; only positive contributions.
    """
    order = np.argsort(-contributions, axis=1, kind="stable")[:, :most]
    return [[int(j) for j in row if contributions[i, j] > 0] for i, row in enumerate(order)]

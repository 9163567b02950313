"""Logits that mean what they say: Platt scaling, monotone, so that the ranking stays."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FRAUDS_MIN = 10  # fewer say nothing about probabilities
SLOPE_BOUNDS = (0.2, 5.0)


class Platt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`slope * logit + shift`, slope positive."""

    slope: float = 1.0
    shift: float = 0.0

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[n] to float32[n]."""
        return (np.float32(self.slope) * logits + np.float32(self.shift)).astype(np.float32)


def fit_platt(logits: NDArray[np.float32], fraud: NDArray[np.bool_]) -> tuple[Platt, str]:
    """The scaling with the least log loss on rows that training didn't see.

    Args:
        logits: float32[n].
        fraud: bool[n].

    Returns:
        The scaling and a line for the data card; no scaling where there are too few frauds.

    Source: Platt 1999, "Probabilistic outputs for support vector machines", with his smoothed targets.
    """
    positives = int(fraud.sum())
    negatives = len(fraud) - positives
    if positives < FRAUDS_MIN or negatives < FRAUDS_MIN:
        return Platt(), f"none: {positives} frauds and {negatives} genuine rows, at least {FRAUDS_MIN} of each wanted"
    target = np.where(fraud, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    x = logits.astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * x + parameters[1]
        value = np.mean(np.logaddexp(0.0, z) - target * z)
        gradient = (0.5 * (1.0 + np.tanh(0.5 * z)) - target) / len(x)
        return float(value), np.array([gradient @ x, gradient.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[SLOPE_BOUNDS, (None, None)], method="L-BFGS-B")
    return Platt(slope=float(found.x[0]), shift=float(found.x[1])), f"platt on {len(fraud)} rows, {positives} frauds"

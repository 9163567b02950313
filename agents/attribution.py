"""Reasons from trees: what each feature adds to the mixture's logit, adding up to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(16)
POINTS, WEIGHTS = (POINTS + 1.0) / 2.0, WEIGHTS / 2.0  # on [0, 1]

Array = NDArray[np.float64]


def mixture_logit(weights: Array, logits: Array) -> Array:
    """Logit float64[...] of the weighted mean of probabilities, over the last axis."""
    p = (weights * _sigmoid(logits)).sum(axis=-1)
    q = (weights * _sigmoid(-logits)).sum(axis=-1)
    return np.asarray(np.log(p) - np.log(q))


def share_out(weights: Array, base: Array, parts: Array) -> tuple[Array, Array]:
    """What each feature adds to the mixture's logit, float64[n, d], and where each row starts from, float64[n].

    Every expert goes from its base to its logit in a straight line; the mixture's change along it belongs to the
    experts as they move it (Aumann and Shapley's prices), and an expert's share to its features as its own parts do.
    A row starts from what its gate's weights make of the experts' bases.

    Args:
        weights: float64[n, k] of the gate, each row sums to 1.
        base: float64[k], where each expert starts from.
        parts: float64[n, k, d], what each feature adds to each expert's logit.

    Source: Sundararajan, Taly, Yan 2017, "Axiomatic attribution for deep networks", eq. 1, over the experts' logits.
    """
    change = parts.sum(axis=2)
    slope = np.zeros_like(change)
    for point, weight in zip(POINTS, WEIGHTS, strict=True):
        slope += weight * _slope(weights, base + point * change)
    out = np.einsum("nk,nkd->nd", slope, parts)
    start = mixture_logit(weights, np.broadcast_to(base, change.shape))
    missing = mixture_logit(weights, base + change) - start - out.sum(axis=1)  # the quadrature's error
    size = np.abs(out)
    out += missing[:, None] * size / np.maximum(size.sum(axis=1, keepdims=True), 1e-12)
    return out, start


def _slope(weights: Array, logits: Array) -> Array:
    """Derivative of the mixture's logit by each expert's, float64[n, k]."""
    up, down = _sigmoid(logits), _sigmoid(-logits)
    p = (weights * up).sum(axis=1, keepdims=True)
    q = (weights * down).sum(axis=1, keepdims=True)
    return np.asarray(weights * up * down / (p * q))


def _sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))

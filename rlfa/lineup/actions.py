"""Costs to actions: what a score and an amount make the service do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlfa.rewards.money import Costs

# The order is the code: 0 approves, everything above stops the payment for a while or for good.
ACTIONS = ("approve", "review", "decline")


def combine(logits: NDArray[np.float32], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The lineup's probability of fraud: the weighted mean of its agents' calibrated logits.

    An agent without a score (NaN: its host is away) is left out, and the rest share its weight for that row.

    Args:
        logits: float32[n, k], one column per slot; at least one number with a weight in each row.
        weights: float64[k] or float64[n, k]; 0 where a slot doesn't play a row, else positive.

    Returns:
        Scores float64[n] in [0, 1], and bool[n]: decided without some agent that plays (`degraded`).
    """
    there = np.isfinite(logits)
    mean = mean_logit(logits, weights)
    whole = np.asarray((there | (weights == 0.0)).all(axis=1))
    score: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-mean))
    return score, ~whole


def mean_logit(logits: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n], the weighted mean of each row's numbers; arguments as of `combine`."""
    there = np.isfinite(logits)
    shares = there * weights
    mean: NDArray[np.float64] = (np.where(there, logits, 0.0) * shares).sum(axis=1) / shares.sum(axis=1)
    return mean


def choose(score: NDArray[np.float64], amount: NDArray[np.float64], costs: Costs) -> NDArray[np.int8]:
    """The action with the largest expected gain in money against approving.

    Args:
        score: float64[n], probabilities of fraud.
        amount: float64[n], in the stream's currency.
        costs: of the user.

    Returns:
        int8[n], index into `ACTIONS`.
    """
    best: NDArray[np.int8] = gains(score, amount, costs).argmax(axis=1).astype(np.int8)
    return best


def gains(score: NDArray[np.float64], amount: NDArray[np.float64], costs: Costs) -> NDArray[np.float64]:
    """What each action is expected to gain against approving.

    With s the score: declining gains `s·ρ·amount − (1−s)·fp`; a review gains `s·ρ·amount·q − review`, since the
    analyst finds the share q of frauds and lets the genuine go.

    Args:
        score: float64[n], probabilities of fraud.
        amount: float64[n], in the stream's currency.
        costs: of the user.

    Returns:
        float64[n, 3], columns as `ACTIONS`; the first is 0.

    Source: references' expected-cost rule after Bahnsen et al. 2013, "Cost sensitive credit card fraud detection using
    Bayes minimum risk"; three actions as in the design's §6.
    """
    prevented = score * costs.prevented_share * np.maximum(amount, 0.0)
    review = prevented * costs.review_catch_rate - costs.review
    decline = prevented - (1.0 - score) * costs.false_positive
    return np.stack([np.zeros_like(score), review, decline], axis=1)

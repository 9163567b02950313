"""Which alerts people should look at first: those on which agents disagree, then those where most is at stake.

Where agents agree a verdict tells nothing about which is better: both win or both lose, and the paired loss is 0. So a
look at a disagreement pays twice, and the rest of the analysts' time goes by the expected loss.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlfa.lineup.actions import choose
from rlfa.rewards.money import Costs, probability


def priorities(
    logits: NDArray[np.float32],
    score: NDArray[np.float64],
    amount: NDArray[np.float64],
    action: NDArray[np.int8],
    costs: Costs,
) -> NDArray[np.float64]:
    """A number to sort alerts by, largest first.

    Agents disagree where one alone would approve and another would not, by the same costs. Challengers and benched
    agents count too: it is their tests that a verdict feeds.

    Args:
        logits: float32[n, k] of all agents that score; NaN where one gave none: it takes no side.
        score: float64[n], the lineup's.
        amount: float64[n], in the stream's currency.
        action: int8[n], what is done.
        costs: of the user.

    Returns:
        float64[n]: 0 for what was approved; from 1 to 2 where agents disagree, else from 0 to 1, rising with the
        expected loss `s·rho·amount` as `loss/(loss + 1)`.
    """
    loss = score * costs.prevented_share * np.maximum(amount, 0.0)
    return np.where(action > 0, disagree(logits, amount, costs) + loss / (loss + 1.0), 0.0)


def disagree(logits: NDArray[np.float32], amount: NDArray[np.float64], costs: Costs) -> NDArray[np.bool_]:
    """bool[n]: of the agents float32[n, k] that gave a score, some alone would approve and some would not."""
    there = np.isfinite(logits)
    sides = np.stack([choose(np.nan_to_num(p), amount, costs) > 0 for p in probability(logits).T], axis=1)
    stops, passes = (sides & there).any(axis=1), (~sides & there).any(axis=1)
    return np.asarray(stops & passes)

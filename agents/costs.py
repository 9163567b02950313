"""What mistakes cost, as the weights of training rows, and the way back to log odds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.errors import TrainingDataError

DEAREST = (
    0.99  # quantile of the frauds' costs: those above count like it, or a few payments would be all that is learnt
)


def refuse_unfit_costs(cost: NDArray[np.float64] | None, fraud: NDArray[np.bool_]) -> None:
    """Costs are needed by the cost-weighted loss, one per row.

    Raises:
        TrainingDataError: there are none, not one per row, or a class whose mistakes cost nothing.
    """
    if cost is None:
        raise TrainingDataError("cost", "none", "what a mistake about each row costs, for the cost-weighted loss")
    if cost.shape != fraud.shape or not np.isfinite(cost).all() or (cost < 0).any():
        raise TrainingDataError("cost", f"shape {cost.shape}, or values below 0", f"{len(fraud)} finite costs")
    if not cost[fraud].any() or not cost[~fraud].any():
        raise TrainingDataError("cost", "a class whose mistakes cost nothing", "a cost in each class")


def cost_weights(cost: NDArray[np.float64] | None, fraud: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """Weights float32[n] of mean 1, and what to add to a logit that was learnt with them.

    Where mistakes about a row cost c1 if it is a fraud and c0 if it isn't, the logit learnt is the log odds plus
    `log(E c1 / E c0)` given the row. The mean of that is taken off here; what depends on the row is for calibration.

    Args:
        cost: float64[n], at least 0; None, or nothing in a class: all rows count alike.
        fraud: bool[n].

    Source: Elkan 2001, "The Foundations of Cost-Sensitive Learning", theorem 1; Bahnsen, Aouada, Ottersten 2014,
    "Example-Dependent Cost-Sensitive Logistic Regression for Credit Scoring", section 4.
    """
    if cost is None or not cost[fraud].any() or not cost[~fraud].any():
        return np.ones(len(fraud), np.float32), 0.0
    bounded = np.where(fraud, np.minimum(cost, np.quantile(cost[fraud], DEAREST)), cost)
    shift = float(np.log(bounded[~fraud].mean()) - np.log(bounded[fraud].mean()))
    return (bounded / bounded.mean()).astype(np.float32), shift

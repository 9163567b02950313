"""What training makes small: of the labels, and beside it of the gate's weights, so that no expert is left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.genome import Genome

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # logits, labels and weights of one shape, to their mean loss
Balance = Callable[[Tensor], Tensor]  # gate weights [n, experts], to a loss that is small where all take part


def log_loss(logits: Tensor, fraud: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean negative log likelihood, each row's times its weight: what a mistake about it costs, or its task's weight.

    Source: Bahnsen, Aouada, Ottersten 2014, "Example-Dependent Cost-Sensitive Logistic Regression for Credit Scoring".
    """
    return nn.functional.binary_cross_entropy_with_logits(logits, fraud, weight)


def focal_loss(logits: Tensor, fraud: Tensor, gamma: float) -> Tensor:
    """Mean of `(1 - p)^gamma` times the log loss, p the probability given to what happened.

    Its logits are no log odds: calibration has to make them so.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 4.
    """
    each = nn.functional.binary_cross_entropy_with_logits(logits, fraud, reduction="none")
    return ((1.0 - torch.exp(-each)) ** gamma * each).mean()


def task_weights(tasks: NDArray[np.floating], power: float) -> NDArray[np.float32]:
    """float32[n], of mean 1: the loss is `sum_t pi_t L_t`, L_t a task's mean loss, `pi_t` as its number of rows^power.

    Args:
        tasks: float[n], code of each row's task; NaN is one of its own.
        power: 1 counts every row alike, 0 every task.
    """
    _, task, rows = np.unique(tasks, return_inverse=True, return_counts=True)
    weight = rows[task].astype(np.float64) ** (power - 1.0)
    return np.asarray(weight / weight.mean(), np.float32)


def switch_balance(weights: Tensor) -> Tensor:
    """`experts * sum f P`: f the share of rows whose largest weight an expert has, P its mean weight; 1 when equal.

    Source: Fedus, Zoph, Shazeer 2021, "Switch Transformers", eq. 4 to 6.
    """
    experts = weights.shape[1]
    shares = torch.bincount(weights.argmax(dim=1), minlength=experts) / len(weights)
    return experts * (shares * weights.mean(dim=0)).sum()


def importance_balance(weights: Tensor) -> Tensor:
    """Squared coefficient of variation of the experts' summed weights; 0 when equal.

    Source: Shazeer et al. 2017, "Outrageously Large Neural Networks", eq. 6 and 7.
    """
    importance = weights.sum(dim=0)
    return importance.var(correction=0) / importance.mean() ** 2


def information_balance(weights: Tensor) -> Tensor:
    """Minus the mutual information, in nats, of row and expert: all take part, each in rows of its own."""
    return entropy(weights).mean() - entropy(weights.mean(dim=0))


def entropy(weights: Tensor) -> Tensor:
    """In nats, over the last axis; zero weights count nothing."""
    total: Tensor = torch.special.entr(weights.clamp_min(1e-12)).sum(dim=-1)
    return total


LOSSES: dict[str, Callable[[Genome], Loss]] = {
    "cost": lambda _: log_loss,
    "focal": lambda genome: lambda logits, fraud, _: focal_loss(logits, fraud, genome.focal_gamma),
    "log": lambda _: log_loss,
}
BALANCES: dict[str, Balance] = {
    "importance": importance_balance,
    "information": information_balance,
    "switch": switch_balance,
}

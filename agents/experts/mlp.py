"""Experts with one hidden layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.activations import ACTIVATIONS, units_of
from agents.experts.logistic import BIAS_STD


class MlpExperts(nn.Module):
    """Each expert is a network of one hidden layer; all of them run as one product.

    Args:
        width: of the inputs.
        experts: how many.
        hidden: units of each.
        activation: of these.
        bias: logit of the base rate.
    """

    def __init__(self, width: int, experts: int, hidden: int, activation: str, bias: float) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]()
        self.own = hidden * units_of(self.activation)  # of the first layer's outputs, each expert's
        self.first = nn.Linear(width, experts * self.own)
        nn.init.kaiming_uniform_(self.first.weight, nonlinearity="relu")
        self.last = nn.Parameter(torch.randn(experts, hidden) * (1.0 / hidden**0.5))
        self.bias = nn.Parameter(bias + torch.randn(experts) * BIAS_STD)
        self.experts = experts

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to logits float32[n, experts]."""
        units = self.activation(self.first(x).view(len(x), self.experts, self.own))
        logits: Tensor = (units * self.last).sum(dim=2) + self.bias
        return logits

    def one(self, expert: int, x: Tensor) -> Tensor:
        """One expert's logits float32[n] of float32[n, width]."""
        own = slice(expert * self.own, (expert + 1) * self.own)
        units = self.activation(nn.functional.linear(x, self.first.weight[own], self.first.bias[own]))
        logits: Tensor = units @ self.last[expert] + self.bias[expert]
        return logits

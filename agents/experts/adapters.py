"""Experts that are low-rank changes of one shared layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.activations import ACTIVATIONS, units_of
from agents.experts.logistic import BIAS_STD


class AdapterExperts(nn.Module):
    """Expert i is `v act((W + B_i A_i) x + b) + c_i`: trunk W, b and head v are shared, A, B and c are its own.

    B begins at zero, so all experts begin as the trunk, apart by their c only.

    Args:
        width: of the inputs.
        experts: how many.
        hidden: units of the trunk.
        rank: of each change.
        activation: of the trunk.
        bias: logit of the base rate.

    Source: Liu, Luo 2024, "AdaMoLE", section 3; Hu et al. 2021, "LoRA", section 4.1.
    """

    def __init__(self, width: int, experts: int, hidden: int, rank: int, activation: str, bias: float) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]()
        wide = hidden * units_of(self.activation)
        self.trunk = nn.Linear(width, wide)
        nn.init.kaiming_uniform_(self.trunk.weight, nonlinearity="relu")
        self.down = nn.Parameter(torch.randn(experts, rank, width) / max(width, 1) ** 0.5)
        self.up = nn.Parameter(torch.zeros(experts, wide, rank))
        self.head = nn.Parameter(torch.randn(hidden) / hidden**0.5)
        self.bias = nn.Parameter(bias + torch.randn(experts) * BIAS_STD)

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to logits float32[n, experts]."""
        change = torch.einsum("ner,ehr->neh", torch.einsum("nd,erd->ner", x, self.down), self.up)
        units: Tensor = self.activation(self.trunk(x).unsqueeze(1) + change)
        return units @ self.head + self.bias

    def one(self, expert: int, x: Tensor) -> Tensor:
        """One expert's logits float32[n] of float32[n, width]."""
        change = x @ self.down[expert].T @ self.up[expert].T
        units: Tensor = self.activation(self.trunk(x) + change)
        return units @ self.head + self.bias[expert]

"""Activations of the experts' hidden layers, some with a gate that learns to reach beyond 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Expanded(nn.Module):
    """`x g(x)` with the gate `g` stretched from (0, 1) to (-a, 1 + a); a is learned and begins at 0.

    Args:
        gate: into (0, 1), with `gate(x) + gate(-x) = 1`.

    Source: Huang 2024, "Expanded Gating Ranges Improve Activation Functions", eq. 3 to 5.
    """

    def __init__(self, gate: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.gate = gate
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape, to the same."""
        return x * (self.gate(x) * (1.0 + 2.0 * self.alpha) - self.alpha)


def arctan_gate(x: Tensor) -> Tensor:
    """Arctangent into (0, 1)."""
    return torch.arctan(x) / math.pi + 0.5


def normal_gate(x: Tensor) -> Tensor:
    """The normal distribution's function."""
    return 0.5 * (1.0 + torch.erf(x * math.sqrt(0.5)))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "xatlu": lambda: Expanded(arctan_gate),
    "xgelu": lambda: Expanded(normal_gate),
    "xsilu": lambda: Expanded(torch.sigmoid),
}

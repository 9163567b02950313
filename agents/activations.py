"""Activations of the experts' hidden layers: plain, with a gate that learns to reach beyond 0 and 1, gated linear."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class ExpandedGate(nn.Module):
    """A gate `g` stretched from (0, 1) to (-a, 1 + a); a is learned and begins at 0.

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
        return self.gate(x) * (1.0 + 2.0 * self.alpha) - self.alpha


class Expanded(ExpandedGate):
    """`x g(x)` with the gate `g` stretched."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape, to the same."""
        return x * super().forward(x)


class GatedLinear(nn.Module):
    """Half of the units decide how much of the other half passes: `f(u) v`.

    Args:
        of_first: f, of the first half; a gate (first order) or an activation (second order).

    Source: Shazeer 2020, "GLU Variants Improve Transformer", eq. 5 (second order); Huang 2024, "Expanded Gating Ranges
    Improve Activation Functions": stretched gates gain in the first order, and nothing in the second.
    """

    def __init__(self, of_first: nn.Module) -> None:
        super().__init__()
        self.of_first = of_first

    def forward(self, x: Tensor) -> Tensor:
        """float32[..., 2 m] to float32[..., m]."""
        u, v = x.chunk(2, dim=-1)
        passed: Tensor = self.of_first(u) * v
        return passed


def arctan_gate(x: Tensor) -> Tensor:
    """Arctangent into (0, 1)."""
    return torch.arctan(x) / math.pi + 0.5


def normal_gate(x: Tensor) -> Tensor:
    """The normal distribution's function."""
    return 0.5 * (1.0 + torch.erf(x * math.sqrt(0.5)))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "geglu": lambda: GatedLinear(nn.GELU()),
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "swiglu": lambda: GatedLinear(nn.SiLU()),
    "xatglu": lambda: GatedLinear(ExpandedGate(arctan_gate)),
    "xatlu": lambda: Expanded(arctan_gate),
    "xgeglu": lambda: GatedLinear(ExpandedGate(normal_gate)),
    "xgelu": lambda: Expanded(normal_gate),
    "xsilu": lambda: Expanded(torch.sigmoid),
    "xswiglu": lambda: GatedLinear(ExpandedGate(torch.sigmoid)),
}


def units_of(activation: nn.Module) -> int:
    """Units of the layer before for each one that comes out: two where one half gates the other."""
    return 2 if isinstance(activation, GatedLinear) else 1

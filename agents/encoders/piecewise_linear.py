"""Piecewise-linear encoding of numbers over quantile bins."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PiecewiseLinear(nn.Module):
    """A number becomes, per bin, how far it has filled that bin: 0 below, 1 above, linear within.

    Args:
        edges: float32[q, bins + 1], ascending per feature.

    Source: Gorishniy, Rubachev, Babenko 2022, "On Embeddings for Numerical Features in Tabular Deep Learning", eq. 1.
    """

    low: Tensor
    width: Tensor

    def __init__(self, edges: Tensor) -> None:
        super().__init__()
        self.register_buffer("low", edges[:, :-1].clone())
        self.register_buffer("width", (edges[:, 1:] - edges[:, :-1]).clamp_min(1e-6))
        self.out_features = edges.shape[0] * (edges.shape[1] - 1) + edges.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, q] to float32[n, q * bins + q]: the bins, and the number itself for what lies outside."""
        filled = (x.unsqueeze(-1) - self.low).div_(self.width).clamp(0.0, 1.0)
        return torch.cat([filled.flatten(1), x], dim=1)

    def features(self) -> Tensor:
        """The numeric feature behind each column, int64[columns]."""
        every = torch.arange(len(self.low))
        return torch.cat([every.repeat_interleave(self.low.shape[1]), every])

"""Periodic encoding of numbers with learned frequencies."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SIGMA = 0.1  # spread of the first frequencies; chosen on earlier weeks of the handbook data, see benchmarks.handbook


class Periodic(nn.Module):
    """A number becomes sines and cosines of learned multiples of itself.

    Args:
        edges: float32[q, bins + 1]; only its shape counts: `bins` frequencies per feature.

    Source: Gorishniy, Rubachev, Babenko 2022, "On Embeddings for Numerical Features in Tabular Deep Learning", eq. 2.
    """

    def __init__(self, edges: Tensor) -> None:
        super().__init__()
        features, frequencies = edges.shape[0], max((edges.shape[1] - 1) // 2, 1)
        self.frequency = nn.Parameter(torch.randn(features, frequencies) * SIGMA)
        self.out_features = features * frequencies * 2 + features

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, q] to float32[n, q * 2 * frequencies + q]."""
        angle = 2.0 * math.pi * self.frequency * x.unsqueeze(-1)
        return torch.cat([angle.sin().flatten(1), angle.cos().flatten(1), x], dim=1)

    def features(self) -> Tensor:
        """The numeric feature behind each column, int64[columns]."""
        every = torch.arange(len(self.frequency))
        waves = every.repeat_interleave(self.frequency.shape[1])
        return torch.cat([waves, waves, every])

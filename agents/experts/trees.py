"""Experts that are gradient-boosted trees: grown before, weighed and set right here."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TreeExperts(nn.Module):
    """Each expert is a booster whose logit is stretched and shifted; at first it is taken as it is.

    Args:
        experts: how many.
    """

    def __init__(self, experts: int) -> None:
        super().__init__()
        # Around 1, so that weight decay pulls towards the trees' own logit.
        self.stretch = nn.Parameter(torch.zeros(experts))
        self.shift = nn.Parameter(torch.zeros(experts))

    def forward(self, boosted: Tensor) -> Tensor:
        """The boosters' logits float32[n, experts] to the experts' logits float32[n, experts]."""
        return boosted * (1.0 + self.stretch) + self.shift

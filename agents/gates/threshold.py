"""The adaptive threshold gate: a learned threshold says how many experts take part in a row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.gates.maps import MAPS
from agents.gates.softmax import INITIAL_STD


class ThresholdGate(nn.Module):
    """Log of `relu(p - t) / sum relu(p - t)`, with `p = softmax(W M(x))` and `t = t_max sigmoid(w M(x) + b)`.

    The excess over the threshold counts, so that weights are continuous where an expert enters or leaves, and the
    threshold has a gradient.

    Args:
        width: of the inputs.
        experts: to be weighed.
        bounded_map: as in the softmax gate.
        share: `t_max` times the number of experts; at most 1, so that one expert at least takes part.

    Source: Liu, Luo 2024, "AdaMoLE: Fine-Tuning Large Language Models with Adaptive Mixture of Low-Rank Adaptation
    Experts", section 3.
    """

    def __init__(self, width: int, experts: int, bounded_map: str, share: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, experts, bias=False)
        self.threshold = nn.Linear(width, 1)
        nn.init.normal_(self.linear.weight, std=INITIAL_STD / max(width, 1) ** 0.5)
        nn.init.normal_(self.threshold.weight, std=INITIAL_STD / max(width, 1) ** 0.5)
        nn.init.zeros_(self.threshold.bias)
        self.bounded_map, self.threshold_max = bounded_map, share / experts

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to log weights float32[n, experts]; their exponentials sum to 1 in each row."""
        mapped = MAPS[self.bounded_map](x)
        return excess_log_weights(self.linear(mapped), self.threshold_max * torch.sigmoid(self.threshold(mapped)))


def excess_log_weights(scores: Tensor, threshold: Tensor) -> Tensor:
    """Scores float32[n, experts] and thresholds float32[n, 1] to log weights, minus infinity under the threshold."""
    p = torch.softmax(scores, dim=1)
    excess = torch.relu(p - threshold)
    nobody = excess.sum(dim=1, keepdim=True) == 0  # rounding, where all are equal and the threshold is at its highest
    excess = torch.where(nobody, p, excess)
    inside = excess > 0
    # The logarithm of a 1 in place of each 0: a gradient through log(0) would be NaN, masked or not.
    logs = torch.where(inside, excess, torch.ones_like(excess)).log() - excess.sum(dim=1, keepdim=True).log()
    return logs.masked_fill(~inside, -torch.inf)

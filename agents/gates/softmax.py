"""The softmax gate, plain or over a bounded map of its inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.gates.maps import MAPS

INITIAL_STD = 0.05  # near-equal weights at first: no expert starves before it has learnt anything


class SoftmaxGate(nn.Module):
    """Log weights of the experts, `log softmax(M(x) W + b)`.

    Args:
        width: of the inputs.
        experts: to be weighed.
        bounded_map: "identity", or a bounded one, with which the rates of estimation hold even where an expert is
            constant.

    Source: Nguyen, Akbarian, Nguyen, Ho 2024, "A General Theory for Softmax Gating Multinomial Logistic Mixture of
    Experts", section 3 (plain) and 4 (modified).
    """

    def __init__(self, width: int, experts: int, bounded_map: str) -> None:
        super().__init__()
        self.linear = nn.Linear(width, experts)
        nn.init.normal_(self.linear.weight, std=INITIAL_STD / max(width, 1) ** 0.5)
        nn.init.zeros_(self.linear.bias)
        self.bounded_map = bounded_map

    def logits(self, x: Tensor) -> Tensor:
        """float32[n, width] to scores float32[n, experts]."""
        scores: Tensor = self.linear(MAPS[self.bounded_map](x))
        return scores

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to log weights float32[n, experts]; their exponentials sum to 1 in each row."""
        return torch.log_softmax(self.logits(x), dim=1)

    @torch.no_grad()
    def canonical(self) -> tuple[Tensor, Tensor]:
        """Weights float32[experts, width] and biases float32[experts] whose mean over the experts is 0.

        The same vector added to every expert's row changes no output, so rows can only be compared in one such form.

        Source: Nguyen, Nguyen, Ho 2023, "Demystifying Softmax Gating Function in Gaussian Mixture of Experts", prop. 1.
        """
        weight, bias = self.linear.weight, self.linear.bias
        return weight - weight.mean(dim=0), bias - bias.mean()

"""Linear experts."""

from __future__ import annotations

from torch import Tensor, nn

BIAS_STD = 0.5  # experts must begin apart: equal ones have no gradient through the gate


class LogisticExperts(nn.Module):
    """Each expert is a logistic regression.

    Args:
        width: of the inputs.
        experts: how many.
        bias: logit of the base rate.

    Source: Nguyen, Akbarian, Nguyen, Ho 2024, "A General Theory for Softmax Gating Multinomial Logistic Mixture of
    Experts", eq. 1 with two classes.
    """

    def __init__(self, width: int, experts: int, bias: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, experts)
        nn.init.normal_(self.linear.weight, std=0.1 / max(width, 1) ** 0.5)
        nn.init.normal_(self.linear.bias, mean=bias, std=BIAS_STD)

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to logits float32[n, experts]."""
        logits: Tensor = self.linear(x)
        return logits

    def one(self, expert: int, x: Tensor) -> Tensor:
        """One expert's logits float32[n] of float32[n, width]."""
        return x @ self.linear.weight[expert] + self.linear.bias[expert]

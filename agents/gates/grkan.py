"""The GRKAN gate: a gated residual network whose inner layers are Kolmogorov-Arnold layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.gates.kan import LAYERS
from agents.gates.maps import MAPS
from agents.gates.softmax import INITIAL_STD


class GrkanGate(nn.Module):
    """Log softmax of `W_s h + GLU(KAN_2(KAN_1(h)))`, with `h = relu(W_h (M(x) a) + b)`.

    The base function of the first layer is an ELU, of the second a SiLU.

    The paper's own weights are sigmoids that don't sum to 1; as probabilities are mixed here, ours are a softmax. Its
    `h` is as wide as an expert's output, one for a logit; ours has a width of its own.

    Args:
        width: of the inputs.
        experts: to be weighed.
        bounded_map: as in the softmax gate.
        hidden: width of h.
        basis: of the curves: the paper's cubic B-splines, or radial functions.
        normalised: whether scores are normalised over the experts, as in the paper.

    Source: Inzirillo, Genet 2024, "A Gated Residual Kolmogorov-Arnold Networks for Mixtures of Experts", section 3.
    """

    def __init__(
        self, width: int, experts: int, bounded_map: str, hidden: int, basis: str, *, normalised: bool
    ) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.enter = nn.Linear(width, hidden)
        self.first = LAYERS[basis](hidden, experts, nn.functional.elu)
        self.second = LAYERS[basis](experts, experts, nn.functional.silu)
        self.glu = nn.Linear(experts, 2 * experts)
        self.skip = nn.Linear(hidden, experts)
        for layer in (self.skip, self.glu):
            nn.init.normal_(layer.weight, std=INITIAL_STD / hidden**0.5)
            nn.init.zeros_(layer.bias)
        self.norm = nn.LayerNorm(experts) if normalised else nn.Identity()
        self.bounded_map = bounded_map

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to log weights float32[n, experts]; their exponentials sum to 1 in each row."""
        h = torch.relu(self.enter(MAPS[self.bounded_map](x) * self.scale))
        value, door = self.glu(self.second(self.first(h))).chunk(2, dim=1)
        return torch.log_softmax(self.norm(self.skip(h) + value * torch.sigmoid(door)), dim=1)

"""The GRKAN gate: a gated residual network whose inner layers are Kolmogorov-Arnold layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.gates.maps import MAPS
from agents.gates.softmax import INITIAL_STD

CENTRES = 8
REACH = 2.0  # centres from -2 to 2


class KanLayer(nn.Module):
    """Every output is a sum of learned curves, one for each input: radial bases over normalised inputs, and a SiLU.

    Args:
        width: of the inputs.
        out: of the outputs.

    Source: Li 2024, "Kolmogorov-Arnold Networks are Radial Basis Function Networks", eq. 4 and 5.
    """

    centres: Tensor

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.register_buffer("centres", torch.linspace(-REACH, REACH, CENTRES))
        self.curves = nn.Parameter(torch.randn(out, width, CENTRES) * 0.1)
        self.base = nn.Linear(width, out)

    def bases(self, x: Tensor) -> Tensor:
        """float32[...] to float32[..., centres]: how near each centre is."""
        spacing = 2.0 * REACH / (CENTRES - 1)
        near: Tensor = torch.exp(-(((x.unsqueeze(-1) - self.centres) / spacing) ** 2))
        return near

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to float32[n, out]."""
        curved = torch.einsum("nic,oic->no", self.bases(self.norm(x)), self.curves)
        total: Tensor = curved + self.base(nn.functional.silu(x))
        return total

    @torch.no_grad()
    def drawn(self, at: Tensor) -> Tensor:
        """The curves float32[out, width, m] at normalised inputs float32[m]: what there is to draw."""
        curves: Tensor = torch.einsum("mc,oic->oim", self.bases(at), self.curves)
        return curves


class GrkanGate(nn.Module):
    """Log softmax of `W_s h + GLU(KAN_2(KAN_1(h)))`, with `h = relu(W_h (M(x) a) + b)`.

    The paper's own weights are sigmoids that don't sum to 1; as probabilities are mixed here, ours are a softmax. Its
    `h` is as wide as an expert's output, one for a logit; ours has a width of its own.

    Args:
        width: of the inputs.
        experts: to be weighed.
        bounded_map: as in the softmax gate.
        hidden: width of h.
        normalised: whether scores are normalised over the experts, as in the paper.

    Source: Inzirillo, Genet 2024, "A Gated Residual Kolmogorov-Arnold Networks for Mixtures of Experts", section 3.
    """

    def __init__(self, width: int, experts: int, bounded_map: str, hidden: int, normalised: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.enter = nn.Linear(width, hidden)
        self.first = KanLayer(hidden, experts)
        self.second = KanLayer(experts, experts)
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

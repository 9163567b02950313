"""Kolmogorov-Arnold layers: every output is a sum of learned curves, one for each input."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

Base = Callable[[Tensor], Tensor]  # what each curve has beside its bases
GRID = 5  # intervals of the splines' grid from -1 to 1
CENTRES = 8
REACH = 2.0  # radial centres from -2 to 2


class SplineLayer(nn.Module):
    """`W b(x) + S sum_c C_c B_c(tanh x)`: cubic B-splines on a grid of [-1, 1], beside a base function; no bias.

    A spline is silently lost outside its grid, so its input passes a tanh; the base sees it as it is.

    Args:
        width: of the inputs.
        out: of the outputs.
        base: b.

    Source: Liu et al. 2024, "KAN: Kolmogorov-Arnold Networks", section 2.2; de Boor 1978, "A Practical Guide to
    Splines", for even knots in closed form.
    """

    axis: ClassVar[str] = "input"  # what its curves are drawn over, and how far
    reach: ClassVar[float] = 3.0
    centres: Tensor

    def __init__(self, width: int, out: int, base: Base) -> None:
        super().__init__()
        step = 2.0 / GRID
        self.register_buffer("centres", torch.linspace(-1.0 - step, 1.0 + step, GRID + 3))
        self.curves = nn.Parameter(self._near_zero(width, out))
        self.scale = nn.Parameter(torch.empty(out, width))
        self.weight = nn.Parameter(torch.empty(out, width))
        for parameter in (self.scale, self.weight):
            nn.init.kaiming_uniform_(parameter, a=5**0.5)
        self.base = base

    def bases(self, x: Tensor) -> Tensor:
        """float32[...] to float32[..., bases]; their sum is 1 from -1 to 1."""
        away = (x.unsqueeze(-1) - self.centres).abs() * (GRID / 2.0)
        return (torch.relu(2.0 - away) ** 3 - 4.0 * torch.relu(1.0 - away) ** 3) / 6.0

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to float32[n, out]."""
        curved = torch.einsum("nic,oic->no", self.bases(torch.tanh(x)), self._scaled())
        return curved + nn.functional.linear(self.base(x), self.weight)

    @torch.no_grad()
    def drawn(self, at: Tensor) -> Tensor:
        """The whole curves float32[out, width, m] at inputs float32[m]."""
        curved = torch.einsum("mc,oic->oim", self.bases(torch.tanh(at)), self._scaled())
        return curved + self.weight.unsqueeze(2) * self.base(at)

    def _scaled(self) -> Tensor:
        return self.curves * self.scale.unsqueeze(2)

    def _near_zero(self, width: int, out: int) -> Tensor:
        """Coefficients of curves through small noise at the grid's knots."""
        noise = (torch.rand(GRID + 1, out * width) - 0.5) * (0.1 / GRID)
        at_knots = self.bases(torch.linspace(-1.0, 1.0, GRID + 1))
        found: Tensor = torch.linalg.pinv(at_knots) @ noise
        return found.T.reshape(out, width, GRID + 3)


class RadialLayer(nn.Module):
    """Gaussian bases over normalised inputs beside a base function: much like splines, and fewer steps to compute.

    Args:
        width: of the inputs.
        out: of the outputs.
        base: the base function.

    Source: Li 2024, "Kolmogorov-Arnold Networks are Radial Basis Function Networks", eq. 4 and 5.
    """

    axis: ClassVar[str] = "normalised input, without the base"
    reach: ClassVar[float] = REACH
    centres: Tensor

    def __init__(self, width: int, out: int, base: Base) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.register_buffer("centres", torch.linspace(-REACH, REACH, CENTRES))
        self.curves = nn.Parameter(torch.randn(out, width, CENTRES) * 0.1)
        self.linear = nn.Linear(width, out)
        self.base = base

    def bases(self, x: Tensor) -> Tensor:
        """float32[...] to float32[..., centres]: how near each centre is."""
        spacing = 2.0 * REACH / (CENTRES - 1)
        near: Tensor = torch.exp(-(((x.unsqueeze(-1) - self.centres) / spacing) ** 2))
        return near

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to float32[n, out]."""
        curved = torch.einsum("nic,oic->no", self.bases(self.norm(x)), self.curves)
        total: Tensor = curved + self.linear(self.base(x))
        return total

    @torch.no_grad()
    def drawn(self, at: Tensor) -> Tensor:
        """The curves float32[out, width, m] at normalised inputs float32[m], without what the base adds."""
        curves: Tensor = torch.einsum("mc,oic->oim", self.bases(at), self.curves)
        return curves


KanLayer = SplineLayer | RadialLayer
LAYERS: dict[str, Callable[[int, int, Base], KanLayer]] = {"bspline": SplineLayer, "rbf": RadialLayer}

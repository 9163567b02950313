"""Numbers to vectors: one paper per file, one line here for each."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from agents.encoders.periodic import Periodic
from agents.encoders.piecewise_linear import PiecewiseLinear
from agents.encoders.plain import Plain

ENCODERS: dict[str, Callable[[Tensor], nn.Module]] = {
    "piecewise_linear": PiecewiseLinear,
    "periodic": Periodic,
    "plain": Plain,
}

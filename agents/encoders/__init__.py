"""Numbers to vectors: one paper per file, one line here for each."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from agents.encoders.periodic import Periodic
from agents.encoders.piecewise_linear import PiecewiseLinear

ENCODERS: dict[str, Callable[[Tensor], nn.Module]] = {
    "piecewise_linear": PiecewiseLinear,
    "periodic": Periodic,
}

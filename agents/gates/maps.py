"""Maps of the inputs before a gate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "softsign": lambda x: x * torch.rsqrt(1.0 + x * x),
    "tanh": torch.tanh,
}

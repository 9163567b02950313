"""Some experts for each row: what a sparse gate asks for costs as much as it asks for."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class OneByOne(Protocol):
    """Experts that can run alone."""

    def one(self, expert: int, x: Tensor) -> Tensor:
        """One expert's logits float32[n] of float32[n, width]."""


def chosen_logits(experts: OneByOne, x: Tensor, chosen: Tensor) -> Tensor:
    """Logits float32[n, k] of the experts int64[n, k] that each row float32[n, width] has chosen."""
    k = chosen.shape[1]
    pairs = chosen.flatten()
    order = torch.argsort(pairs, stable=True)
    present, counts = torch.unique_consecutive(pairs[order], return_counts=True)
    parts = torch.split(x[order // k], counts.tolist())  # each expert's rows in one piece
    found = [experts.one(expert, part) for expert, part in zip(present.tolist(), parts, strict=True)]
    out = torch.empty(len(pairs), dtype=x.dtype)
    if found:
        out[order] = torch.cat(found)
    return out.view(-1, k)

"""The top-k sparse softmax gate: a row is scored by k experts and costs about k."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.gates.softmax import SoftmaxGate

PASSES_MAX = 8  # k up to which as many passes are faster than a sort


class TopKGate(SoftmaxGate):
    """Log weights of the k experts with the largest scores, renormalised; minus infinity for the rest.

    The whole score selects, bias included. Of equal scores the expert with the lower index comes first.

    Args:
        width: of the inputs.
        experts: to be weighed.
        bounded_map: as in the softmax gate.
        k: experts that take part, at most `experts`.

    Source: Nguyen, Akbarian, Yan, Ho 2024, "Statistical Perspective of Top-K Sparse Softmax Gating Mixture of Experts",
    eq. 2; Shazeer et al. 2017, "Outrageously Large Neural Networks", eq. 3 and 5.
    """

    def __init__(self, width: int, experts: int, bounded_map: str, k: int) -> None:
        super().__init__(width, experts, bounded_map)
        self.k = min(k, experts)

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to log weights float32[n, experts]; their exponentials sum to 1 in each row."""
        scores = self.logits(x)
        kept = first(scores, self.k)[1]
        left_out = torch.ones_like(scores, dtype=torch.bool).scatter_(1, kept, False)
        return torch.log_softmax(scores.masked_fill(left_out, -torch.inf), dim=1)

    def chosen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The experts of each row int64[n, k], and their log weights float32[n, k]."""
        scores, kept = first(self.logits(x), self.k)
        return kept, torch.log_softmax(scores, dim=1)


def first(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest scores and whose they are; `topk` would leave open which of two equal ones comes first."""
    if k > PASSES_MAX:
        ordered, experts = torch.sort(scores, dim=1, descending=True, stable=True)
        return ordered[:, :k], experts[:, :k]
    left, found = scores.detach().clone(), []
    for _ in range(k):
        best = left.argmax(dim=1, keepdim=True)  # the first of equal ones
        found.append(best)
        left.scatter_(1, best, -torch.inf)
    kept = torch.cat(found, dim=1)
    return scores.gather(1, kept), kept

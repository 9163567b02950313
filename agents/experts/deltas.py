"""Low-rank changes of a layer that stays as it is: the cheap way for an agent to follow what is new."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.gates.threshold import ThresholdGate

BASE_LAYERS = {"adapters": "trunk", "logistic": "linear", "mlp": "first"}  # of each expert, the one that sees the row


class DeltaLinear(nn.Linear):
    """`W x + b + sum_i w_i(x) B_i A_i x`, with w of an adaptive threshold gate over the deltas.

    B begins at zero, so the layer begins as it was before it had deltas, to the bit.

    Args:
        base: the layer; its weights are taken over, not copied.
        deltas: how many.
        rank: of each.

    Source: Liu, Luo 2024, "AdaMoLE: Fine-Tuning Large Language Models with Adaptive Mixture of Low-Rank Adaptation
    Experts", section 3; Hu et al. 2021, "LoRA", section 4.1.
    """

    def __init__(self, base: nn.Linear, deltas: int, rank: int) -> None:
        super().__init__(base.in_features, base.out_features)
        self.weight, self.bias = base.weight, base.bias
        self.down = nn.Parameter(torch.empty(deltas, rank, base.in_features))
        for down in self.down:
            nn.init.kaiming_uniform_(down, a=5**0.5)
        self.up = nn.Parameter(torch.zeros(deltas, base.out_features, rank))
        self.gate = ThresholdGate(base.in_features, deltas, "identity", share=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, in] to float32[n, out]."""
        inner = torch.einsum("nd,erd->ner", x, self.down) * self.gate(x).exp().unsqueeze(2)
        change = inner.flatten(1) @ self.up.transpose(1, 2).flatten(0, 1)
        total: Tensor = super().forward(x) + change
        return total

    def own(self) -> list[nn.Parameter]:
        """What belongs to the deltas and not to the layer below them."""
        return [self.down, self.up, *self.gate.parameters()]


def add_deltas(experts: nn.Module, expert: str, deltas: int, rank: int) -> None:
    """Put deltas over the layer of these experts that sees the row."""
    layer = BASE_LAYERS[expert]
    setattr(experts, layer, DeltaLinear(getattr(experts, layer), deltas, rank))


def freeze_below_deltas(network: nn.Module) -> None:
    """Only the deltas learn from here on."""
    network.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, DeltaLinear):
            for parameter in module.own():
                parameter.requires_grad_(True)

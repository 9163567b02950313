"""A running average of the weights: steadier on rare fraud than the last step's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WARM_UP_STEPS = 10  # the average forgets the random start faster at first


class WeightAverage:
    """Exponential moving average of a network's parameters.

    Args:
        network: whose parameters are followed.
        decay: share of the average that stays at each step; 0 keeps the newest weights.

    Source: Morales-Brotons, Vogels, Hendrikx 2024, "Exponential Moving Average of Weights in Deep Learning".
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network, self._decay, self._steps = network, decay, 0
        self._average = {name: value.detach().clone() for name, value in network.named_parameters()}

    @torch.no_grad()
    def step(self) -> None:
        """Take in the weights after one step of the optimiser."""
        self._steps += 1
        decay = min(self._decay, self._steps / (WARM_UP_STEPS + self._steps))
        for name, value in self._network.named_parameters():
            self._average[name].lerp_(value.detach(), 1.0 - decay)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the average, with the network's buffers, as a state dict."""
        copy = {name: value.clone() for name, value in self._average.items()}
        return {**{k: v.detach().clone() for k, v in self._network.state_dict().items()}, **copy}

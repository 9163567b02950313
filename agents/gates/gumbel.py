"""The Gumbel-softmax gate: noise in training, annealed, and a fixed table of it in scoring."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from agents.gates.softmax import SoftmaxGate

DRAWS = 64  # in scoring; half of them are the other half's mirror image


class GumbelGate(SoftmaxGate):
    """Log weights `log softmax((M(x) W + b + g) / t)`, g from the Gumbel distribution.

    Training draws g anew. Scoring takes the mean of the weights over a table that is kept with them: as probabilities
    are mixed, that is the mean score over the table, and the same transaction has the same score again.

    Args:
        width: of the inputs.
        experts: to be weighed.
        bounded_map: as in the softmax gate.
        temperatures: t at the start of training and at its end.
        seed: of the table.
        draws: rows of the table, even.

    Source: Chernov 2025, "(GG) MoE vs. MLP on Tabular Data", section 3, but for the table; Jang, Gu, Poole 2017,
    "Categorical Reparameterization with Gumbel-Softmax", eq. 2, and its annealing.
    """

    temperature: Tensor
    table: Tensor

    def __init__(
        self,
        width: int,
        experts: int,
        bounded_map: str,
        temperatures: tuple[float, float],
        seed: int,
        draws: int = DRAWS,
    ) -> None:
        super().__init__(width, experts, bounded_map)
        self.temperatures = temperatures
        uniform = np.random.default_rng(seed).uniform(1e-6, 1 - 1e-6, (draws // 2, experts))
        gumbel = -np.log(-np.log(np.concatenate([uniform, 1.0 - uniform])))
        self.register_buffer("table", torch.from_numpy(gumbel.astype(np.float32)))
        self.register_buffer("temperature", torch.tensor(temperatures[0]))

    def anneal(self, done: float) -> None:
        """Set the temperature for this share of the training, 0 to 1: geometric from start to end."""
        start, end = self.temperatures
        self.temperature.fill_(start * (end / start) ** done)

    def forward(self, x: Tensor) -> Tensor:
        """float32[n, width] to log weights float32[n, experts]; their exponentials sum to 1 in each row."""
        scores = self.logits(x)
        if self.training:
            noise = -torch.empty_like(scores).exponential_().clamp_min(1e-20).log()
            return torch.log_softmax((scores + noise) / self.temperature, dim=1)
        every = torch.log_softmax((scores.unsqueeze(1) + self.table) / self.temperature, dim=2)
        return torch.logsumexp(every, dim=1) - float(np.log(len(self.table)))

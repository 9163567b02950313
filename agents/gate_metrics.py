"""Whether a gate has collapsed: figures for the data card."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.losses import entropy
from agents.model import Agent, Features

DEAD_BELOW = 0.01  # mean weight, among frauds and among genuine rows: a specialist for frauds is not dead
ROWS_MAX = 20_000  # of the window that is judged; more say the same


def gate_metrics(agent: Agent, x: Features, fraud: NDArray[np.bool_]) -> dict[str, float]:
    """Dead, active and effective experts, entropy and mutual information of the gate over rows; means over the members.

    `gate_entropy` is the mean over rows, as a share of what equal weights would have: 1 ignores the row, 0 picks one
    expert. `gate_information` is what the row says about the expert, in nats. Entropy and dead experts are told for
    frauds and for genuine rows alone as well: a mean over all rows hides what becomes of the few frauds.
    """
    if not len(x):
        return {}
    every = np.linspace(0, len(x) - 1, min(len(x), ROWS_MAX)).astype(np.intp)
    with torch.inference_mode():
        weights = agent.network.gate_weights(*agent.encoded(x[every]))
    members = len(agent.network.members)
    each = [_figures(part * members, torch.from_numpy(fraud[every])) for part in weights.chunk(members, dim=1)]
    return {name: float(np.mean([figures[name] for figures in each])) for name in each[0]}


def _figures(weights: Tensor, fraud: Tensor) -> dict[str, float]:
    classes = {name: weights[rows] for name, rows in (("fraud", fraud), ("genuine", ~fraud)) if rows.any()}
    means = {name: of_class.mean(dim=0) for name, of_class in classes.items()}
    overall = float(entropy(weights.mean(dim=0)))
    return {
        "gate_dead_experts": float((torch.stack(list(means.values())).amax(dim=0) < DEAD_BELOW).sum()),
        **{f"gate_dead_experts_{name}": float((mean < DEAD_BELOW).sum()) for name, mean in means.items()},
        **{f"gate_active_experts_{name}": float((w > 0).sum(dim=1).double().mean()) for name, w in classes.items()},
        "gate_effective_experts": float(np.exp(overall)),
        "gate_entropy": _entropy_share(weights),
        **{f"gate_entropy_{name}": _entropy_share(of_class) for name, of_class in classes.items()},
        "gate_information": max(overall - float(entropy(weights).mean()), 0.0),
    }


def _entropy_share(weights: Tensor) -> float:
    experts = weights.shape[1]
    return float(entropy(weights).mean()) / float(np.log(experts)) if experts > 1 else 1.0

"""What is compared: one set of genes for all, and as many parameters for all that have a hidden layer."""

from __future__ import annotations

import numpy as np
import torch
from lightgbm import LGBMClassifier

from agents.genome import Genome, read_genome
from agents.metrics import auc
from agents.mixture import Committee
from agents.model import Agent
from agents.training import train
from benchmarks.tabular.sets import Split

THREADS = 1
SHARED: dict[str, object] = {
    "experts": 6, "hidden": 8, "bins": 8, "epochs_max": 50, "patience": 16, "batch": 128,
    "learning_rate": 0.01, "averaging": 0.9, "genuine_per_fraud": 1e6, "refit": False,
}  # fmt: skip
PLAIN, MLP, GUMBEL, LIGHTGBM = "softmax, plain", "MLP", "Gumbel", "LightGBM, defaults"
LOGISTIC: dict[str, object] = {"expert": "logistic", "encoder": "plain"}
GATES: dict[str, dict[str, object]] = {
    PLAIN: {"gate_map": "identity"},
    MLP: {"experts": 1},
    "softmax, tanh": {},
    "softmax, xATLU": {"activation": "xatlu"},
    "softmax, xGELU": {"activation": "xgelu"},
    "softmax, xSiLU": {"activation": "xsilu"},
    "softmax, xATGLU": {"activation": "xatglu"},
    "softmax, xGEGLU": {"activation": "xgeglu"},
    "softmax, xSwiGLU": {"activation": "xswiglu"},
    "softmax, information balance": {"balance": "information", "balance_weight": 0.1},
    "top-2": {"gate": "top_k", "top_k": 2},
    GUMBEL: {"gate": "gumbel", "gate_map": "identity"},
    "GRKAN": {"gate": "grkan"},
    "GRKAN, radial": {"gate": "grkan", "gate_basis": "rbf"},
    "threshold": {"gate": "threshold"},
    "threshold, adapters": {"gate": "threshold", "expert": "adapters"},
    "logistic experts": {"expert": "logistic"},
    "logistic experts, plain inputs": LOGISTIC,
    "lasso of two, plain inputs": {**LOGISTIC, "experts": 2, "penalty": "l1"},
}


def judged(method: str, split: Split, seed: int) -> tuple[float, int]:
    """AUC on the test rows, and the number of parameters."""
    if method == LIGHTGBM:
        model = LGBMClassifier(random_state=seed, n_jobs=THREADS, verbose=-1).fit(split.x, split.y)
        return auc(split.test_y, model.predict_proba(split.test_x)[:, 1]), 0
    agent = trained(genome_of(method, split.x.shape[1], seed), split)
    return auc(split.test_y, agent.logits(split.test_x).astype(np.float64)), size_of(agent.network)


def genome_of(method: str, features: int, seed: int) -> Genome:
    """Its hidden layers as wide as gives it the plain mixture's number of parameters, one unit at least."""
    genes = {**SHARED, **GATES[method], "seed": seed}
    one, two = (size(read_genome({**genes, "hidden": width}), features) for width in (1, 2))
    wanted = size(read_genome({**SHARED, **GATES[PLAIN]}), features)
    width = 1 + round((wanted - one) / (two - one)) if two > one else 1  # they grow in a straight line
    return read_genome({**genes, "hidden": max(width, 1)})


def size(genome: Genome, features: int) -> int:
    with torch.device("meta"):
        return size_of(Committee(genome, torch.empty(features, genome.bins + 1), [], 0.0))


def size_of(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def trained(genome: Genome, split: Split) -> Agent:
    names = tuple(f"x{j}" for j in range(split.x.shape[1]))
    return train(genome, split.x, split.y, np.arange(len(split.x)), feature_names=names, threads=THREADS)

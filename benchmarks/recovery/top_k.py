"""The choice of k: of four true experts one or two speak in a row; `agents.top_k_choice` says how many to keep."""

from __future__ import annotations

import numpy as np
import torch
from msgspec import structs
from numpy.typing import NDArray

from agents.genome import Genome
from agents.top_k_choice import TopKChoice, choose_top_k
from agents.training import train
from benchmarks.harness import Report

D, TRUE, ROWS, SEEDS = 10, 4, 20_000, 2
NAMES = tuple(f"x{j}" for j in range(D))
GENOME = Genome(
    expert="logistic", encoder="plain", gate_map="identity", epochs_max=30, patience=5, batch=512, learning_rate=0.02,
    weight_decay=0.0, averaging=0.9, genuine_per_fraud=1e6, refit=False,
)  # fmt: skip
COLUMNS = ("speak", "fitted", "seed", "take part", "later log loss by k", "chosen k", "excess", "excess, dense")


def drawn(active: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_]]:
    """Rows float32[2 n, d], their probabilities and labels; the first half is for learning."""
    noise = torch.Generator().manual_seed(seed)
    x = torch.randn(2 * ROWS, D, generator=noise)
    route = 2 * x @ torch.randn(D, TRUE, generator=noise)
    left_out = torch.ones_like(route, dtype=torch.bool).scatter_(1, route.topk(active, dim=1).indices, False)
    weight = torch.softmax(route.masked_fill(left_out, -torch.inf), dim=1)
    p = (weight * torch.sigmoid(1.5 * x @ torch.randn(D, TRUE, generator=noise) - 3.0)).sum(dim=1)
    return x.numpy(), p.double().numpy(), torch.bernoulli(p, generator=noise).numpy() > 0


def report_on(report: Report, seed: int) -> None:
    """Add the section."""
    section = report.section(f"The choice of k: {TRUE} true experts, excess log loss over the truth's", COLUMNS)
    behind = []
    for active in (1, 2):
        for experts in (TRUE, 2 * TRUE):
            for run in range(1000 * seed, 1000 * seed + SEEDS):
                x, p, y = drawn(active, run)
                choice = _choice(structs.replace(GENOME, experts=experts, seed=run), x[:ROWS], y[:ROWS])
                dense, sparse = (
                    _excess(structs.replace(choice.genome, gate=gate), x, p, y) for gate in ("softmax", "top_k")
                )
                behind.append(sparse - dense)
                section.row(
                    **{
                        "speak": active, "fitted": experts, "seed": run, "take part": choice.taking_part,
                        "later log loss by k": ", ".join(f"{k}: {v:.4f}" for k, v in choice.log_loss.items()),
                        "chosen k": choice.genome.top_k, "excess": sparse, "excess, dense": dense,
                    }
                )  # fmt: skip
    report.claim("excess log loss of the chosen k less the dense gate's, mean", float(np.mean(behind)), "<= 0.002")


def _choice(genome: Genome, x: NDArray[np.float32], y: NDArray[np.bool_]) -> TopKChoice:
    return choose_top_k(genome, x, y, np.arange(len(x)), feature_names=NAMES, threads=1)


def _excess(genome: Genome, x: NDArray[np.float32], p: NDArray[np.float64], y: NDArray[np.bool_]) -> float:
    """Log loss of an agent on the second half of the rows, over the truth's."""
    agent = train(genome, x[:ROWS], y[:ROWS], np.arange(ROWS), feature_names=NAMES, threads=1)
    logits, p = agent.logits(x[ROWS:]).astype(np.float64), p[ROWS:]
    ours = p * np.logaddexp(0, -logits) + (1 - p) * np.logaddexp(0, logits)
    return float((ours + p * np.log(p) + (1 - p) * np.log1p(-p)).mean())

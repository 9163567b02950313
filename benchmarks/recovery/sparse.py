"""What the lasso mixture recovers: features found and kept in error, BIC and excess loss over the penalty.

Fifty features of which the two experts use three each and the gate two; half of the rows are frauds. The penalties are
those of `agents.penalty_choice`, which picks one by BIC.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from agents.genome import Genome
from agents.lasso import layers
from agents.model import Agent
from agents.penalty_choice import STRENGTHS, choose_penalty
from benchmarks.harness import Report

D, ROWS, FRESH, SEEDS = 50, 8_000, 50_000, 3
EXPERTS = ({0: 2.0, 1: -1.5, 2: 1.0}, {0: -2.0, 3: 1.5, 4: -1.0})
GATE = {5: 2.0, 6: -1.5}
GENOME = Genome(
    expert="logistic", experts=2, encoder="plain", gate_map="identity", penalty="l1", genuine_per_fraud=1e6
)  # fmt: skip
FIGURES = ("experts' TPR", "experts' FPR", "gate's TPR", "gate's FPR", "weights", "BIC", "excess log loss")


def drawn(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_]]:
    """Rows float32[n, d], their probabilities float64[n] and labels bool[n]."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, D)).astype(np.float32)
    weight = _sigmoid(x @ _dense(GATE))
    p = weight * _sigmoid(x @ _dense(EXPERTS[0])) + (1 - weight) * _sigmoid(x @ _dense(EXPERTS[1]))
    return x, p, rng.random(n) < p


def recovered(agent: Agent) -> tuple[float, float, float, float]:
    """True and false positive rates of the experts' weights, then of the gate's."""
    experts, gate = (layer.weight.detach().numpy() != 0 for layer in layers(agent.network.members[0]))  # type: ignore[arg-type]
    true = np.stack([_dense(one) != 0 for one in EXPERTS])
    best = max((true, true[::-1]), key=lambda way: int((experts & way).sum() - (experts & ~way).sum()))
    gated, in_gate = gate.any(axis=0), _dense(GATE) != 0
    return *_shares(experts, best), *_shares(gated, in_gate)


def excess(agent: Agent, seed: int) -> float:
    """Log loss of fresh rows over the truth's, before calibration."""
    x, p, _ = drawn(FRESH, seed)
    with torch.inference_mode():
        logits = agent.network(*agent.encoded(x)).numpy().astype(np.float64)
    ours = p * np.logaddexp(0, -logits) + (1 - p) * np.logaddexp(0, logits)
    return float((ours + p * np.log(p) + (1 - p) * np.log(1 - p)).mean())


def report_on(report: Report, seed: int) -> None:
    """Add the section: means over seeds."""
    title = f"The lasso mixture: {D} features, {ROWS:,} rows, {SEEDS} seeds"
    section = report.section(title, ("c", *FIGURES, "chosen by BIC"))
    found = {c: np.zeros((SEEDS, len(FIGURES))) for c in STRENGTHS}
    chosen = []
    for run in range(SEEDS):
        x, _, y = drawn(ROWS, 1000 * seed + run)
        names = tuple(f"x{j}" for j in range(D))
        choice = choose_penalty(GENOME, x, y, np.arange(ROWS), feature_names=names, threads=1)
        chosen.append(choice.genome.penalty_experts)
        for c, agent in choice.agents.items():
            found[c][run] = (
                *recovered(agent), choice.weights[c], choice.bic[c], excess(agent, 1000 * seed + 500 + run)
            )  # fmt: skip
    for c, figures in found.items():
        mean = dict(zip(FIGURES, figures.mean(axis=0).tolist(), strict=True))
        section.row(c=c, **mean, **{"chosen by BIC": f"{chosen.count(c)} of {SEEDS}"})
    picked = np.array([found[c][run] for run, c in enumerate(chosen)]).mean(axis=0)
    of = dict(zip(FIGURES, picked.tolist(), strict=True))
    report.claim("lasso, c by BIC: the experts' true positive rate", of["experts' TPR"], ">= 0.99")
    report.claim("lasso, c by BIC: the experts' false positive rate", of["experts' FPR"], "<= 0.1")
    report.claim("lasso, c by BIC: excess log loss", of["excess log loss"], "< 0.02")


def _dense(sparse: dict[int, float]) -> NDArray[np.float64]:
    dense = np.zeros(D)
    dense[list(sparse)] = list(sparse.values())
    return dense


def _shares(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> tuple[float, float]:
    return float(found[true].mean()), float(found[~true].mean())


def _sigmoid(x: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-x.astype(np.float64))))

"""How fast a binary mixture of logistic experts is recovered, and how many experts a top-k gate should keep.

Rates: two experts over five features, x from N(0, I), maximum likelihood by L-BFGS in float64 from near the truth (a
rate is about the estimator, not about finding it). The Voronoi loss sums over the true experts the distances of the
fitted ones in their cell, squared where a cell holds several, weighed by the shares of the gate; gates are compared
in the form whose last row is zero.
The choice of k: four true experts of which one or two speak; top-k mixtures are trained, judged by held-out log loss.
"""

from __future__ import annotations

from statistics import median

import numpy as np
import torch
from torch import Tensor

from agents.gates.maps import MAPS
from agents.gates.top_k import TopKGate
from benchmarks.harness import Report, arguments

D, SEEDS = 5, 8
SIZES = (2_000, 8_000, 32_000)
FRESH = 50_000
K_ROWS, K_FEATURES, K_SEEDS, K_STEPS = 20_000, 10, 2, 1000
SLOPES = torch.tensor([[2.0, -1.0, 0.5, 0.0, 1.0], [-1.5, 1.0, 0.0, 1.0, -0.5]], dtype=torch.float64)
GATE = torch.tensor([[1.5, -1.0, 0.5, 1.0, 0.0], [0.0] * 5], dtype=torch.float64)
BIAS = torch.tensor([0.5, -1.0], dtype=torch.float64)
BOUND = 6.0
PAPER = {2: -0.5, 3: -0.25}
Atoms = tuple[Tensor, Tensor, Tensor, Tensor]  # gate [k, d] and [k], expert [k, d] and [k]


def logit(atoms: Atoms, x: Tensor, mapped: Tensor) -> Tensor:
    """Of the mixture of probabilities, float64[n]."""
    gate, gate_bias, slope, bias = atoms
    weights = torch.log_softmax(mapped @ gate.T + gate_bias, dim=1)
    said = x @ slope.T + bias
    positive = torch.logsumexp(weights + torch.nn.functional.logsigmoid(said), dim=1)
    return positive - torch.logsumexp(weights + torch.nn.functional.logsigmoid(-said), dim=1)


def truth(constant: bool) -> Atoms:
    slopes = SLOPES.clone()
    slopes[1] *= 0.0 if constant else 1.0
    return GATE.clone(), torch.tensor([0.3, 0.0], dtype=torch.float64), slopes, BIAS.clone()


def fitted(start: Atoms, x: Tensor, mapped: Tensor, y: Tensor) -> Atoms:
    """The maximum of the likelihood near a start."""
    free = tuple((part / BOUND).atanh().requires_grad_() for part in start)
    optimiser = torch.optim.LBFGS(free, max_iter=150, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit(bounded(free), x, mapped), y)
        loss.backward()
        return loss

    optimiser.step(closure)
    gate, gate_bias, slope, bias = (part.detach() for part in bounded(free))
    return gate - gate[-1], gate_bias - gate_bias[-1], slope, bias


def bounded(free: tuple[Tensor, ...]) -> Atoms:
    """Parameters from a bounded set, as the theory has them: a spare expert would wander off to infinity."""
    gate, gate_bias, slope, bias = (BOUND * part.tanh() for part in free)
    return gate, gate_bias, slope, bias


def near(true: Atoms, k: int, noise: torch.Generator) -> Atoms:
    """The truth with its first expert split into halves where k is larger, and a little noise."""
    gate, gate_bias, slope, bias = true
    order = [0] * (k - len(bias)) + list(range(len(bias)))
    halved = gate_bias[order].clone()
    halved[[i for i, j in enumerate(order) if j == 0]] -= float(np.log(order.count(0)))
    parts = (gate[order], halved, slope[order], bias[order])
    return tuple(p + 0.1 * torch.randn(p.shape, generator=noise, dtype=torch.float64) for p in parts)  # type: ignore[return-value]


def voronoi(true: Atoms, found: Atoms) -> tuple[float, float]:
    """The Voronoi loss, and the largest distance in a cell of several (NaN where there is none).

    Source: Nguyen, Akbarian, Nguyen, Ho 2024, "A General Theory for Softmax Gating Multinomial Logistic Mixture of
    Experts", section 3, over-specified case.
    """
    gaps = [torch.cdist(f, t) for f, t in ((found[0], true[0]), (found[2], true[2]))]
    gap = gaps[0] + gaps[1] + (found[3][:, None] - true[3]).abs()
    cell = gap.argmin(dim=1)
    weight, wanted = torch.softmax(found[1], dim=0), torch.softmax(true[1], dim=0)
    loss, shared = 0.0, float("nan")
    for j in range(len(wanted)):
        inside = cell == j
        power = 1 if int(inside.sum()) == 1 else 2
        loss += float((weight[inside] * gap[inside, j] ** power).sum()) + abs(float(weight[inside].sum() - wanted[j]))
        if power == 2 and bool(inside.any()):
            shared = max(float(gap[inside, j].max()), 0.0 if np.isnan(shared) else shared)
    return loss, shared


def rates(report: Report, bounded_map: str, constant: bool, k: int, seed: int) -> dict[str, float]:
    true, wave = truth(constant), MAPS[bounded_map]
    curve: dict[int, tuple[float, float, float]] = {}
    for n in SIZES:
        each = []
        for run in range(SEEDS):
            noise = torch.Generator().manual_seed(1000 * seed + run)
            x = torch.randn(n + FRESH, D, generator=noise, dtype=torch.float64)
            mapped = wave(x)
            p = torch.sigmoid(logit(true, x, mapped))
            y = torch.bernoulli(p[:n], generator=noise)
            found = fitted(near(true, k, noise), x[:n], mapped[:n], y)
            q = logit(found, x[n:], mapped[n:])
            kl = torch.nn.functional.binary_cross_entropy_with_logits(q, p[n:]) - torch.special.entr(p[n:]).mean()
            kl = kl - torch.special.entr(1 - p[n:]).mean()
            each.append((*voronoi(true, found), max(float(kl), 1e-12)))
        losses, shared, divergence = (list(column) for column in zip(*each, strict=True))
        cells = [s for s in shared if not np.isnan(s)]
        curve[n] = (median(losses), median(cells) if cells else float("nan"), median(divergence))
    logs = np.log(SIZES)
    slopes = [float(np.polyfit(logs, np.log([curve[n][i] for n in SIZES]), 1)[0]) for i in range(3)]
    last = curve[SIZES[-1]]
    report.row(
        **{
            "gate map": bounded_map, "experts": "one constant" if constant else "sloped", "fitted": k,
            "Voronoi loss": " ".join(f"{curve[n][0]:.2f}" for n in SIZES), "slope": slopes[0],
            "slope in shared cells": slopes[1] if k > 2 else "", "paper": PAPER[k] if k == 2 else "-.5, in cells -.25",
            "2 n KL": " ".join(f"{2 * n * curve[n][2]:.1f}" for n in SIZES),
        }
    )  # fmt: skip
    return {"loss": last[0], "slope": slopes[0], "wilks": 2 * SIZES[1] * curve[SIZES[1]][2]}


def excess(active: int, experts: int, k: int, seed: int) -> float:
    """Held-out log loss of a trained top-k mixture over the truth's; k = experts is the dense gate."""
    noise = torch.Generator().manual_seed(seed)
    x = torch.randn(2 * K_ROWS, K_FEATURES, generator=noise)
    route = 2 * x @ torch.randn(K_FEATURES, 4, generator=noise)
    left_out = torch.ones_like(route, dtype=torch.bool).scatter_(1, route.topk(active, dim=1).indices, False)
    weight = torch.softmax(route.masked_fill(left_out, -torch.inf), dim=1)
    said = 1.5 * x @ torch.randn(K_FEATURES, 4, generator=noise) - 3.0
    p = (weight * torch.sigmoid(said)).sum(dim=1)
    y = torch.bernoulli(p, generator=noise)
    torch.manual_seed(seed)
    gate = TopKGate(K_FEATURES, experts, "identity", k)
    linear = torch.nn.Linear(K_FEATURES, experts)
    optimiser = torch.optim.Adam([*gate.parameters(), *linear.parameters()], lr=0.02)

    def loss(rows: Tensor) -> Tensor:
        weights, logits = gate(x[rows]), linear(x[rows])
        positive = torch.logsumexp(weights + torch.nn.functional.logsigmoid(logits), dim=1)
        negative = torch.logsumexp(weights + torch.nn.functional.logsigmoid(-logits), dim=1)
        return torch.nn.functional.binary_cross_entropy_with_logits(positive - negative, y[rows])

    for _ in range(K_STEPS):
        optimiser.zero_grad()
        loss(torch.randint(0, K_ROWS, (1024,), generator=noise)).backward()
        optimiser.step()
    fresh = torch.arange(K_ROWS, 2 * K_ROWS)
    oracle = torch.nn.functional.binary_cross_entropy(p[fresh], y[fresh])
    with torch.no_grad():
        return float(loss(fresh) - oracle)


def main() -> None:
    args = arguments("recovery", __doc__ or "").parse_args()
    torch.set_num_threads(1)
    columns = ("gate map", "experts", "fitted", "Voronoi loss", "slope", "slope in shared cells", "paper", "2 n KL")
    report = Report("recovery", args, columns)
    report.notes["sizes"] = " ".join(f"{n:,}" for n in SIZES)
    found = {
        (bounded_map, constant, k): rates(report, bounded_map, constant, k, args.seed)
        for k in (2, 3)
        for constant in (False, True)
        for bounded_map in ("identity", "tanh")
    }
    for active in (1, 2):
        for experts in (4, 8):
            kept = {k: median(excess(active, experts, k, args.seed + s) for s in range(K_SEEDS)) for k in (1, 2, 4)}
            kept[experts] = median(excess(active, experts, experts, args.seed + s) for s in range(K_SEEDS))
            found_best = min(kept, key=lambda k: kept[k])
            report.notes[f"{active} of 4 experts speak, {experts} fitted: excess log loss by k"] = (
                ", ".join(f"{k}: {v:.4f}" for k, v in kept.items()) + f"; chosen k {found_best}"
            )
    for bounded_map in ("identity", "tanh"):
        exact = found[bounded_map, False, 2]
        report.claim(
            f"slope of the Voronoi loss, {bounded_map}, as many experts as there are", exact["slope"], "<= -0.35"
        )
        report.claim(f"2 n KL of 18 parameters at {SIZES[1]:,} rows, {bounded_map}: at least", exact["wilks"], ">= 8")
        report.claim(f"2 n KL of 18 parameters at {SIZES[1]:,} rows, {bounded_map}: at most", exact["wilks"], "<= 32")
    gain = found["identity", True, 3]["loss"] / found["tanh", True, 3]["loss"]
    report.claim("Voronoi loss, identity over tanh, one expert constant and one too many", gain, "> 1")
    report.finish()


if __name__ == "__main__":
    main()

"""Rates of estimation: the Voronoi loss against the number of rows, and what a bounded map gains.

Two experts over five features, x from N(0, I), maximum likelihood by L-BFGS in float64 from near the truth (a rate is
about the estimator, not about finding it). The Voronoi loss sums over the true experts the distances of the fitted
ones in their cell, squared where a cell holds several, weighed by the shares of the gate; gates are compared in the
form whose last row is zero.
"""

from __future__ import annotations

from functools import cache
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.gates.maps import MAPS
from benchmarks.harness import Report

D, SEEDS = 5, 8
SIZES = (2_000, 8_000, 32_000)
VANISHING_SEEDS = {2_000: 32, 8_000: 32, 32_000: 16}
DRAWS = 2_000  # of the bootstrap
FRESH = 50_000
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


@cache
def estimated(bounded_map: str, constant: bool, k: int, n: int, seed: int) -> tuple[float, float, float]:
    """Of a fit of k experts to n rows: both figures of `voronoi`, and the divergence from the truth on fresh rows."""
    true, noise, wave = truth(constant), torch.Generator().manual_seed(seed), MAPS[bounded_map]
    x = torch.randn(n + FRESH, D, generator=noise, dtype=torch.float64)
    mapped = wave(x)
    p = torch.sigmoid(logit(true, x, mapped))
    y = torch.bernoulli(p[:n], generator=noise)
    found = fitted(near(true, k, noise), x[:n], mapped[:n], y)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit(found, x[n:], mapped[n:]), p[n:])
    entropy = torch.special.entr(p[n:]).mean() + torch.special.entr(1 - p[n:]).mean()
    return *voronoi(true, found), max(float(loss - entropy), 1e-12)


def rates(report: Report, bounded_map: str, constant: bool, k: int, seed: int) -> dict[str, float]:
    """A row of the report, and what claims are made of."""
    curve: dict[int, tuple[float, float, float]] = {}
    for n in SIZES:
        each = [estimated(bounded_map, constant, k, n, 1000 * seed + run) for run in range(SEEDS)]
        losses, shared, kl = (list(column) for column in zip(*each, strict=True))
        cells = [s for s in shared if not np.isnan(s)]
        curve[n] = (median(losses), median(cells) if cells else float("nan"), median(kl))
    logs = np.log(SIZES)
    slopes = [float(np.polyfit(logs, np.log([curve[n][i] for n in SIZES]), 1)[0]) for i in range(3)]
    report.row(
        **{
            "gate map": bounded_map, "experts": "one constant" if constant else "sloped", "fitted": k,
            "Voronoi loss": " ".join(f"{curve[n][0]:.2f}" for n in SIZES), "slope": slopes[0],
            "slope in shared cells": slopes[1] if k > 2 else "", "paper": PAPER[k] if k == 2 else "-.5, in cells -.25",
            "2 n KL": " ".join(f"{2 * n * curve[n][2]:.1f}" for n in SIZES),
        }
    )  # fmt: skip
    return {"slope": slopes[0], "wilks": 2 * SIZES[1] * curve[SIZES[1]][2]}


def report_rates(report: Report, seed: int) -> None:
    """Every map, with and without a constant expert, exactly specified and with one expert too many."""
    for k in (2, 3):
        for constant in (False, True):
            for bounded_map in ("identity", "tanh"):
                found = rates(report, bounded_map, constant, k, seed)
                if k == 3 or constant:
                    continue
                name = f"slope of the Voronoi loss, {bounded_map}, as many experts as there are"
                report.claim(name, found["slope"], "<= -0.35")
                wilks = f"2 n KL of 18 parameters at {SIZES[1]:,} rows, {bounded_map}"
                report.claim(f"{wilks}: at least", found["wilks"], ">= 8")
                report.claim(f"{wilks}: at most", found["wilks"], "<= 32")


def report_vanishing(report: Report, seed: int) -> None:
    """The plain gate against the modified one where an expert is constant and one is too many, by more seeds."""
    title = "Where an expert vanishes and one is too many: Voronoi loss, identity over tanh"
    section = report.section(title, ("rows", "seeds", "identity", "tanh", "ratio of medians", "90% interval"))
    low = float("nan")
    for n, seeds in VANISHING_SEEDS.items():
        plain, modified = (
            np.array([estimated(wave, True, 3, n, 1000 * seed + run)[0] for run in range(seeds)])
            for wave in ("identity", "tanh")
        )
        low, high = interval(plain, modified, seed)
        of = {"identity": float(np.median(plain)), "tanh": float(np.median(modified))}
        ratio = {"ratio of medians": of["identity"] / of["tanh"], "90% interval": f"{low:.2f} to {high:.2f}"}
        section.row(rows=n, seeds=seeds, **of, **ratio)
    report.claim(f"{title}, lower end at {max(VANISHING_SEEDS):,} rows", low, "> 1")


def interval(plain: NDArray[np.float64], modified: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """5% and 95% of the ratio of medians, by bootstrap over the seeds, which both share: the rows are the same."""
    again = np.random.default_rng(seed).integers(len(plain), size=(DRAWS, len(plain)))
    ratios = np.median(plain[again], axis=1) / np.median(modified[again], axis=1)
    low, high = np.quantile(ratios, (0.05, 0.95))
    return float(low), float(high)

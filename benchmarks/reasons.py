"""Reasons: what a row costs, whether they add up, and how near exact Shapley values they and three other ways come.

Agents of several kinds are trained on the handbook's published week and explain some of the test week's riskiest rows.
The truth is the Shapley value over all coalitions of the features that differ from the typical genuine row.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from itertools import combinations
from math import factorial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents import attribution
from agents.attribution import shapley
from agents.genome import Genome
from agents.model import Agent
from agents.training import train
from benchmarks.handbook import TRAIN_FROM_DAY
from benchmarks.handbook_data import SPEC, model_inputs, protocol, read, stream_of, window_features
from benchmarks.harness import Report, arguments, need_data

ROWS = 12  # explained exactly: up to 2^15 scores for each
RISKIEST = 700  # of the test week, a hundred a day
TOP = 5
GENOMES = {  # a gate without jumps, two that switch experts on and off, and trees
    "softmax, mlp": Genome(),
    "top_k, mlp": Genome(gate="top_k"),
    "threshold, mlp": Genome(gate="threshold"),
    "softmax, trees": Genome(expert="trees"),
}
Row = NDArray[np.float32]
Way = Callable[[Row], NDArray[np.float64]]


def exact(agent: Agent, row: Row) -> NDArray[np.float64]:
    """Over all coalitions of the features that differ, by the subset formula."""
    typical = agent.typical
    differs = np.flatnonzero(row != typical)
    k = len(differs)
    has = (np.arange(2**k)[:, None] >> np.arange(k)) & 1 == 1
    rows = np.repeat(typical[None], 2**k, axis=0)
    rows[:, differs] = np.where(has, row[differs], typical[differs])
    value, size = agent.logits(rows).astype(np.float64), has.sum(axis=1)
    weight = np.array([factorial(s) * factorial(k - s - 1) / factorial(k) for s in range(k)])
    out = np.zeros(len(row))
    for i, feature in enumerate(differs):
        without = np.flatnonzero(~has[:, i])
        out[feature] = (weight[size[without]] * (value[without | (1 << i)] - value[without])).sum()
    return out


def sampled(agent: Agent, pairs: int) -> Way:
    """Ours with so many orders and their reverses, whatever the number of features."""

    def way(row: Row) -> NDArray[np.float64]:
        before = attribution.ROWS_PER_REASON, attribution.PAIRS_MAX
        attribution.ROWS_PER_REASON, attribution.PAIRS_MAX = 1 << 20, pairs
        attribution.rule.cache_clear()
        try:
            return shapley(agent.logits, row[None], agent.typical)[0]
        finally:
            attribution.ROWS_PER_REASON, attribution.PAIRS_MAX = before
            attribution.rule.cache_clear()

    return way


def leaving_one_out(agent: Agent) -> Way:
    """The difference to the row with that feature at its typical value: what reasons were before."""

    def way(row: Row) -> NDArray[np.float64]:
        changed = np.repeat(row[None], len(row), axis=0)
        np.fill_diagonal(changed, agent.typical)
        return (agent.logits(row[None]) - agent.logits(changed)).astype(np.float64)

    return way


def integrated_gradients(agent: Agent, points: int) -> Way:
    """Along the straight line from the typical row to this one, in what the network's gate and experts see.

    Source: Sundararajan, Taly, Yan 2017, "Axiomatic attribution for deep networks", eq. 1; Gauss-Legendre points.
    """
    network = copy.deepcopy(agent.network).double()
    at, weight = np.polynomial.legendre.leggauss(points)
    t, w = (torch.from_numpy(v / 2.0)[:, None] for v in (at + 1.0, weight))

    def way(row: Row) -> NDArray[np.float64]:
        both = agent.inputs.numbers(np.stack([agent.typical, row])).double()

        def along(ends: Tensor) -> Tensor:
            return (ends[0] + t * (ends[1] - ends[0])).detach().requires_grad_()

        encoded = [member.encoder(both).detach() for member in network.members]
        numbers, inside = along(both), [along(ends) for ends in encoded]
        each = []
        for member, x in zip(network.members, inside, strict=True):
            log_weights, logits = member.gate(numbers), member.experts(x)
            log_p = torch.logsumexp(log_weights + torch.nn.functional.logsigmoid(logits), dim=1)
            each.append((log_p, torch.logsumexp(log_weights + torch.nn.functional.logsigmoid(-logits), dim=1)))
        up, down = (torch.logsumexp(torch.stack(side), dim=0) for side in zip(*each, strict=True))
        logit = up - down
        gradients = torch.autograd.grad(logit.sum(), [numbers, *inside])
        total = (gradients[0] * w).sum(dim=0) * (both[1] - both[0])
        for gradient, ends in zip(gradients[1:], encoded, strict=True):
            parts, q = (gradient * w).sum(dim=0) * (ends[1] - ends[0]), both.shape[1]
            total += parts[-q:] + parts[:-q].view(q, -1).sum(dim=1)  # the bins of each number, and the number itself
        out = np.zeros(len(row))
        out[agent.inputs.numeric] = agent.calibration.rise * total.numpy()
        return out

    return way


def top(added: NDArray[np.float64]) -> list[int]:
    """The features that would be shown: strongest first, positive ones only."""
    return [int(j) for j in np.argsort(-added, kind="stable")[:TOP] if added[j] > 0]


def judged(way: Way, agent: Agent, rows: Row, truth: list[NDArray[np.float64]]) -> dict[str, float]:
    way(rows[0])  # warm-up
    found, seconds = [], []
    for row in rows:
        begin = time.thread_time()
        found.append(way(row))
        seconds.append(time.thread_time() - begin)
    change = agent.logits(rows).astype(np.float64) - float(agent.logits(agent.typical[None])[0])
    shown = [(top(f), top(t)) for f, t in zip(found, truth, strict=True)]
    off = [np.abs(f - t).sum() / np.abs(t).sum() for f, t in zip(found, truth, strict=True)]
    pairs = [
        (f[i] > f[j]) == (t[i] > t[j]) for f, t in zip(found, truth, strict=True) for i, j in combinations(top(t), 2)
    ]
    return {
        "CPU us a row": 1e6 * median(seconds),
        "sum off, largest": max(abs(f.sum() - c) for f, c in zip(found, change, strict=True)),
        "off exact": float(np.mean(off)),
        "same five": float(np.mean([len(set(f) & set(t)) / max(len(t), 1) for f, t in shown])),
        "same first": float(np.mean([f[:1] == t[:1] for f, t in shown])),
        "same order of two": float(np.mean(pairs)),
    }


def data(folder: Path, report: Report) -> tuple[tuple[str, ...], Row, NDArray[np.bool_], NDArray[np.int64], Row]:
    """Names, the published training week with labels and times, and the test week's rows."""
    table = read(report.uses(folder / "transactions.parquet"))
    until = int(np.searchsorted(table.day, TRAIN_FROM_DAY + 21))
    state, windows = window_features(stream_of(table), SPEC, until)
    x = model_inputs(table, windows)
    tr, te = (np.flatnonzero(rows) for rows in protocol(table, TRAIN_FROM_DAY))
    return ("amount", "weekend", "night", *state.names), x[tr], table.fraud[tr], table.event_time[tr], x[te]


def main() -> None:
    parser = arguments("reasons", __doc__ or "")
    parser.add_argument("--rows", type=int, default=ROWS, help="explained exactly, per agent")
    args = parser.parse_args()
    torch.set_num_threads(1)
    columns = (
        "agent", "way", "CPU us a row", "sum off, largest", "off exact", "same five", "same first", "same order of two",
    )  # fmt: skip
    report = Report("reasons", args, columns)
    names, x, fraud, event_time, later = data(need_data(args, "handbook"), report)
    ours: list[dict[str, float]] = []
    for kind, genome in GENOMES.items():
        agent = train(genome, x, fraud, event_time, feature_names=names, threads=1)
        riskiest = np.argsort(-agent.logits(later), kind="stable")[:RISKIEST]
        rows = later[riskiest[np.linspace(0, RISKIEST - 1, args.rows).astype(int)]]
        truth = [exact(agent, row) for row in rows]
        ways: dict[str, Way] = {
            "ours": lambda row, a=agent: shapley(a.logits, row[None], a.typical)[0],  # type: ignore[misc]  # bound here
            **{f"{2 * pairs} orders": sampled(agent, pairs) for pairs in (1, 4, 32)},
            "leaving one out": leaving_one_out(agent),
        }
        if agent.forest is None:
            ways |= {
                f"integrated gradients, {points} points": integrated_gradients(agent, points) for points in (16, 64)
            }
        for name, way in ways.items():
            found = judged(way, agent, rows, truth)
            report.row(agent=kind, way=name, **found)
            ours += [found] if name == "ours" else []
    report.notes["explained"] = f"{args.rows} of the {RISKIEST} riskiest rows of the published test week, per agent"
    report.notes["off exact"] = "sum over features of the distance to the exact values, over their sum of sizes"
    report.claim("largest distance of a sum from the logit", max(f["sum off, largest"] for f in ours), "<= 1e-4")
    report.claim(
        "features shown that exact values show, least over agents", min(f["same five"] for f in ours), ">= 0.9"
    )
    report.claim("the same first reason, least over agents", min(f["same first"] for f in ours), ">= 0.9")
    report.claim(
        "milliseconds of one core for an alert, slowest agent", max(f["CPU us a row"] for f in ours) / 1000, "<= 5"
    )
    report.finish()


if __name__ == "__main__":
    main()

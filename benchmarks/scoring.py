"""Transactions a second through a lineup of four, and what share of the machine's limits that is.

The limits are measured in the same run, on the same device: a product of large matrices, and a copy. Arithmetic counts
the multiplications and additions of the plain network, whichever form is timed: one that needs fewer of them can come
out above what products of that size would reach. Memory counts features in and scores out, which no form can avoid.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.genome import Genome
from agents.model import Agent
from agents.stacked import StackedAgents, shape_of
from agents.training import train
from benchmarks.harness import Report, arguments

NUMBERS, CATEGORIES, CODES = 29, 4, 12  # as the demo's stream has them
TRAINING_ROWS = 4_000
RUNS = 5
BATCHES = (64, 512, 2048, 8192)
SIDE = 2048  # of the matrices
COPIED = 1 << 26  # numbers
LINEUP = {
    "piecewise": Genome(experts=8, epochs_max=2, seed=1),
    "periodic": Genome(encoder="periodic", experts=8, epochs_max=2, seed=2),
    "logistic": Genome(expert="logistic", experts=8, epochs_max=2, seed=3),
    "challenger": Genome(experts=8, epochs_max=2, seed=4),
}
COLUMNS = ("form", "agents", "batch", "transactions a second", "of arithmetic", "of memory")
HALF = "half precision against float32: probabilities, and what it costs"
Rows = NDArray[np.float32]


def main() -> None:
    parser = arguments("scoring", __doc__ or "")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rows", type=int, default=65_536)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "--device cuda: found no GPU, allowed: a machine with one\n")
    torch.set_num_threads(args.threads)
    x, fraud = stream(args.rows, args.seed)
    agents = {name: trained(genome, args.seed) for name, genome in LINEUP.items()}
    report = Report("scoring", args, COLUMNS)
    products, copies = limits(args.device)
    report.notes |= {"products, GFLOP/s": products / 1e9, "copies, GB/s": copies / 1e9, "threads": args.threads}

    def timed(form: str, who: str, score: Callable[[Rows], object], of: Iterable[Agent], batch: int) -> float:
        rate = best_rate(score, x, batch)
        flops = sum(map(flops_of, of))
        traffic = 4.0 * (x.shape[1] + len(agents))
        report.row(
            form=form,
            agents=who,
            batch=batch,
            **{
                "transactions a second": rate,
                "of arithmetic": rate * flops / products,
                "of memory": rate * traffic / copies,
            },
        )
        return rate

    everyone = list(agents.values())
    rates = dict[str, float]()
    for batch in BATCHES:
        if args.device == "cuda":
            stacks = stacked(everyone, batch)
            rates[f"stacked {batch}"] = timed(
                "stacked", "all", lambda rows, s=stacks: [stack.logits(rows) for stack in s], everyone, batch
            )
            continue
        for name, agent in agents.items():
            timed("plain", name, lambda rows, a=agent: plain(a, a.network, rows), [agent], batch)
            timed("compiled", name, agent.logits, [agent], batch)
        rates[f"plain {batch}"] = timed(
            "plain", "all", lambda rows: [plain(a, a.network, rows) for a in everyone], everyone, batch
        )
        rates[f"compiled {batch}"] = timed(
            "compiled", "all", lambda rows: [a.logits(rows) for a in everyone], everyone, batch
        )
    if args.device == "cpu":
        half_precision(report, agents, x)
        report.claim("compiled to plain, all, 2,048 a batch", rates["compiled 2048"] / rates["plain 2048"], ">= 1")
    report.notes["frauds among the rows"] = int(fraud.sum())
    report.finish()


def stream(n: int, seed: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Rows with heavy tails, missing values and codes, and a label that some of them give away."""
    rng = np.random.default_rng(seed)
    numbers = rng.lognormal(1.0, 1.0, (n, NUMBERS))
    numbers[rng.random((n, NUMBERS)) < 0.02] = np.nan
    codes = rng.integers(1, CODES + 1, (n, CATEGORIES))
    x = np.hstack([numbers, codes]).astype(np.float32)
    return x, (np.nan_to_num(x[:, 0]) > 12) & (codes[:, 0] <= CODES // 2)


def trained(genome: Genome, seed: int) -> Agent:
    """An agent of the stream; how well it does is no matter here."""
    x, fraud = stream(TRAINING_ROWS, seed + 1)
    names = [*(f"number{j}" for j in range(NUMBERS)), *(f"category{j}" for j in range(CATEGORIES))]
    times = np.linspace(0, 864_000_000, len(x)).astype(np.int64)
    known = frozenset(names[NUMBERS:])
    return train(genome, x, fraud, times, feature_names=tuple(names), categorical=known, threads=1)


def plain(agent: Agent, network: nn.Module, x: Rows, dtype: torch.dtype = torch.float32) -> Rows:
    """The network as it was trained, without its compiled form."""
    with torch.inference_mode():
        numbers, rows, boosted = agent.encoded(x)
        raw: Rows = network(numbers.to(dtype), rows, boosted.to(dtype)).float().numpy()
    return agent.calibration.apply(raw)


def stacked(agents: list[Agent], rows_max: int) -> list[StackedAgents]:
    """A stack for each shape."""
    shapes: dict[object, list[Agent]] = {}
    for agent in agents:
        shapes.setdefault(shape_of(agent), []).append(agent)
    return [StackedAgents(of_shape, "cuda", rows_max) for of_shape in shapes.values()]


def best_rate(score: Callable[[Rows], object], x: Rows, batch: int) -> float:
    """Transactions a second, the best of a few runs over all rows: what the machine can do when it is left alone."""
    score(x[:batch])
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        for at in range(0, len(x), batch):
            score(x[at : at + batch])
        seconds.append(time.perf_counter() - began)
    return len(x) / min(seconds)


def limits(device: str) -> tuple[float, float]:
    """Operations a second in a product of matrices, and bytes a second in a copy: read and written both count."""
    a, b = torch.randn(SIDE, SIDE, device=device), torch.randn(SIDE, SIDE, device=device)
    source = torch.randn(COPIED, device=device)
    target = torch.empty_like(source)
    products = 2.0 * SIDE**3 / best_seconds(lambda: torch.mm(a, b), device)
    return products, 2.0 * 4.0 * COPIED / best_seconds(lambda: target.copy_(source), device)


def best_seconds(work: Callable[[], object], device: str) -> float:
    seconds = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def flops_of(agent: Agent) -> float:
    """Multiplications and additions of one row in the plain network: its layers, without encoder and mixing."""
    weights = (p for name, p in agent.network.named_parameters() if p.dim() == 2 and ".embeddings." not in name)
    return 2.0 * sum(p.numel() for p in weights)


def half_precision(report: Report, agents: dict[str, Agent], x: Rows) -> None:
    """What bfloat16 does to scores and to speed, of each plain network."""
    section = report.section(HALF, ("agent", "largest difference", "mean difference", "time to float32's"))
    part = x[:8192]
    for name, agent in agents.items():
        half = copy.deepcopy(agent.network).to(torch.bfloat16)
        wanted, found = (
            1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
            for logits in (plain(agent, agent.network, part), plain(agent, half, part, torch.bfloat16))
        )
        of_float = best_rate(lambda rows, a=agent: plain(a, a.network, rows), part, 512)
        of_half = best_rate(lambda rows, a=agent, h=half: plain(a, h, rows, torch.bfloat16), part, 512)
        section.row(
            agent=name,
            **{
                "largest difference": float(np.abs(found - wanted).max()),
                "mean difference": float(np.abs(found - wanted).mean()),
                "time to float32's": of_float / of_half,
            },
        )


if __name__ == "__main__":
    main()

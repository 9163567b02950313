"""What a top-k gate saves: seconds to score a batch against the number of experts, k of them fixed: dense, sparse."""

from __future__ import annotations

import time
from statistics import median

import torch

from agents.genome import Genome
from agents.mixture import SPARSE_FROM, Mixture
from benchmarks.harness import Report, arguments

FEATURES, BINS, HIDDEN, TOP_K = 15, 16, 16, 2
EXPERTS = (4, 8, 16, 32, 64, 128, 256)
BATCHES = (1, 256, 2048)
RUNS = 9


def network(experts: int, seed: int) -> Mixture:
    torch.manual_seed(seed)
    genome = Genome(gate="top_k", top_k=TOP_K, experts=experts, bins=BINS, hidden=HIDDEN)
    made = Mixture(genome, torch.linspace(-2, 2, BINS + 1).repeat(FEATURES, 1), [], -4.0)
    torch.nn.init.normal_(made.gate.linear.weight)  # rows that go to different experts, as after training
    return made.eval()


def seconds(made: Mixture, sparse: bool, numbers: torch.Tensor) -> float:
    made.sparse = sparse
    rows = torch.zeros(len(numbers), 0, dtype=torch.int64)
    found = []
    with torch.inference_mode():
        made(numbers, rows)  # warm-up
        for _ in range(RUNS):
            begin = time.perf_counter()
            made(numbers, rows)
            found.append(time.perf_counter() - begin)
    return median(found)


def main() -> None:
    args = arguments("experts", __doc__ or "").parse_args()
    torch.set_num_threads(1)
    report = Report("experts", args, ("experts", "k", "rows", "dense ms", "sparse ms", "dense / sparse"))
    gains: dict[tuple[int, int], float] = {}
    sparse_ms: dict[tuple[int, int], float] = {}
    for batch in BATCHES:
        numbers = torch.randn(batch, FEATURES, generator=torch.Generator().manual_seed(args.seed))
        for experts in EXPERTS:
            made = network(experts, args.seed)
            dense, sparse = (1000 * seconds(made, kind, numbers) for kind in (False, True))
            gains[batch, experts], sparse_ms[batch, experts] = dense / sparse, sparse
            cells = {"dense ms": dense, "sparse ms": sparse, "dense / sparse": dense / sparse}
            report.row(experts=experts, k=TOP_K, rows=batch, **cells)
    for batch in BATCHES:
        pays = [n for n in EXPERTS if all(gains[batch, more] > 1 for more in EXPERTS if more >= n)]
        report.notes[f"experts from which sparse pays, {batch} rows"] = (
            min(pays) if pays else f"more than {EXPERTS[-1]}"
        )
    report.notes["used from"] = f"{SPARSE_FROM} experts for each of the k"
    report.claim("dense / sparse of 256 experts at 2,048 rows", gains[2048, 256], "> 1")
    growth = sparse_ms[2048, 256] / sparse_ms[2048, 16]
    report.claim("sparse seconds of 256 experts over those of 16, 2,048 rows", growth, "<= 4")
    report.finish()


if __name__ == "__main__":
    main()

"""How fast a binary mixture of logistic experts is recovered, which features the lasso finds, how many experts to keep.

Each section's module says what it measures. All fits of the rates start near the truth; the lasso's and the choice of k
are as the library trains them, from nothing.
"""

from __future__ import annotations

import torch

from benchmarks.harness import Report, arguments
from benchmarks.recovery import rates, sparse, top_k

COLUMNS = ("gate map", "experts", "fitted", "Voronoi loss", "slope", "slope in shared cells", "paper", "2 n KL")


def main() -> None:
    args = arguments("recovery", __doc__ or "").parse_args()
    torch.set_num_threads(1)
    report = Report("recovery", args, COLUMNS)
    report.notes["sizes"] = " ".join(f"{n:,}" for n in rates.SIZES)
    sparse.report_on(report, args.seed)
    top_k.report_on(report, args.seed)
    rates.report_rates(report, args.seed)
    rates.report_vanishing(report, args.seed)
    report.finish()


if __name__ == "__main__":
    main()

"""Gates and activations on tabular sets: a plain mixture, an MLP, each of ours, and LightGBM for scale.

Nothing is tuned by set: one set of genes for all, and hidden layers as wide as gives all the same number of parameters;
logistic experts have none, and fewer. When to stop was chosen on ten other sets and other seeds: with patience 6 the
Gumbel gate was stopped while still hot (mean AUC there .900; .903 with the 16 of its paper; the MLP .902 both times).
scikit-learn's sets are split at random, half for training; streams in time, the older half for training; the handbook
by days of its published features. At most 1,500 rows to learn from, three seeds, AUC. Ranks are over the mean AUC of
the seeds, 1 the best; Friedman's test says whether they differ at all. A method helps on a set where it is better than
the plain mixture by two standard errors over seeds.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, wilcoxon

from benchmarks.harness import Report, arguments, need_data
from benchmarks.tabular import few_frauds, segments
from benchmarks.tabular.methods import GATES, GUMBEL, LIGHTGBM, MLP, PLAIN, THREADS, judged
from benchmarks.tabular.sets import Split, bundled, handbook, streams
from benchmarks.tabular.verdicts import COLUMNS, seed_error, verdict

SEEDS = 3
METHODS = (*GATES, LIGHTGBM)


def main() -> None:
    args = arguments("tabular", __doc__ or "").parse_args()
    torch.set_num_threads(THREADS)
    report = Report("tabular", args, ("method", "mean rank", "parameters", "seconds a fit"))
    sets = {**bundled(args.seed), **streams(report, need_data(args, "drift")), **handbook(report, args)}
    report.columns = (*report.columns, *sets)
    found = _measured(report, sets, args.seed)
    _claims(report, found)
    helps = report.section("Against the plain mixture: where each helps", ("method", *COLUMNS))
    error = seed_error(found[:-1])
    for i, method in enumerate(METHODS):
        if method != PLAIN:
            gain = found[i].mean(axis=1) - found[METHODS.index(PLAIN)].mean(axis=1)
            helps.row(method=method, **verdict(gain, error, tuple(sets)))
    segments.report_on(report, need_data(args, "drift").parent, args.seed)
    few_frauds.report_on(report, {name: sets[name] for name in few_frauds.SETS}, args.seed)
    report.finish()


def _measured(report: Report, sets: dict[str, Split], first_seed: int) -> NDArray[np.float64]:
    """AUC of each method on each set with each seed, float64[methods, sets, seeds]."""
    found = np.zeros((len(METHODS), len(sets), SEEDS))
    seconds, parameters = np.zeros(len(METHODS)), np.zeros(len(METHODS))
    for j, (name, split) in enumerate(sets.items()):
        for i, method in enumerate(METHODS):
            begin = time.process_time()
            for seed in range(SEEDS):
                found[i, j, seed], size = judged(method, split, first_seed + seed)
            seconds[i] += time.process_time() - begin
            parameters[i] += size
        report.notes[name] = f"{len(split.x)} rows, {int(split.y.sum())} positive, {split.x.shape[1]} features"
    mean = found.mean(axis=2)
    ranks = rankdata(-mean, axis=0).mean(axis=1)
    for i, method in enumerate(METHODS):
        each = {name: round(float(mean[i, j]), 4) for j, name in enumerate(sets)}
        cells = {"mean rank": ranks[i], "parameters": round(parameters[i] / len(sets))}
        report.row(method=method, **cells, **{"seconds a fit": seconds[i] / len(sets) / SEEDS}, **each)
    return found


def _claims(report: Report, found: NDArray[np.float64]) -> None:
    mean = found.mean(axis=2)
    ranks = dict(zip(METHODS, rankdata(-mean, axis=0).mean(axis=1), strict=True))
    report.notes["mean spread of AUC over seeds (standard deviation)"] = float(found.std(axis=2, ddof=1).mean())
    report.notes["Friedman's p, all but LightGBM"] = float(friedmanchisquare(*mean[:-1]).pvalue)
    report.claim("sets", found.shape[1], ">= 11")
    for name, other in (("the plain mixture", PLAIN), ("the MLP", MLP)):
        report.claim(f"mean rank of Gumbel less that of {name}", ranks[GUMBEL] - ranks[other], "< 0")
        p = wilcoxon(mean[METHODS.index(GUMBEL)], mean[METHODS.index(other)]).pvalue
        report.notes[f"Wilcoxon's p, Gumbel against {name}"] = float(p)


if __name__ == "__main__":
    main()

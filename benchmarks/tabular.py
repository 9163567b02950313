"""Gates on tabular sets: a plain mixture, an MLP of as many parameters, each gate, and LightGBM for scale.

Nothing is tuned: one set of genes for all. scikit-learn's sets are split at random, half for training; streams in time,
the older half for training; the handbook by days of its published features. At most 1,500 rows to learn from, three
seeds, AUC. Ranks are over the mean AUC of the seeds, 1 the best; Friedman's test says whether they differ at all.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from lightgbm import LGBMClassifier
from scipy.stats import friedmanchisquare, rankdata
from sklearn import datasets

from agents.genome import Genome, read_genome
from agents.metrics import auc
from agents.mixture import Committee
from agents.model import Agent
from agents.training import train
from benchmarks.harness import Report, arguments, need_data

ROWS_MAX, SEEDS, THREADS = 1500, 3, 1
EXPERTS, HIDDEN = 6, 8
STREAMS = {
    "elec2": "elec2", "noaa": "noaa_weather", "ozone": "ozone", "spam": "spam_assassin",
    "rt": "rt_2563789698568873_abrupto", "sea": "sea_0123_abrupto_noise_0.2",
}  # fmt: skip
BEFORE_DRIFT = 10_000  # rows of the streams whose concept then changes at once: gates are compared here, not drift
SHARED = {
    "experts": EXPERTS, "hidden": HIDDEN, "bins": 8, "epochs_max": 30, "patience": 6, "batch": 128,
    "learning_rate": 0.01, "averaging": 0.9, "genuine_per_fraud": 1e6, "refit": False,
}  # fmt: skip
MLP, LIGHTGBM = "MLP of as many parameters", "LightGBM, defaults"
GATES: dict[str, dict[str, object]] = {
    "softmax, plain": {"gate_map": "identity"},
    "softmax, tanh": {},
    "softmax, logistic experts": {"expert": "logistic"},
    "softmax, xATLU": {"activation": "xatlu"},
    "softmax, information balance": {"balance": "information", "balance_weight": 0.1},
    "top-2": {"gate": "top_k", "top_k": 2},
    "Gumbel": {"gate": "gumbel"},
    "GRKAN": {"gate": "grkan"},
    "GRKAN, radial": {"gate": "grkan", "gate_basis": "rbf"},
    "threshold": {"gate": "threshold"},
    "threshold, adapters": {"gate": "threshold", "expert": "adapters", "hidden": HIDDEN * EXPERTS},
}


@dataclass(frozen=True, slots=True)
class Split:
    """One set: rows to learn from and rows to judge by."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def main() -> None:
    args = arguments("tabular", __doc__ or "").parse_args()
    torch.set_num_threads(THREADS)
    report = Report("tabular", args, ("method", "mean rank", "parameters", "seconds a fit"))
    sets = {**bundled(args.seed), **streams(report, need_data(args, "drift")), **handbook(report, args)}
    report.columns = (*report.columns, *sets)
    methods = (MLP, *GATES, LIGHTGBM)
    found = np.zeros((len(methods), len(sets), SEEDS))
    seconds, parameters = np.zeros(len(methods)), np.zeros(len(methods))
    for j, (name, split) in enumerate(sets.items()):
        for i, method in enumerate(methods):
            begin = time.perf_counter()
            for seed in range(SEEDS):
                found[i, j, seed], size = judged(method, split, args.seed + seed)
            seconds[i] += time.perf_counter() - begin
            parameters[i] += size
        report.notes[name] = f"{len(split.x)} rows, {int(split.y.sum())} positive, {split.x.shape[1]} features"
    mean = found.mean(axis=2)
    ranks = rankdata(-mean, axis=0).mean(axis=1)
    for i, method in enumerate(methods):
        each = {name: round(float(mean[i, j]), 4) for j, name in enumerate(sets)}
        cells = {"mean rank": ranks[i], "parameters": round(parameters[i] / len(sets))}
        report.row(method=method, **cells, **{"seconds a fit": seconds[i] / len(sets) / SEEDS}, **each)
    report.notes["mean spread of AUC over seeds (standard deviation)"] = float(found.std(axis=2, ddof=1).mean())
    networks = mean[:-1]
    report.notes["Friedman's p, all but LightGBM"] = float(friedmanchisquare(*networks).pvalue)
    rank_of = dict(zip(methods, ranks, strict=True))
    report.claim("sets", len(sets), ">= 11")
    report.claim(
        "mean rank of Gumbel less that of the plain mixture", rank_of["Gumbel"] - rank_of["softmax, plain"], "< 0"
    )
    report.claim("mean rank of Gumbel less that of the MLP", rank_of["Gumbel"] - rank_of[MLP], "< 0")
    report.finish()


def judged(method: str, split: Split, seed: int) -> tuple[float, int]:
    """AUC on the test rows, and the number of parameters."""
    if method == LIGHTGBM:
        model = LGBMClassifier(random_state=seed, n_jobs=THREADS, verbose=-1).fit(split.x, split.y)
        return auc(split.test_y, model.predict_proba(split.test_x)[:, 1]), 0
    agent = trained(genome_of(method, split.x.shape[1], seed), split)
    return auc(split.test_y, agent.logits(split.test_x).astype(np.float64)), size_of(agent.network)


def genome_of(method: str, features: int, seed: int) -> Genome:
    if method != MLP:
        return read_genome({**SHARED, **GATES[method], "seed": seed})
    return read_genome({**SHARED, "experts": 1, "hidden": mlp_width(features), "seed": seed})


def mlp_width(features: int) -> int:
    """Hidden units of one network that has as many parameters as the plain mixture: they grow in a straight line."""
    wanted = size(read_genome(SHARED), features)
    one, two = (size(read_genome({**SHARED, "experts": 1, "hidden": w}), features) for w in (1, 2))
    return 1 + round((wanted - one) / (two - one))


def size(genome: Genome, features: int) -> int:
    with torch.device("meta"):
        return size_of(Committee(genome, torch.empty(features, genome.bins + 1), [], 0.0))


def size_of(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def trained(genome: Genome, split: Split) -> Agent:
    names = tuple(f"x{j}" for j in range(split.x.shape[1]))
    return train(genome, split.x, split.y, np.arange(len(split.x)), feature_names=names, threads=THREADS)


def bundled(seed: int) -> dict[str, Split]:
    """Those that ship with scikit-learn, as questions of two classes."""
    cancer, digits = datasets.load_breast_cancer(), datasets.load_digits()
    diabetes, wine = datasets.load_diabetes(), datasets.load_wine()
    questions = {
        "breast_cancer": (cancer.data, cancer.target == 0),
        "diabetes": (diabetes.data, diabetes.target > np.median(diabetes.target)),
        "digits, odd": (digits.data, digits.target % 2 == 1),
        "wine": (wine.data, wine.target == 1),
    }
    order = {name: np.random.default_rng(seed).permutation(len(x)) for name, (x, _) in questions.items()}
    return {name: halves(x[order[name]], y[order[name]]) for name, (x, y) in questions.items()}


def streams(report: Report, folder: Path) -> dict[str, Split]:
    found = {}
    for name, file in STREAMS.items():
        table = pq.read_table(report.uses(folder / f"{file}.parquet"))
        table = table.slice(0, BEFORE_DRIFT if "abrupto" in file else len(table))
        columns = [c.to_numpy(zero_copy_only=False) for c in table.columns]
        x = np.column_stack(
            [c if c.dtype.kind in "fiub" else np.unique(c, return_inverse=True)[1] for c in columns[:-1]]
        )
        classes, codes = np.unique(columns[-1], return_inverse=True)
        found[name] = halves(x, codes == len(classes) - 1)
    return found


def handbook(report: Report, args: argparse.Namespace) -> dict[str, Split]:
    """The published features of the test week: its first four days to learn from, its last two to judge by."""
    folder = need_data(args, "handbook")
    features = pq.read_table(report.uses(folder / "features_2018-08-08_2018-08-14.parquet"))
    payments = pq.read_table(report.uses(folder / "transactions.parquet"))
    ids = features["TRANSACTION_ID"].to_numpy()
    everyone = payments["TRANSACTION_ID"].to_numpy()
    order = np.argsort(everyone)
    at = order[np.searchsorted(everyone[order], ids)]
    day = payments["TX_TIME_SECONDS"].to_numpy()[at] // 86_400
    y = payments["TX_FRAUD"].to_numpy()[at].astype(bool)
    columns = [features[c].to_numpy() for c in features.column_names if c != "TRANSACTION_ID"]
    x = np.column_stack([payments["AMOUNT_CENTS"].to_numpy()[at] / 100, *columns]).astype(np.float32)
    by_time = np.argsort(payments["TX_TIME_SECONDS"].to_numpy()[at], kind="stable")
    x, y, day = x[by_time], y[by_time], day[by_time] - day.min()
    old, new = day < 4, day >= 5
    kept = thinned(y[old])
    return {"handbook": Split(x[old][kept], y[old][kept], x[new], y[new])}


def thinned(y: np.ndarray) -> np.ndarray:
    """All positives and evenly spaced others, in order, up to the most rows."""
    others = np.flatnonzero(~y)
    some = others[np.linspace(0, len(others) - 1, ROWS_MAX - int(y.sum())).astype(int)]
    return np.sort(np.concatenate([np.flatnonzero(y), some]))


def halves(x: np.ndarray, y: np.ndarray) -> Split:
    middle = len(x) // 2
    some = [np.unique(np.linspace(a, b - 1, ROWS_MAX).astype(int)) for a, b in ((0, middle), (middle, len(x)))]
    x = x.astype(np.float32)
    return Split(x[some[0]], y[some[0]], x[some[1]], y[some[1]])


if __name__ == "__main__":
    main()

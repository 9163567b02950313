"""The lasso mixture where it is meant for: far more features than frauds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from lightgbm import LGBMClassifier
from msgspec import structs

from agents.genome import read_genome
from agents.metrics import auc
from agents.penalty_choice import choose_penalty
from benchmarks.harness import Report
from benchmarks.tabular.methods import LIGHTGBM, LOGISTIC, PLAIN, SHARED, THREADS, genome_of, trained
from benchmarks.tabular.sets import Split
from benchmarks.tabular.verdicts import COLUMNS, seed_error, verdict

SETS = ("ozone",)
FRAUDS, GENUINE, SEEDS = (10, 20, 40), 400, 3
BEST_PREDICTION = 0.5  # of what BIC picks, which is for finding the features
EXPERTS = 2  # of the mixtures of logistic experts
LASSO, UNPENALISED = "lasso, c by BIC", "logistic experts, plain inputs"
METHODS = (UNPENALISED, LASSO, "lasso, half of that c", PLAIN, LIGHTGBM)


def report_on(report: Report, sets: dict[str, Split], seed: int) -> None:
    """Add the section, and what was selected."""
    columns = ("method", *(f"{name}, {frauds} frauds" for name in sets for frauds in FRAUDS), *COLUMNS)
    section = report.section(f"Few frauds and {GENUINE} genuine rows: AUC, the lasso against no penalty", columns)
    cases = [(name, frauds) for name in sets for frauds in FRAUDS]
    found = np.zeros((len(METHODS), len(cases), SEEDS))
    for j, (name, frauds) in enumerate(cases):
        kept = []
        for run in range(SEEDS):
            found[:, j, run], (c, features) = judged(fewer(sets[name], frauds, seed + run), seed + run)
            kept.append(f"{features} at c {c}")
        report.notes[f"{name}, {frauds} frauds: of {sets[name].x.shape[1]} features the lasso keeps"] = ", ".join(kept)
    mean, error = found.mean(axis=2), seed_error(found)
    for i, method in enumerate(METHODS):
        cells = dict(zip(columns[1:], (round(float(auc), 4) for auc in mean[i]), strict=False))
        section.row(method=method, **cells, **verdict(mean[i] - mean[0], error, columns[1 : 1 + len(cases)]))
    gain = mean[METHODS.index(LASSO)].mean() - mean[0].mean()
    report.claim("few frauds: mean AUC of the lasso less that without a penalty", gain, "> 0")


def fewer(split: Split, frauds: int, seed: int) -> Split:
    """The same rows to judge by, and few to learn from, by chance."""
    rng = np.random.default_rng(seed)
    wanted = ((np.flatnonzero(split.y), frauds), (np.flatnonzero(~split.y), GENUINE))
    some = np.sort(np.concatenate([rng.choice(of, min(n, len(of)), replace=False) for of, n in wanted]))
    return replace(split, x=split.x[some], y=split.y[some])


def judged(split: Split, seed: int) -> tuple[list[float], tuple[float, int]]:
    """AUC of each method on the rows to judge by; the c that BIC picks, and how many features are kept at it."""
    names = tuple(f"x{j}" for j in range(split.x.shape[1]))
    plain = read_genome({**SHARED, **LOGISTIC, "experts": EXPERTS, "seed": seed})
    choice = choose_penalty(
        read_genome({**SHARED, **LOGISTIC, "experts": EXPERTS, "penalty": "l1", "seed": seed}),
        split.x, split.y, np.arange(len(split.x)), feature_names=names, threads=THREADS,
    )  # fmt: skip
    c = choice.genome.penalty_experts
    half = structs.replace(choice.genome, penalty_experts=BEST_PREDICTION * c, penalty_gate=BEST_PREDICTION * c)
    agents = [trained(plain, split), choice.agents[c], trained(half, split)]
    agents.append(trained(genome_of(PLAIN, split.x.shape[1], seed), split))
    boosted = LGBMClassifier(random_state=seed, n_jobs=THREADS, verbose=-1).fit(split.x, split.y)
    scores = [
        *(agent.logits(split.test_x).astype(np.float64) for agent in agents),
        boosted.predict_proba(split.test_x)[:, 1],
    ]
    return [auc(split.test_y, score) for score in scores], (c, len(choice.agents[c].card.selected_features or ()))

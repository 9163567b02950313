"""The handbook's published protocol: our agents beside the models that teams use, tuned and fitted in the same run.

Train a week, wait a week for its labels, test the week after; cards known to be compromised are left out. Four folds,
the newest of which is the published single split. Inputs are the published 15 features, and a set of 23 that adds what
else the same windows say; everybody gets both. Everybody is tuned by random search with as many trials on one test
week before all those that are judged, one set at a time, and then fitted with five seeds on every fold.

What was scored is kept in the scratch folder, so that a run that was cut short goes on where it stopped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agents.metrics import auc, average_precision, card_precision
from benchmarks.drift.cache import Cache, Scored
from benchmarks.handbook_data import (
    EXTENDED,
    SPEC,
    Table,
    derived,
    model_inputs,
    protocol,
    read,
    stream_of,
    window_features,
)
from benchmarks.handbook_rules import ANALYSTS
from benchmarks.harness import Report, arguments, need_data
from benchmarks.learners import FOREST, LIGHTGBM, NEURAL, TABM, TREES, XGBOOST, Choice, Learner, Rows
from benchmarks.tuning import TRIALS, Split, fitted, lineup, tuned

TRAIN_FROM_DAY = 115  # 2018-07-25, counted from 2018-04-01; its test week begins on 08-08
OF_TERMINALS = 2  # scenario of the frauds at compromised terminals
FOLDS = 4  # each a week before the other
SEEDS = 5
OURS, RIVALS = (TREES, NEURAL), (LIGHTGBM, XGBOOST, FOREST, TABM, ANALYSTS)
LINEUP = "RLFA, lineup of both"
FEATURES = ("published", "extended")
METRICS = ("AUC", "AP", "CP@100")
PUBLISHED = {"AUC": 0.879, "AP": 0.687, "CP@100": 0.305}  # the best in each column, over the four folds
COLUMNS = ("features", "model", *(c for m in METRICS for c in (m, f"{m} spread")), "core seconds a fit")


@dataclass(frozen=True, slots=True)
class Handbook:
    """The rows up to the last test week, with every feature; of each fold the rows to learn from and to judge by."""

    table: Table
    names: tuple[str, ...]
    x: NDArray[np.float32]
    folds: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]  # the newest first; the last is for tuning

    def split(self, features: str, back: int) -> Split:
        """One fold, `back` weeks before the newest, with the columns of one set."""
        train, test = self.folds[back]
        columns = self.columns(features)
        rows = Rows(
            x=self.x[np.ix_(train, columns)],
            fraud=self.table.fraud[train],
            event_time=self.table.event_time[train],
            names=tuple(self.names[j] for j in columns),
        )
        name = f"handbook, {features}, {back} weeks back"
        return Split(name=name, train=rows, x=self.x[np.ix_(test, columns)], fraud=self.table.fraud[test])

    def columns(self, features: str) -> list[int]:
        """Of the published set, or of the extended one."""
        return [j for j, name in enumerate(self.names) if features == "extended" or name in self.published]

    @property
    def published(self) -> frozenset[str]:
        """Names of the published features."""
        pairs = ((e, a, w) for e, kinds in SPEC.entities.items() for a in kinds for w in SPEC.windows)
        return frozenset(("amount", "weekend", "night", *(f"{e}_{a}_{w}" for e, a, w in pairs)))

    def figures(self, back: int, score: NDArray[np.float64]) -> tuple[float, ...]:
        """AUC, AP and CP@100 of one fold's test rows."""
        rows = self.folds[back][1]
        fraud, day, customer = self.table.fraud[rows], self.table.day[rows], self.table.customer[rows]
        return auc(fraud, score), average_precision(fraud, score), card_precision(fraud, score, day, customer)


def main() -> None:
    parser = arguments("handbook", __doc__ or "")
    parser.add_argument("--scratch", type=Path, help="what was scored already; default: in the temporary folder")
    names = [learner.name for learner in (*OURS, *RIVALS)]
    parser.add_argument("--only", nargs="*", default=names, choices=names, help="score with these, and report nothing")
    parser.add_argument("--only-measured", action="store_true", help="report who is in the scratch folder as a whole")
    parser.add_argument("--features", nargs="*", default=FEATURES, choices=FEATURES, help="sets of features")
    args = parser.parse_args()
    report = Report("handbook", args, COLUMNS)
    path = report.uses(need_data(args, "handbook") / "transactions.parquet")
    data = loaded(path)
    cache = Cache(args.scratch or Path(tempfile.gettempdir()) / "rlfa-handbook", args.seed, closed=args.only_measured)
    report.notes["CP@100 of one who knows all but the frauds at terminals without a known fraud"] = reachable(
        path, data
    )
    report.notes["trials of each, on the test week before the four"] = TRIALS
    wanted = [learner for learner in (*OURS, *RIVALS) if learner.name in args.only]
    for features in args.features:
        scored(report, cache, data, features, wanted)
    if set(names) <= set(args.only):
        report.finish()


def loaded(path: Path) -> Handbook:
    table = read(path)
    until = int(np.searchsorted(table.day, TRAIN_FROM_DAY + 21))
    state, windows = window_features(stream_of(table), EXTENDED, until)
    x, names = model_inputs(table, windows), ("amount", "weekend", "night", *state.names)
    more = derived(names, x)
    kept = [j for j, name in enumerate(names) if not name.startswith("terminal_mean")]  # only beside the amount
    x = np.column_stack([x[:, kept], *more.values()]).astype(np.float32)
    parts = [protocol(table, TRAIN_FROM_DAY - 7 * back) for back in range(FOLDS + 1)]
    folds = tuple((np.flatnonzero(train), np.flatnonzero(test)) for train, test in parts)
    return Handbook(table, (*(names[j] for j in kept), *more), x, folds)


def reachable(path: Path, data: Handbook) -> float:
    """Mean over the folds of the CP@100 of a ranking that misses what nothing tells yet.

    All payments at a compromised terminal are fraud, and look like any other until a label of the terminal is known.
    The simulator's own scenarios say which frauds these are; no learner sees them.
    """
    scenarios = pq.read_table(path, columns=["TRANSACTION_ID", "TX_FRAUD_SCENARIO"])
    tx, scenario = (scenarios[name].to_numpy() for name in scenarios.column_names)
    order = np.argsort(tx)
    n = len(data.x)
    of_row = scenario[order[np.searchsorted(tx, data.table.tx[:n], sorter=order)]]
    nothing_known = data.x[:, data.names.index("terminal_fraud_share_30d")] == 0
    tells = data.table.fraud[:n] & ~((of_row == OF_TERMINALS) & nothing_known)
    by_chance = np.random.default_rng(0).random(n)
    rows = [test for _, test in data.folds[:FOLDS]]
    return float(np.mean([data.figures(back, tells[at] + by_chance[at] / 2)[2] for back, at in enumerate(rows)]))


def scored(report: Report, cache: Cache, data: Handbook, features: str, wanted: Sequence[Learner]) -> None:
    """Tune and fit everybody on one set of features, and report them."""
    before, folds = data.split(features, FOLDS), [data.split(features, back) for back in range(FOLDS)]
    choices = {}
    for learner in wanted:
        try:
            choices[learner.name] = of_learner(cache, before, folds, learner)
        except LookupError:
            report.notes[f"not scored in time, {features}: {learner.name}; its folds"] = partly(
                cache, data, features, learner
            )
    wanted = [learner for learner in wanted if learner.name in choices]
    found: dict[str, list[list[tuple[float, ...]]]] = {}  # by model, fold and seed
    seconds: dict[str, list[float]] = {}
    for back, split in enumerate(folds):
        of_fold: dict[str, list[tuple[float, ...]]] = {}
        for seed in range(cache.seed, cache.seed + SEEDS):
            for name, one in each(cache, split, wanted, choices, seed).items():
                of_fold.setdefault(name, []).append(data.figures(back, one.score))
                seconds.setdefault(name, []).append(one.seconds)
        for name, figures in of_fold.items():
            found.setdefault(name, []).append(figures)
    arrays = {name: np.array(figures) for name, figures in found.items()}  # [folds, seeds, metrics]
    single = report.section(f"the published single split, {features} features", COLUMNS[1:-1])
    for name, figures in arrays.items():
        report.row(features=features, model=name, **cells(figures.mean(axis=0)),
                   **{"core seconds a fit": float(np.mean(seconds[name]))})  # fmt: skip
        single.row(model=name, **cells(figures[0]))
    report.notes[f"tuned, {features}"] = choices
    if LINEUP in arrays:
        claims(report, features, arrays)


def of_learner(cache: Cache, before: Split, folds: Sequence[Split], learner: Learner) -> Choice:
    """Tune one on the week before, and have it score every fold with every seed.

    Raises:
        LookupError: the cache is closed and lacks some of it.
    """
    choice = tuned(cache, before, learner)
    for split in folds:
        for seed in range(cache.seed, cache.seed + SEEDS):
            fitted(cache, split, learner, choice, seed)
    return choice


def partly(cache: Cache, data: Handbook, features: str, learner: Learner) -> dict[str, dict[str, float]]:
    """Figures of the folds that one has scored with every seed, where the cache is closed."""
    found: dict[str, dict[str, float]] = {}
    try:
        choice = tuned(cache, data.split(features, FOLDS), learner)
        for back in range(FOLDS):
            split = data.split(features, back)
            seeds = range(cache.seed, cache.seed + SEEDS)
            figures = [data.figures(back, fitted(cache, split, learner, choice, seed).score) for seed in seeds]
            found[f"{back} weeks back"] = cells(np.array(figures))
    except LookupError:
        return found
    return found


def each(
    cache: Cache, split: Split, wanted: Sequence[Learner], choices: dict[str, Choice], seed: int
) -> dict[str, Scored]:
    """Scores of everybody on one fold, and of the lineup of our agents where both are there."""
    found = {learner.name: fitted(cache, split, learner, choices[learner.name], seed) for learner in wanted}
    ours = [found[learner.name] for learner in OURS if learner.name in found]
    return ({LINEUP: lineup(ours)} if len(ours) == len(OURS) else {}) | found


def cells(of_seeds: NDArray[np.float64]) -> dict[str, float]:
    """Mean and standard deviation over seeds, of float64[seeds, metrics]."""
    mean, spread = of_seeds.mean(axis=0), of_seeds.std(axis=0, ddof=1)
    return {m: float(mean[j]) for j, m in enumerate(METRICS)} | {
        f"{m} spread": float(spread[j]) for j, m in enumerate(METRICS)
    }


def claims(report: Report, features: str, found: dict[str, NDArray[np.float64]]) -> None:
    """Over the best published in each column, and over the best rival by more than the spread over seeds."""
    of_seeds = {name: figures.mean(axis=0) for name, figures in found.items()}
    mine = of_seeds[LINEUP]
    for j, metric in enumerate(METRICS):
        report.claim(f"{features}: {metric} of the lineup", float(mine[:, j].mean()), f"> {PUBLISHED[metric]}")
    absent = [rival.name for rival in RIVALS if rival.name not in of_seeds]
    without = f" ({', '.join(absent)} not scored)" if absent else ""
    for j, metric in [(j, m) for j, m in enumerate(METRICS) if m != "AUC"]:
        best = max(
            (rival.name for rival in RIVALS if rival.name in of_seeds),
            key=lambda name, j=j: float(of_seeds[name][:, j].mean()),
        )
        gain = float(mine[:, j].mean() - of_seeds[best][:, j].mean())
        spread = max(float(mine[:, j].std(ddof=1)), float(of_seeds[best][:, j].std(ddof=1)))
        name = f"{features}: {metric} of the lineup less that of {best}, less the spread over seeds{without}"
        report.claim(name, gain - spread, "> 0")


if __name__ == "__main__":
    main()

"""Genomes chosen on the handbook alone, on other data: beside LightGBM that is tuned on each.

Training days, a gap for the labels to come in, test days; windows go on, models are fitted once. LightGBM's trials are
judged on the newest of the training's own days, behind a gap. The agents' genomes are the same for every stream,
without a trial: what `benchmarks.handbook` starts from, but for the share of the features that a tree may look at,
which lies between the best on the handbook's two sets of features, on weeks before those that it judges.

What was scored is kept in the scratch folder, so that a run that was cut short goes on where it stopped.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from agents.metrics import auc, average_precision
from benchmarks.drift.cache import Cache, Scored
from benchmarks.harness import Report, arguments, need_data
from benchmarks.later_data import TRANSFER, before, judged
from benchmarks.learners import LIGHTGBM, NEURAL, TREES
from benchmarks.tuning import TRIALS, Split, fitted, lineup, tuned

SEEDS = 3
DEFAULT, TUNED, LINEUP = "LightGBM, defaults", "LightGBM, tuned", "RLFA, lineup of both"
GENOMES = ((TREES, {**TREES.drawn(0, 0), "feature_share": 0.8}), (NEURAL, NEURAL.drawn(0, 0)))
COLUMNS = ("stream", "method", "AUC", "AP", "AP spread", "core seconds a fit")


def main() -> None:
    parser = arguments("transfer", __doc__ or "")
    parser.add_argument("--scratch", type=Path, help="what was scored already; default: in the temporary folder")
    args = parser.parse_args()
    report = Report("transfer", args, COLUMNS)
    cache = Cache(args.scratch or Path(tempfile.gettempdir()) / "rlfa-later", args.seed)
    for stream in TRANSFER:
        for file in stream.files:
            report.uses(need_data(args, file.split("/")[0]) / file.split("/")[1], name=file)
        history = stream.read(need_data(args, "drift").parent)
        split, tuning = judged(stream, history), before(stream, history)
        aps: dict[str, list[float]] = {}
        aucs: dict[str, list[float]] = {}
        seconds: dict[str, list[float]] = {}
        for seed in range(args.seed, args.seed + SEEDS):
            for method, one in scored(cache, split, tuning, seed).items():
                aps.setdefault(method, []).append(average_precision(split.fraud, one.score))
                aucs.setdefault(method, []).append(auc(split.fraud, one.score))
                seconds.setdefault(method, []).append(one.seconds)
        for method, found in aps.items():
            cells = {"AUC": np.mean(aucs[method]), "AP": np.mean(found), "AP spread": np.std(found, ddof=1)}
            report.row(
                stream=stream.name, method=method, **{name: float(value) for name, value in cells.items()},
                **{"core seconds a fit": float(np.mean(seconds[method]))},
            )  # fmt: skip
        means = {method: float(np.mean(found)) for method, found in aps.items()}
        best = max((m for m in means if m not in {DEFAULT, TUNED}), key=means.__getitem__)
        rival = max((DEFAULT, TUNED), key=means.__getitem__)  # tuning on the training's own days may do harm
        report.claim(f"{stream.name}: AP of {best} less that of {rival}", means[best] - means[rival], ">= 0")
        frauds = f"{int(split.train.fraud.sum())} frauds to learn from, {int(split.fraud.sum())} to find"
        report.notes[stream.name] = f"days {stream.train} to learn from, {stream.test} to judge by; {frauds}"
    report.notes["trials of LightGBM on each stream"] = TRIALS
    report.finish()


def scored(cache: Cache, split: Split, tuning: Split, seed: int) -> dict[str, Scored]:
    """Everybody's scores with one seed."""
    ours = {learner.name: fitted(cache, split, learner, choice, seed) for learner, choice in GENOMES}
    return {
        LINEUP: lineup(list(ours.values())),
        **ours,
        DEFAULT: fitted(cache, split, LIGHTGBM, LIGHTGBM.drawn(0, seed), seed),
        TUNED: fitted(cache, split, LIGHTGBM, tuned(cache, tuning, LIGHTGBM), seed),
    }


if __name__ == "__main__":
    main()

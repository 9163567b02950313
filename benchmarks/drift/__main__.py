"""Free agency against what teams do today, on fraud that changes: prequential, one set of features, delay and rule.

Each method learns on a morning from the cohorts that have closed by then, from one window, with the same genuine rows
for each fraud; alerts are the day's largest expected gains within the budget, for every method alike. The genomes, the
renewals and the second set of LightGBM's parameters were chosen on another seed of one campaign; the neural slot was
added after a fixed lineup with one had done better than ours on UCSD-FICO. The streams of
`data/drift` have their own protocol: each row is predicted before its class is told.

What was measured is kept in the scratch folder, so that a run that was cut short goes on where it stopped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.drift import concepts, fraud
from benchmarks.drift.cache import Cache, Measured
from benchmarks.drift.campaigns import CAMPAIGNS
from benchmarks.drift.plot import draw
from benchmarks.handbook_data import BATCH
from benchmarks.harness import Report, arguments, need_data

FIGURES = ("AP", "CP@100", "value detected", "cost per 1,000", "recovery days")
COLUMNS = ("stream", "method", *FIGURES, "trainings", "core seconds")
CONCEPT_COLUMNS = ("stream", "method", "accuracy", "recovery chunks", "trainings", "core seconds")
FILES = (
    "ucsd_fico/transactions.parquet",
    "handbook/transactions.parquet",
    "synccfd/transactions.parquet",
    *(f"drift/{c.file}.parquet" for c in concepts.CONCEPTS),
)
PLOT = Path(__file__).parents[2] / "docs" / "drift.svg"
Found = dict[str, dict[str, Measured]]


def main() -> None:
    parser = arguments("drift", __doc__ or "")
    parser.add_argument("--scratch", type=Path, help="what was measured already; default: in the temporary folder")
    parser.add_argument("--only-measured", action="store_true", help="report what the scratch folder has, and no more")
    parser.add_argument("--plot", type=Path, default=PLOT)
    args = parser.parse_args()
    data = need_data(args, "drift").parent
    report = Report("drift", args, COLUMNS)
    for file in FILES:
        report.uses(data / file)
    cache = Cache(args.scratch or Path(tempfile.gettempdir()) / "rlfa-drift", args.seed)
    found = _fraud(cache, data, args.seed, only_measured=args.only_measured)
    in_concepts = _concepts(cache, data, args.seed, only_measured=args.only_measured)
    _rows(report, found)
    _concept_rows(report, in_concepts)
    _claims(report, found)
    _coverage(report, found, in_concepts)
    report.notes |= {
        "plot": "`docs/drift.svg`: the AP of the last three days; dotted lines are the days on which fraud changes",
        "sample": f"share of the cards, drawn once, every method on the same: {fraud.SHARES}; budgets shrink along",
        "files of data/drift": f"{concepts.CHUNKS} chunks each; one row of {_shares()} is taken, by chance",
        "windows' batch": BATCH,
        "free agency's moves": {s: m[fraud.OURS].moves for s, m in found.items() if fraud.OURS in m},
        "best fixed lineups": "of trees, small trees and a neural mixture, alone and together, by AP in hindsight",
    }
    report.finish()
    changes = {f"simulator, {name}": c.changes for name, c in CAMPAIGNS.items()}
    draw(args.plot, found, changes)


def _fraud(cache: Cache, data: Path, seed: int, *, only_measured: bool) -> Found:
    out: Found = {}
    for stream in fraud.streams(data, seed):
        found = {}
        for name, run in fraud.methods(seed).items():
            one = cache.find(stream.name, name) if only_measured else fraud.measure(cache, stream, name, run)
            found |= {name: one} if one else {}
        stream.drop()
        out |= {stream.name: fraud.with_best_fixed(found)} if found else {}
    return out


def _concepts(cache: Cache, data: Path, seed: int, *, only_measured: bool) -> Found:
    out: Found = {}
    for stream in concepts.streams(data):
        found = {}
        for name, run in concepts.methods(seed).items():
            one = cache.find(stream.name, name) if only_measured else concepts.measure(cache, stream, name, run)
            found |= {name: one} if one else {}
        stream.drop()
        out |= {stream.name: found} if found else {}
    return out


def _rows(report: Report, found: Found) -> None:
    for stream, methods in found.items():
        for name, one in methods.items():
            shown = {f: one.figures.get(f, "") for f in FIGURES}
            report.row(
                **{"stream": stream, "method": name, **shown, "trainings": one.fits, "core seconds": one.seconds}
            )


def _concept_rows(report: Report, found: Found) -> None:
    section = report.section("Streams of data/drift, test then train", CONCEPT_COLUMNS)
    for stream, methods in found.items():
        for name, one in methods.items():
            shown = {f: one.figures.get(f, "") for f in ("accuracy", "recovery chunks")}
            section.row(
                **{"stream": stream, "method": name, **shown, "trainings": one.fits, "core seconds": one.seconds}
            )


def _claims(report: Report, found: Found) -> None:
    """The best AP and the lowest cost on every fraud stream, and recovery in half of the best other's days."""
    for stream, methods in found.items():
        if fraud.OURS not in methods:
            continue
        mine, others = methods[fraud.OURS].figures, _others(methods)
        best = max(f["AP"] for f in others)
        report.claim(f"{stream}: AP less the best other method's", mine["AP"] - best, "> 0")
        cheapest = min(f["cost per 1,000"] for f in others)
        report.claim(f"{stream}: cost per 1,000 less the best other method's", mine["cost per 1,000"] - cheapest, "< 0")
        if "recovery days" in mine:
            soonest = min(f["recovery days"] for f in others)
            name = f"{stream}: recovery days less half of the best other method's"
            report.claim(name, mine["recovery days"] - soonest / 2, "<= 0")


def _coverage(report: Report, found: Found, in_concepts: Found) -> None:
    """A table that was cut short says so."""
    played = sum(fraud.OURS in methods for methods in found.values())
    report.claim("fraud streams that free agency has played here", played, f">= {len(CAMPAIGNS) + 3}")
    others = sum(len(methods) == len(concepts.methods(0)) for methods in in_concepts.values())
    report.claim("streams of data/drift that every method has played here", others, f">= {len(concepts.CONCEPTS)}")


def _others(methods: Mapping[str, Measured]) -> list[dict[str, float]]:
    return [m.figures for name, m in methods.items() if name != fraud.OURS]


def _shares() -> dict[str, int]:
    return {c.file: c.every for c in concepts.CONCEPTS if c.every > 1}


if __name__ == "__main__":
    main()

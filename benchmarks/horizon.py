"""How long a model lasts: AP by week after a single training, up to the end of each stream that has a clock.

The same learners, genomes and tuning as in `benchmarks.transfer`, and its scratch folder. Decay is the slope of a
straight line through the weeks' AP; the weeks differ in how hard they are, but they do so for everyone. What a slope is
worth says its standard error, from what the line through the weeks' differences leaves over.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.metrics import average_precision
from benchmarks.drift.cache import Cache
from benchmarks.harness import Report, arguments, need_data
from benchmarks.later_data import HORIZON, before, days, judged
from benchmarks.transfer import DEFAULT, SEEDS, TUNED, scored

WEEK = 7
SHORTEST = 4  # days that a last week must have to count


def main() -> None:
    parser = arguments("horizon", __doc__ or "")
    parser.add_argument("--scratch", type=Path, help="what was scored already; default: in the temporary folder")
    args = parser.parse_args()
    report = Report("horizon", args, ())
    cache = Cache(args.scratch or Path(tempfile.gettempdir()) / "rlfa-later", args.seed)
    for stream in HORIZON:
        for file in stream.files:
            report.uses(need_data(args, file.split("/")[0]) / file.split("/")[1], name=file)
        history = stream.read(need_data(args, "drift").parent)
        split, tuning = judged(stream, history), before(stream, history)
        since = history.day[days(history, stream.test)] - stream.test[0]
        found: dict[str, list[NDArray[np.float64]]] = {}
        for seed in range(args.seed, args.seed + SEEDS):
            for method, one in scored(cache, split, tuning, seed).items():
                found.setdefault(method, []).append(by_week(split.fraud, one.score, since))
        curves = {method: np.mean(of_seeds, axis=0) for method, of_seeds in found.items()}
        weeks = tuple(f"week {i + 1}" for i in range(len(next(iter(curves.values())))))
        section = report.section(
            f"{stream.name}: AP by week, trained on days {stream.train}", ("method", *weeks, "slope a week")
        )
        for method, curve in curves.items():
            cells = dict(zip(weeks, curve.tolist(), strict=True))
            section.row(method=method, **cells, **{"slope a week": slope(curve)})
        for method in (m for m in curves if m not in {DEFAULT, TUNED}):
            beside = curves[method] - curves[TUNED]
            name = f"{stream.name}: slope of {method} less that of tuned LightGBM"
            report.claim(name, slope(beside), ">= 0")
            report.claim(f"{name}, plus two standard errors", slope(beside) + 2 * slope_error(beside), ">= 0")
            report.claim(
                f"{stream.name}: least AP of a week, {method} less tuned LightGBM", float(beside.min()), ">= 0"
            )
    report.notes["seeds"] = SEEDS
    report.finish()


def by_week(fraud: NDArray[np.bool_], score: NDArray[np.float64], since: NDArray[np.int64]) -> NDArray[np.float64]:
    """AP of each week, float64[weeks], by days since the first that is judged; a short last week is left out."""
    whole = (int(since.max()) + 1 + WEEK - SHORTEST) // WEEK
    return np.array(
        [average_precision(fraud[rows], score[rows]) for rows in (since // WEEK == w for w in range(whole))]
    )


def slope(curve: NDArray[np.float64]) -> float:
    """Change of AP a week, by least squares."""
    return float(np.polyfit(np.arange(len(curve)), curve, 1)[0])


def slope_error(curve: NDArray[np.float64]) -> float:
    """Standard error of the slope, from what the line leaves over."""
    weeks = np.arange(len(curve))
    left_over = curve - np.polyval(np.polyfit(weeks, curve, 1), weeks)
    return float(np.sqrt((left_over @ left_over) / (len(curve) - 2) / ((weeks - weeks.mean()) ** 2).sum()))


if __name__ == "__main__":
    main()

"""Which features an agent uses: those that its genome names, less those that only tell the time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from agents.errors import GenomeError, TrainingDataError
from agents.genome import Genome

Features = NDArray[np.float32]  # [n, d]


def chosen(genome: Genome, x: Features, names: tuple[str, ...]) -> tuple[Features, tuple[str, ...]]:
    """The columns that the genome names, all where it names none.

    Raises:
        TrainingDataError: the columns don't fit their names.
        GenomeError: the genome names features that aren't there.
    """
    if x.ndim != 2 or x.shape[1] != len(names):
        raise TrainingDataError("features", f"shape {x.shape}", f"a matrix with {len(names)} named columns")
    if not genome.features:
        return x, names
    missing = sorted(set(genome.features) - set(names))
    if missing:
        raise GenomeError("genome.features", missing, f"some of {sorted(names)}")
    return x[:, [names.index(n) for n in genome.features]], genome.features


def steady(
    genome: Genome,
    x: Features,
    y: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    names: tuple[str, ...],
    categorical: frozenset[str],
    of_start: tuple[str, ...] = (),
) -> tuple[Features, tuple[str, ...]]:
    """The columns without a trend in time beyond the genome's `trend_max`; categories stay.

    What counts up as time goes by, such as a serial number, is a clock: it tells the days of training apart by their
    share of fraud and says nothing about the days to come.

    Args:
        genome: the recipe.
        x: float32[n, d].
        y: bool[n].
        event_time: int64[n], ms UTC.
        names: of the d columns.
        categorical: names of those that hold codes.
        of_start: names that an agent uses from which training starts; they are taken where they are there.

    Raises:
        TrainingDataError: no column is left.
    """
    if genome.trend_max >= 1.0 or of_start:
        same = set(of_start) <= set(names) and genome.trend_max < 1.0
        return (x[:, [names.index(n) for n in of_start]], of_start) if same else (x, names)
    genuine = ~y
    kept = [
        j
        for j, name in enumerate(names)
        if name in categorical or trend(x[genuine, j], event_time[genuine]) <= genome.trend_max
    ]
    if not kept:
        raise TrainingDataError("features", "a trend in time in each", f"one of at most {genome.trend_max} in some")
    return x[:, kept], tuple(names[j] for j in kept)


def trend(column: NDArray[np.float32], event_time: NDArray[np.int64]) -> float:
    """Rank correlation of a column float32[n] with time, 0 to 1 whichever its sign; of its known values alone."""
    known = np.isfinite(column)
    values, times = rankdata(column[known]), rankdata(event_time[known])
    if len(values) < 3 or not values.std() or not times.std():
        return 0.0
    return float(abs(np.corrcoef(values, times)[0, 1]))

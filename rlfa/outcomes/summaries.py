"""A day of the stream without its labels: one histogram per feature and per agent's score, a few kilobytes a day.

The bins are the same on every day and every stream, so that days add up and nobody has to know beforehand where a
feature lives. A feature's bin is the beginning of its float: sign, exponent and four bits, 6% wide, exact for the
integers up to 32. A logit's is 1/16 wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes import log

LOGIT_MAX = 20.0
LOGIT_BINS = 16.0  # per unit
_BITS = 19  # of a float32's fraction that are left out
_MISSING = -(1 << 12) - 1  # below the code of minus infinity: missing values are one more place, at the lower end
_SPAN = 1 << 13


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bin: codes int16[b], ascending; counts int64[b], none of them 0."""

    codes: NDArray[np.int16]
    counts: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Values counted."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class DaySummary:
    """One day of event time.

    Attributes:
        day: it is.
        rows: transactions.
        features: a histogram each, missing values included.
        logits: a histogram per agent, of the rows that it scored.
    """

    day: Day
    rows: int
    features: Mapping[str, Histogram]
    logits: Mapping[AgentId, Histogram]


def summarise(
    day: Day, names: Sequence[str], features: NDArray[np.float32], logits: Mapping[AgentId, NDArray[np.float32]]
) -> DaySummary:
    """Count a day's rows.

    Args:
        day: of event time, all of it.
        names: of the d features.
        features: float32[n, d]; NaN is missing.
        logits: float32[n] per agent; NaN where it gave none.
    """
    counted = {name: _histogram(_feature_codes(features[:, j])) for j, name in enumerate(names)}
    scored = {agent: _histogram(_logit_codes(x[np.isfinite(x)])) for agent, x in logits.items()}
    return DaySummary(day, len(features), counted, scored)


def summarise_table(table: pa.Table, day: Day) -> DaySummary:
    """Count a day's decisions, wide as `log.widened` makes them."""
    features = {n.removeprefix(log.FEATURE): n for n in table.column_names if n.startswith(log.FEATURE)}
    matrix = np.empty((len(table), len(features)), np.float32)
    for j, column in enumerate(features.values()):
        matrix[:, j] = table[column].to_numpy()
    logits = {
        AgentId(n.removeprefix(log.LOGIT)): np.asarray(table[n].to_numpy(zero_copy_only=False), np.float32)
        for n in table.column_names
        if n.startswith(log.LOGIT)
    }
    return summarise(day, tuple(features), matrix, logits)


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """The histogram of all their rows together."""
    parts = list(histograms)
    codes, place = np.unique(np.concatenate([h.codes for h in parts]), return_inverse=True)
    counts = np.bincount(place, np.concatenate([h.counts for h in parts]), len(codes))
    return Histogram(codes, counts.astype(np.int64))


def write_summary(summary: DaySummary, root: Path) -> Path:
    """Write a day's summary below `root`, in one step."""
    kinds = (log.FEATURE, summary.features), (log.LOGIT, summary.logits)
    named = [(prefix + name, h) for prefix, histograms in kinds for name, h in histograms.items()]
    table = pa.table(
        {
            "name": pa.array([name for name, _ in named], pa.string()),
            "codes": pa.array([h.codes for _, h in named], pa.list_(pa.int16())),
            "counts": pa.array([h.counts for _, h in named], pa.list_(pa.int64())),
        }
    )
    table = table.replace_schema_metadata({"rows": str(summary.rows)})
    path = log.path_of(root, summary.day)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)
    return path


def read_summary(root: Path, day: Day) -> DaySummary:
    """A day's summary back."""
    table = pq.read_table(log.path_of(root, day))
    codes, counts = table["codes"].combine_chunks(), table["counts"].combine_chunks()
    flat = codes.flatten().to_numpy(), counts.flatten().to_numpy()
    ends = codes.offsets.to_numpy()
    named = {
        name: Histogram(flat[0][a:b], flat[1][a:b])
        for name, a, b in zip(table["name"].to_pylist(), ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    }
    return DaySummary(
        day,
        int(table.schema.metadata[b"rows"]),
        {n.removeprefix(log.FEATURE): h for n, h in named.items() if n.startswith(log.FEATURE)},
        {AgentId(n.removeprefix(log.LOGIT)): h for n, h in named.items() if n.startswith(log.LOGIT)},
    )


def _feature_codes(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """In the order of the numbers: the bits of a negative float count downwards."""
    bits = (x.astype(np.float32) + np.float32(0.0)).view(np.int32)  # -0 is 0
    size = ((bits & 0x7FFFFFFF) >> _BITS).astype(np.int64)
    return np.where(np.isnan(x), _MISSING, np.where(bits < 0, -size, size))


def _logit_codes(x: NDArray[np.float32]) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = np.floor(LOGIT_BINS * np.clip(x, -LOGIT_MAX, LOGIT_MAX)).astype(np.int64)
    return codes


def _histogram(codes: NDArray[np.int64]) -> Histogram:
    counts = np.bincount(codes - _MISSING, minlength=_SPAN)
    found = np.flatnonzero(counts)
    return Histogram((found + _MISSING).astype(np.int16), counts[found])

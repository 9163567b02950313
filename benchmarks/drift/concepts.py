"""The streams of `data/drift` in their own protocol: each row is predicted before its class is told; accuracy.

A stream is cut into chunks, which are the days of the engine. Models that are fitted learn whole chunks; the forest and
"same as last" learn row by row, which nobody else may: their classes are told as soon as the next row comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.drift import ours, rivals
from benchmarks.drift.cache import Cache, Lazy, Measured
from benchmarks.drift.history import DAY_MS, History, codes
from benchmarks.handbook_data import scattered

CHUNKS, FIRST_CHUNK, WINDOW = 60, 6, 28
START_MS = 1_704_067_200_000  # 2024-01-01
BACK_AT = 0.9
LINEUP = ours.Lineup(slots=("memories",), renew_days=1)
Predict = Callable[[History], tuple[NDArray[np.float64], int, dict[str, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """A file of the folder.

    Attributes:
        file: without its ending.
        every: one row of so many is taken.
        negative: class that counts as zero, all others as one; the first in order when empty.
        changes: rows of the file at which the concept changes, where known.
    """

    file: str
    every: int = 1
    negative: str = ""
    changes: tuple[int, ...] = ()


ABRUPT = (10_000, 20_000, 30_000)
CONCEPTS = (
    Concept(file="elec2"),
    Concept(file="noaa_weather"),
    Concept(file="ozone"),
    Concept(file="spam_assassin"),
    Concept(file="kddcup_10_percent", every=20, negative="normal."),
    *(
        Concept(file=name, every=2, changes=ABRUPT)
        for name in (
            "sine_0123_abrupto",
            "mixed_0101_abrupto",
            "sea_0123_abrupto_noise_0.2",
            "stagger_0120_abrupto",
            "rt_2563789698568873_abrupto",
        )
    ),
)


def streams(data: Path) -> list[Lazy]:
    return [Lazy(c.file, lambda c=c: read(data / "drift", c)) for c in CONCEPTS]


def read(folder: Path, concept: Concept) -> History:
    """Rows as transactions of nobody, of the amount 1; the class is the fraud."""
    table = pq.read_table(folder / f"{concept.file}.parquet")
    # By chance and not every second row: some of these files have their classes in turns.
    table = table.take(np.sort(np.random.default_rng(0).permutation(len(table))[: len(table) // concept.every]))
    *names, label = table.column_names
    truth = [str(v) for v in table[label].to_pylist()]
    negative = concept.negative or min(set(truth))
    columns = [_numbers(table[name].to_pylist()) for name in names]
    n = len(table)
    day = np.arange(n) * CHUNKS // n
    within = np.arange(n) - np.searchsorted(day, day)
    rows = int(within.max()) + 1
    fraud = np.array([v != negative for v in truth])
    return History(
        name=concept.file,
        names=tuple(f"x_{name}" for name in names),
        categorical=(),
        x=np.column_stack(columns).astype(np.float32),
        fraud=fraud,
        day=day,
        event_time=START_MS + day * DAY_MS + (within + 1) * (DAY_MS // (rows + 2)) // 1000 * 1000,
        amount=np.ones(n),
        entities={"row": scattered(np.arange(n))},
        delay_days=0,
        first_day=FIRST_CHUNK,
        changes=tuple(c // concept.every * CHUNKS // n for c in concept.changes),
        budget=max(int(fraud.mean() * rows), 1),
        window_days=WINDOW,
    )


def methods(seed: int) -> dict[str, Predict]:
    return {
        "same as last": lambda h: (np.concatenate([[0.0], h.fraud[:-1].astype(float)]), 0, {}),
        "LightGBM, static": lambda h: (*rivals.lightgbm(h, rivals.NEVER, seed), {}),
        "LightGBM, every chunk": lambda h: (*rivals.lightgbm(h, 1, seed), {}),
        "LightGBM, every chunk, the last 5": lambda h: (*rivals.lightgbm(replace(h, window_days=5), 1, seed), {}),
        "River, adaptive random forest": lambda h: (*rivals.forest_by_row(h, seed), {}),
        "RLFA, free agency": lambda h: _ours(h, seed),
    }


def measure(cache: Cache, stream: Lazy, method: str, predict: Predict) -> Measured:
    def now() -> Measured:
        history = stream.get()
        begin = time.process_time()
        score, fits, moves = predict(history)
        seconds = time.process_time() - begin
        rows = history.scored
        right = (score[rows] > 0.5) == history.fraud[rows]
        day = history.day[rows]
        days = np.unique(day)
        curve = [float(right[day == d].mean()) for d in days]
        found = {"accuracy": float(right.mean())}
        if history.changes:
            found["recovery chunks"] = _recovery(history.changes, days, np.array(curve))
        return Measured(
            figures=found,
            days=days.tolist(),
            curve=list(curve),
            fits=fits,
            seconds=seconds,
            moves=moves,
            rows=len(rows),
        )

    return cache.get(stream.name, method, now)


def _ours(history: History, seed: int) -> tuple[NDArray[np.float64], int, dict[str, int]]:
    score, moves = ours.play(history, LINEUP, seed)
    return score, moves["trainings"] + 1, moves


def _recovery(changes: tuple[int, ...], days: NDArray[np.int64], accuracy: NDArray[np.float64]) -> float:
    """Mean over changes of the chunks until accuracy is back at 90% of the mean of five chunks before."""
    found = []
    for change, end in zip(changes, (*changes[1:], int(days[-1]) + 1), strict=True):
        level = accuracy[(days >= change - 5) & (days < change)].mean()
        low = [d for d in range(change, end) if accuracy[days == d][0] < BACK_AT * level]
        found.append(next((d for d in range(change, end) if low and d > low[0] and d not in low), end) - change)
        if not low:
            found[-1] = 0
    return float(np.mean(found))


def _numbers(values: list[object]) -> NDArray[np.float64]:
    if all(isinstance(v, int | float) or v is None for v in values):
        return np.array([np.nan if v is None else float(v) for v in values])
    return codes(values).astype(np.float64)

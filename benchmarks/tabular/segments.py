"""The task-aware gate: segments of a fraud stream as tasks, and one of them with a handful of frauds.

For each of the segments with most frauds to judge by, all other segments are there to learn from, and of its own rows
as many, by chance, as hold five frauds. All methods see the same columns, the segment's among them, and rows with ten
genuine for each fraud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.genome import read_genome
from agents.metrics import average_precision
from agents.model import Agent
from agents.task_transfer import with_task
from agents.training import train
from benchmarks.drift.history import History
from benchmarks.harness import Report
from benchmarks.later_data import TRANSFER, Later, days
from benchmarks.learners import LIGHTGBM, PER_FRAUD, Rows
from benchmarks.tabular.methods import THREADS
from benchmarks.tabular.verdicts import COLUMNS, seed_error, verdict

SEGMENTS, FRAUDS, SEEDS = 4, 5, 3
FIELDS = {"UCSD-FICO": ("state", "email_domain"), "S-FFSD": ("Type",)}
GENUINE_PER_FRAUD = 10
SHARED: dict[str, object] = {
    "experts": 6, "hidden": 16, "bins": 8, "epochs_max": 20, "patience": 6, "batch": 256, "averaging": 0.98,
    "genuine_per_fraud": GENUINE_PER_FRAUD, "refit": False,
}  # fmt: skip
WITHOUT, TAKEN_IN = "the same mixture without tasks", "task-aware, additive; segment taken in by with_task"
OWN, TREES = "one model per segment", "LightGBM, defaults"
TASK_AWARE = {"task-aware, additive": "additive", "task-aware, a gate for each": "per_task"}
METHODS = (WITHOUT, *TASK_AWARE, TAKEN_IN, OWN, TREES)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment to learn about.

    Attributes:
        field: whose value it is.
        code: the value.
        others: rows of all other segments.
        few: its own rows to learn from.
        later: its own rows to judge by.
    """

    field: str
    code: float
    others: Rows
    few: Rows
    later: Rows


def report_on(report: Report, data: Path, seed: int) -> None:
    """Add the section of each stream and field."""
    for later in (one for one in TRANSFER if one.name in FIELDS):
        for file in later.files:
            report.uses(data / file)
        history = later.read(data)
        for field in FIELDS[later.name]:
            _section(report, later, history, field, seed)


def _section(report: Report, later: Later, history: History, field: str, seed: int) -> None:
    title = f"A segment with {FRAUDS} frauds, {later.name} by {field}: AP on its later rows"
    section = report.section(title, ("method", "mean AP", "AP of each", *COLUMNS))
    codes = largest(later, history, field)
    found = np.zeros((len(METHODS), len(codes), SEEDS))
    for j, code in enumerate(codes):
        for run in range(SEEDS):
            segment = drawn(later, history, field, code, seed + run)
            found[:, j, run] = [_ap(segment, score) for score in scores(segment, seed + run)]
    names = [f"{field} {code:.0f}" for code in codes]
    mean, error = found.mean(axis=2), seed_error(found)
    for i, method in enumerate(METHODS):
        cells = {"mean AP": mean[i].mean(), "AP of each": " ".join(f"{ap:.3f}" for ap in mean[i])}
        section.row(method=method, **cells, **verdict(mean[i] - mean[0], error, names))
    for name in TASK_AWARE:
        gain = mean[METHODS.index(name)].mean() - mean[0].mean()
        report.claim(f"{later.name} by {field}: mean AP, {name}, less the same without tasks", gain, "> 0")


def largest(later: Later, history: History, field: str) -> list[float]:
    """Codes of the segments with most frauds to judge by that have enough to learn from, the first the largest."""
    of = history.x[:, history.names.index(field)]
    old, new = days(history, later.train), days(history, later.test)
    known, counts = np.unique(of[old][history.fraud[old]], return_counts=True)
    enough = [float(code) for code, n in zip(known, counts, strict=True) if n >= FRAUDS and code > 0]
    return sorted(enough, key=lambda code: -int(history.fraud[new][of[new] == code].sum()))[:SEGMENTS]


def drawn(later: Later, history: History, field: str, code: float, seed: int) -> Segment:
    """A segment whose rows to learn from are drawn by chance."""
    of = history.x[:, history.names.index(field)]
    old, new = days(history, later.train), days(history, later.test)
    own, fraud = old[of[old] == code], history.fraud
    share = FRAUDS / int(fraud[own].sum())
    rng = np.random.default_rng(seed)
    few = [
        rng.choice(part, max(round(share * len(part)), 1), replace=False)
        for part in (own[fraud[own]], own[~fraud[own]])
    ]
    return Segment(
        field=field,
        code=code,
        others=_rows(history, old[of[old] != code]),
        few=_rows(history, np.sort(np.concatenate(few))),
        later=_rows(history, new[of[new] == code]),
    )


def scores(segment: Segment, seed: int) -> list[NDArray[np.float64]]:
    """Of the rows to judge by, float64[m], in the order of the methods."""
    both = _joined(segment.others, segment.few)
    tasks: Mapping[str, object] = {"gate": "task_aware", "task": segment.field}
    agents = [
        _trained({}, both, seed),
        *(_trained({**tasks, "task_mode": mode}, both, seed) for mode in TASK_AWARE.values()),
        with_task(_trained(tasks, segment.others, seed), segment.code, segment.few.x, segment.few.fraud),
        _trained({}, segment.few, seed),
    ]
    network = [agent.logits(segment.later.x).astype(np.float64) for agent in agents]
    return [*network, LIGHTGBM.fit(both, {PER_FRAUD: GENUINE_PER_FRAUD}, seed)(segment.later.x)]


def _trained(genes: Mapping[str, object], rows: Rows, seed: int) -> Agent:
    return train(
        read_genome({**SHARED, **genes, "seed": seed}), rows.x, rows.fraud, rows.event_time,
        feature_names=rows.names, categorical=frozenset(rows.categorical), threads=THREADS,
    )  # fmt: skip


def _ap(segment: Segment, score: NDArray[np.float64]) -> float:
    return average_precision(segment.later.fraud, score)


def _rows(history: History, at: NDArray[np.intp]) -> Rows:
    return Rows(
        x=history.x[at], fraud=history.fraud[at], event_time=history.event_time[at],
        names=history.names, categorical=history.categorical,
    )  # fmt: skip


def _joined(one: Rows, other: Rows) -> Rows:
    """Rows of both in the order of time."""
    event_time = np.concatenate([one.event_time, other.event_time])
    order = np.argsort(event_time, kind="stable")
    x, fraud = np.concatenate([one.x, other.x]), np.concatenate([one.fraud, other.fraud])
    return Rows(
        x=x[order], fraud=fraud[order], event_time=event_time[order], names=one.names, categorical=one.categorical
    )

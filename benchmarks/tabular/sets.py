"""The sets: scikit-learn's own, streams in time, and the handbook's published features."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn import datasets

from benchmarks.harness import Report, need_data

ROWS_MAX = 1500
STREAMS = {
    "elec2": "elec2", "noaa": "noaa_weather", "ozone": "ozone", "spam": "spam_assassin",
    "rt": "rt_2563789698568873_abrupto", "sea": "sea_0123_abrupto_noise_0.2",
}  # fmt: skip
BEFORE_DRIFT = 10_000  # rows of the streams whose concept then changes at once: gates are compared here, not drift


@dataclass(frozen=True, slots=True)
class Split:
    """One set: rows to learn from and rows to judge by."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


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

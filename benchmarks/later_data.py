"""Streams for what comes later: rows to learn from, a gap, and all that follows; the loaders are those of `drift`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.drift import concepts, recorded
from benchmarks.drift.history import DAY_MS, History, codes, with_windows
from benchmarks.learners import Rows
from benchmarks.tuning import Split
from streams.features.spec import WindowSpec

FFSD_WORDS = ("Location", "Type")
FFSD_IDS = ("Source", "Target")
FFSD_DELAY_DAYS = 1
FFSD_ROWS_A_DAY = 1_000  # it has an order and no clock: so many rows count as a day
FFSD_SPEC = WindowSpec(windows=("1d", "7d", "30d"), label_delay=f"{FFSD_DELAY_DAYS}d")
UNLABELLED = 2
HANDBOOK_DAYS = 183
VALIDATION_SHARE, GAP_SHARE = 0.3, 0.15  # of the days to learn from: the newest, for tuning, and what lies before


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A stream and its days.

    Attributes:
        name: of the stream.
        files: below the data folder.
        read: its rows, from the data folder.
        train: first and last day to learn from.
        test: first and last day to judge by.
    """

    name: str
    files: tuple[str, ...]
    read: Callable[[Path], History]
    train: tuple[int, int]
    test: tuple[int, int]


UCSD_FICO = Later(
    name="UCSD-FICO", files=("ucsd_fico/transactions.parquet",), train=(0, 22), test=(30, 98),
    read=lambda data: recorded.ucsd_fico(data / "ucsd_fico"),
)  # fmt: skip
SYNCCFD = Later(
    name="synccfd", files=tuple(f"synccfd/{part}.parquet" for part in ("transactions", "customers", "terminals")),
    train=(55, 82), test=(90, 119), read=lambda data: recorded.synccfd(data / "synccfd"),
)  # fmt: skip
TRANSFER = (
    UCSD_FICO,
    SYNCCFD,
    Later(
        name="S-FFSD", files=("s_ffsd/transactions.parquet",), train=(0, 49), test=(54, 77),
        read=lambda data: s_ffsd(data / "s_ffsd"),
    ),
    Later(
        name="KDD", files=("drift/kddcup_10_percent.parquet",), train=(0, 29), test=(30, 59),
        read=lambda data: concepts.read(
            data / "drift", concepts.Concept(file="kddcup_10_percent", every=10, negative="normal.")
        ),
    ),
)  # fmt: skip
HORIZON = (
    UCSD_FICO,
    SYNCCFD,
    Later(
        name="handbook", files=("handbook/transactions.parquet",), train=(115, 121), test=(129, 182),
        read=lambda data: recorded.handbook(data / "handbook", HANDBOOK_DAYS),
    ),
)  # fmt: skip


def s_ffsd(folder: Path) -> History:
    """The labelled rows, with windows over all; ids enter through these alone."""
    table = pq.read_table(folder / "transactions.parquet")
    label = table["Labels"].to_numpy()
    amount = table["Amount"].to_numpy()
    event_time = np.arange(len(table)) * (DAY_MS // FFSD_ROWS_A_DAY)
    ids = {name.lower(): codes(table[name].to_pylist()) for name in FFSD_IDS}
    windows, values, entities = with_windows(FFSD_SPEC, ids, event_time, amount, label == 1, FFSD_DELAY_DAYS)
    words = [codes(table[name].to_pylist()) for name in FFSD_WORDS]
    kept = label != UNLABELLED
    return History(
        name="S-FFSD",
        names=("amount", *FFSD_WORDS, *windows),
        categorical=FFSD_WORDS,
        x=np.column_stack([amount, *words, values]).astype(np.float32)[kept],
        fraud=(label == 1)[kept],
        day=(event_time // DAY_MS)[kept],
        event_time=event_time[kept],
        amount=amount[kept],
        entities={name: keys[kept] for name, keys in entities.items()},
        delay_days=FFSD_DELAY_DAYS,
        first_day=0,
    )


def judged(later: Later, history: History) -> Split:
    """What it is about: the training's days, and the days to judge by."""
    return _split(history, later.name, later.train, later.test)


def before(later: Later, history: History) -> Split:
    """For tuning: the training's own days, the newest held out behind a gap."""
    first, last = later.train
    days = last - first + 1
    held_out, gap = round(days * VALIDATION_SHARE), round(days * GAP_SHARE)
    return _split(history, later.name, (first, last - held_out - gap), (last - held_out + 1, last))


def _split(history: History, name: str, train: tuple[int, int], test: tuple[int, int]) -> Split:
    old, new = days(history, train), days(history, test)
    rows = Rows(
        x=history.x[old],
        fraud=history.fraud[old],
        event_time=history.event_time[old],
        names=history.names,
        categorical=history.categorical,
    )
    return Split(name=f"{name}, {train} to {test}", train=rows, x=history.x[new], fraud=history.fraud[new])


def days(history: History, of: tuple[int, int]) -> NDArray[np.intp]:
    """Rows of the days from the first to the last of two."""
    return np.flatnonzero((history.day >= of[0]) & (history.day <= of[1]))

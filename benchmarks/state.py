"""What feature state takes: bytes an entity, the lane's stop for a snapshot, restoring, forgetting; exact and fading.

Each form runs in a process of its own. The stop is how long the lane waits for a snapshot to begin; while a child
writes it, small batches go on and the slowest of them is told beside the slowest without a snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from benchmarks.harness import Report, arguments
from rlfa.lanes.snapshots import SnapshotWriter
from streams.durations import parse_duration
from streams.features.decayed.state import DecayedState
from streams.features.snapshot import load_snapshot, save_snapshot
from streams.features.spec import DecayedSpec, WindowSpec
from streams.features.windows import FeatureState

FILLING, SMALL = 100_000, 100  # rows a batch
EACH = 3  # transactions an entity
QUIET_BATCHES = 2_000
STOPS = 9  # snapshots that are begun only, beside the one that is written
EXACT = WindowSpec(entities={"card": ("count", "sum", "mean", "since_last")})
COLUMNS = ("figure", "fading", "exact")
Update = Callable[[np.ndarray, np.ndarray], None]  # keys, times


def main() -> None:
    parser = arguments("state", __doc__ or "")
    parser.add_argument("--entities", type=int, default=10_000_000, help="with fading windows")
    parser.add_argument("--exact-entities", type=int, default=300_000, help="with exact windows")
    args = parser.parse_args()
    report = Report("state", args, COLUMNS)
    found = {}
    for form, entities in (("fading", args.entities), ("exact", args.exact_entities)):
        with get_context("spawn").Pool(1) as fresh:
            found[form] = fresh.apply(measured, (form, entities, args.seed))
        found[form] = {"entities": entities, "transactions": EACH * entities} | found[form]
    for figure in found["fading"]:
        report.row(figure=figure, **{form: found[form][figure] for form in found})
    fading = found["fading"]
    report.claim("fading: peak memory of the process, MiB", fading["peak MiB"], "<= 4096")
    report.claim("fading: restore, s", fading["restore s"], "<= 60")
    for form, row in found.items():
        report.claim(f"{form}: the lane's stop for a snapshot, ms", row["slowest stop ms"], "<= 10")
    report.notes["windows"] = list(EXACT.windows)
    report.finish()


def measured(form: str, entities: int, seed: int) -> dict[str, float]:
    """One form's figures, but for how many entities it had."""
    fresh, update_of = FORMS[form](entities)
    state, rng = fresh(), np.random.default_rng(seed)
    update = update_of(state)
    update(np.ones(1, np.uint64), np.zeros(1, np.int64))  # compiled
    began, clock = time.perf_counter(), 0
    for _ in range(EACH):
        keys = rng.permutation(entities).astype(np.uint64) + np.uint64(1)
        for begin in range(0, entities, FILLING):
            clock = filled(update, keys[begin : begin + FILLING], clock)
    rate = EACH * entities / (time.perf_counter() - began)
    quiet = [small_batch(update, rng, entities, clock + i) for i in range(QUIET_BATCHES)]
    with TemporaryDirectory() as folder:
        path, writer, beside = Path(folder) / "state", SnapshotWriter(), []
        stops = [stop_of(writer, bool) for _ in range(STOPS)]
        began = time.perf_counter()
        stops.append(stop_of(writer, partial(save_snapshot, path, state, offsets={}, watermarks={})))
        while writer.is_busy:
            beside.append(small_batch(update, rng, entities, clock + QUIET_BATCHES + len(beside)))
        wrote, size = time.perf_counter() - began, path.stat().st_size
        peak = psutil.Process().memory_info().rss
        live, bytes_each = state.entities_live, state.memory_bytes / state.entities_live
        forgot, forgotten_in = forgotten(state, update, clock) if isinstance(state, DecayedState) else (0, 0.0)
        del state, update
        began = time.perf_counter()
        again = fresh()
        load_snapshot(path, again)
        restored = time.perf_counter() - began
    assert again.entities_live == live
    return {
        "bytes an entity": bytes_each, "peak MiB": peak / 2**20, "rows/s": rate, "snapshot MiB": size / 2**20,
        "snapshot s": wrote, "stop ms": 1e3 * median(stops),
        "slowest stop ms": 1e3 * max(stops), "p50 batch ms": 1e3 * median(quiet),
        "slowest batch ms": 1e3 * max(quiet), "slowest beside it ms": 1e3 * max(beside), "restore s": restored,
        "forgotten": forgot, "in s": forgotten_in,
    }  # fmt: skip


def filled(update: Update, keys: np.ndarray, clock: int) -> int:
    """One batch of the filling, a row a millisecond; returns the time after it."""
    update(keys, clock + np.arange(len(keys)))
    return clock + len(keys)


def small_batch(update: Update, rng: np.random.Generator, entities: int, now: int) -> float:
    """Seconds that a batch of any entities' rows takes."""
    keys = rng.integers(1, entities + 1, SMALL).astype(np.uint64)
    began = time.perf_counter()
    update(keys, np.full(SMALL, now))
    return time.perf_counter() - began


def stop_of(writer: SnapshotWriter, save: Callable[[], object]) -> float:
    """Seconds that a snapshot's begin takes."""
    writer.finish()
    began = time.perf_counter()
    writer.write(save)
    return time.perf_counter() - began


def forgotten(state: DecayedState, update: Update, clock: int) -> tuple[int, float]:
    """Entities that the time-to-live ends once a single one goes on, and in how many seconds of work."""
    began, later = time.perf_counter(), clock + parse_duration(state.spec.ttl) * 2
    while state.entities_live > 1:
        update(np.ones(FILLING, np.uint64), np.full(FILLING, later))
    return state.expired, time.perf_counter() - began


def fading(entities: int) -> tuple[Callable[[], DecayedState], Callable[[DecayedState], Update]]:
    spec = DecayedSpec(entities_max=entities)
    return lambda: DecayedState(
        spec, "card"
    ), lambda state: lambda keys, times: use(state.update(times, np.ones(len(keys)), keys))


def exact(entities: int) -> tuple[Callable[[], FeatureState], Callable[[FeatureState], Update]]:
    ids = iter(range(1, 2**62))

    def update_of(state: FeatureState) -> Update:
        def update(keys: np.ndarray, times: np.ndarray) -> None:
            hashes = np.fromiter(ids, np.uint64, len(keys))
            use(state.update(hashes, times, np.ones(len(keys)), keys[:, None]).features)

        return update

    return lambda: FeatureState(EXACT, ("card",), capacity=EACH * entities), update_of


def use(features: np.ndarray) -> None:
    """A lane would score them."""
    assert len(features)


FORMS = {"fading": fading, "exact": exact}

if __name__ == "__main__":
    main()

"""Does an agent made of trees keep up with a retrained LightGBM on real fraud that changes? UCSD-FICO, prequential.

Every method has the same features (the stream's fields, ids only through exact windows), the same delay of 7 days and
the same alert budget: at day t it learns from days before t - 7. Days 30 to 98 are scored; none was tuned on them, and
all have default parameters. Our agent is one genome, retrained every week: free agency's swaps and lineups are not in
this table, and neither are other streams.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lightgbm import LGBMClassifier
from numpy.typing import NDArray

from agents.genome import Genome
from agents.metrics import average_precision, card_precision
from agents.training import train
from benchmarks.handbook_data import BATCH, DAY_MS, Stream, scattered, window_features
from benchmarks.harness import Report, arguments, need_data
from rlfa.rewards.money import Costs
from streams.features.spec import WindowSpec
from streams.features.windows import LabelEvents

DELAY_DAYS = 7
FIRST_DAY, BUDGET, THREADS = 30, 50, 1
WORDS = ("state", "zip3", "email_domain")
NUMBERS = (
    "amount", "hour", "field1", "field2", "flag1", "field3", "field4", "indicator1", "indicator2", "flag2", "flag3",
    "flag4", "flag5",
)  # fmt: skip
SPEC = WindowSpec(windows=("1d", "7d", "30d"), label_delay=f"{DELAY_DAYS}d")
COSTS = Costs(alert_budget_per_day=BUDGET)
Scorer = Callable[[NDArray[np.float32]], NDArray[np.float64]]


class Data:
    """The stream in its order: features float32[n, d], truth, day, amount and card of each row."""

    def __init__(self, path: Path) -> None:
        table = pq.read_table(path)
        self.fraud = table["is_fraud"].to_numpy().astype(bool)
        self.day = table["day"].to_numpy().astype(np.int64)
        self.amount = table["amount"].to_numpy().astype(np.float64)
        self.card = table["card"].to_numpy().astype(np.int64)
        self.event_time = pc.cast(table["event_time"], "int64").to_numpy()
        tx_hash = scattered(np.arange(len(self.day)))
        known_at = self.event_time[self.fraud] + DELAY_DAYS * DAY_MS
        labels = LabelEvents(tx_hash[self.fraud], known_at, np.ones(len(known_at), np.bool_))
        entities = np.column_stack([scattered(self.card), scattered(table["email"].to_numpy().astype(np.int64))])
        stream = Stream(tx_hash, self.event_time, self.amount, entities, labels)
        state, windows = window_features(stream, SPEC, len(stream))
        words = [table[name].combine_chunks().indices.fill_null(-1).to_numpy() + 1 for name in WORDS]
        numbers = [table[name].to_numpy() for name in NUMBERS]
        self.x = np.column_stack([*numbers, *words, windows]).astype(np.float32)
        self.names = (*NUMBERS, *WORDS, *state.names)

    def known(self, day: int) -> NDArray[np.intp]:
        """Rows whose labels have arrived by the beginning of a day."""
        return np.flatnonzero(self.day < day - DELAY_DAYS)


def main() -> None:
    args = arguments("drift", __doc__ or "").parse_args()
    folder = need_data(args, "ucsd_fico")
    columns = ("method", "AP", "CP@100", "value detected", "cost per 1,000", "trainings", "seconds")
    report = Report("drift", args, columns)
    data = Data(report.uses(folder / "transactions.parquet"))
    report.notes |= {"days": f"{FIRST_DAY} to {data.day.max()}", "alerts a day": BUDGET, "windows' batch": BATCH}
    methods = {
        "LightGBM, static": (lightgbm, 10_000),
        "LightGBM, every week": (lightgbm, 7),
        "LightGBM, every day": (lightgbm, 1),
        "RLFA agent of trees, every week": (trees, 7),
    }
    found = {name: measure(report, name, data, fit, every, args.seed) for name, (fit, every) in methods.items()}
    ours = found.pop("RLFA agent of trees, every week")
    report.claim("AP less the best other method's", ours[0] - max(ap for ap, _ in found.values()), "> 0")
    report.claim("cost per 1,000 less the best other method's", ours[1] - min(c for _, c in found.values()), "< 0")
    report.finish()


def measure(report: Report, name: str, data: Data, fit: Callable, every: int, seed: int) -> tuple[float, float]:
    """Score each day with what could be known that morning; AP and cost."""
    begin, trainings = time.perf_counter(), 0
    score = np.full(len(data.day), np.nan)
    for day in range(FIRST_DAY, int(data.day.max()) + 1):
        if (day - FIRST_DAY) % every == 0:
            scorer, trainings = fit(data, data.known(day), seed), trainings + 1
        rows = np.flatnonzero(data.day == day)
        score[rows] = scorer(data.x[rows])
    seconds = time.perf_counter() - begin
    rows = np.flatnonzero(data.day >= FIRST_DAY)
    fraud, amount, day = data.fraud[rows], data.amount[rows], data.day[rows]
    stopped = within_budget(score[rows], day)
    missed = COSTS.prevented_share * amount[fraud & ~stopped].sum()
    cost = missed + COSTS.review * stopped.sum() + COSTS.false_positive * (stopped & ~fraud).sum()
    ap, per_thousand = average_precision(fraud, score[rows]), 1000 * cost / len(rows)
    report.row(
        **{
            "method": name,
            "AP": ap,
            "CP@100": card_precision(fraud, score[rows], day, data.card[rows]),
            "value detected": amount[fraud & stopped].sum() / amount[fraud].sum(),
            "cost per 1,000": per_thousand,
            "trainings": trainings,
            "seconds": seconds,
        }
    )
    return ap, per_thousand


def within_budget(score: NDArray[np.float64], day: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The day's highest scores, as many as the budget allows, for every method alike."""
    order = np.lexsort((-score, day))
    rank = np.arange(len(order)) - np.searchsorted(day[order], day[order])
    stopped = np.zeros(len(order), np.bool_)
    stopped[order[rank < BUDGET]] = True
    return stopped


def lightgbm(data: Data, rows: NDArray[np.intp], seed: int) -> Scorer:
    words = [data.names.index(name) for name in WORDS]
    model = LGBMClassifier(random_state=seed, n_jobs=THREADS, verbose=-1)
    booster = model.fit(data.x[rows], data.fraud[rows], categorical_feature=words).booster_
    return lambda x: np.asarray(booster.predict(x, num_threads=THREADS))


def trees(data: Data, rows: NDArray[np.intp], seed: int) -> Scorer:
    agent = train(
        Genome(expert="trees", seed=seed), data.x[rows], data.fraud[rows], data.event_time[rows],
        feature_names=data.names, categorical=frozenset(WORDS), threads=THREADS,
    )  # fmt: skip
    return lambda x: agent.logits(x).astype(np.float64)


if __name__ == "__main__":
    main()

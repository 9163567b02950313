"""Simulated streams whose agents and whole truth are known, and what a window of one shows where declines hide it.

The features have no labels in them, so that the scores don't depend on what was let through: only what is measured
does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.genome import Genome
from agents.training import train
from benchmarks.handbook_data import Stream, scattered, window_features
from rlfa.lineup.actions import ACTIONS, choose, combine
from rlfa.lineup.exploration import ExplorationRules, chances, draws
from rlfa.lineup.slots import DAY_MS, AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.sight import Sight
from rlfa.rewards.budget import DailyThreshold, daily_threshold, ranking, stops, threshold
from rlfa.rewards.money import Costs, earned
from streams.features.spec import WindowSpec
from streams.features.windows import LabelEvents
from streams.synthetic import Simulator, demo_scenario

TRAINING_DAYS, WARM_UP_DAYS, DAYS = 21, 7, 30  # to learn from; to fix thresholds on; to be measured
PER_DAY, BUDGET = 3_000, 60
COSTS = Costs(alert_budget_per_day=BUDGET)
EVERYTHING = ExplorationRules(share=0.01, share_min=0.01, loss_max=1e9, amount_max=1e12)
_LINEUP = ("logistic", "mixture")  # decide; the challenger only scores
_SPEC = WindowSpec(
    windows=("1h", "1d", "7d"),
    entities={"customer": ("count", "mean", "distinct", "since_last"), "terminal": ("count", "mean")},
)
_GENOMES = {
    "logistic": Genome(expert="logistic", experts=2, epochs_max=6, genuine_per_fraud=10),
    "mixture": Genome(experts=3, hidden=8, epochs_max=6, genuine_per_fraud=10, encoder="periodic"),
    "challenger": Genome(expert="trees", experts=1, rounds=60, memory=1.0),
}


@dataclass(frozen=True, slots=True)
class World:
    """What happened on the measured days, with the whole truth, and what each agent would have stopped.

    Attributes:
        cohorts: a day each.
        actions: int8[n] of each day, the lineup's before exploration.
        stopped: bool[n] per agent and day, by its own threshold from the days before.
    """

    cohorts: tuple[Cohort, ...]
    actions: tuple[NDArray[np.int8], ...]
    stopped: dict[AgentId, tuple[NDArray[np.bool_], ...]]


def world(seed: int) -> World:
    """Simulate, train on the first days, score the rest."""
    days = TRAINING_DAYS + WARM_UP_DAYS + DAYS
    table = _table(seed, days)
    x, names = _features(table)
    day = np.asarray(table["day"])
    old = day < TRAINING_DAYS
    logits = {
        AgentId(name): train(
            genome, x[old], table["fraud"][old], table["event_time"][old], feature_names=names, threads=1
        ).logits(x[~old])
        for name, genome in _GENOMES.items()
    }
    later = {name: column[~old] for name, column in table.items()}
    cohorts = [_cohort(later, logits, int(d)) for d in np.unique(later["day"])]
    stopped = {agent: _stopped(cohorts, agent)[WARM_UP_DAYS:] for agent in logits}
    measured = tuple(cohorts[WARM_UP_DAYS:])
    return World(measured, tuple(choose(c.score, c.amount, COSTS) for c in measured), stopped)


def seen_days(told: World, rules: ExplorationRules, part: int) -> list[Cohort]:
    """The same days as a service sees them that never learns what it declined.

    The keyed draws of exploration are cut into `1/share` equal parts, and the would-be declines of one part pass. Each
    part by itself is a draw like any other; together they let every decline pass once, so that their mean has little
    noise of its own.

    Args:
        told: the truth.
        rules: whose share is 1 over a whole number, and falls with no amount.
        part: from 0 to 1/share - 1.
    """
    return [_seen(c, a, rules, part) for c, a in zip(told.cohorts, told.actions, strict=True)]


def covered_truth(told: World, rules: ExplorationRules) -> list[Cohort]:
    """The whole truth about the payments that exploration covers."""
    return [replace(c, sight=Sight(c.seen, np.where(_covered(c, rules), 1.0, 0.0))) for c in told.cohorts]


def as_genuine(days: list[Cohort], told: World) -> list[Cohort]:
    """Declined payments without a label taken for genuine ones, of those that exploration covers."""
    return [
        replace(truth, fraud=seen.fraud, sight=_alike(truth.seen, seen))
        for seen, truth in zip(days, told.cohorts, strict=True)
    ]


def unweighted(days: list[Cohort]) -> list[Cohort]:
    """What was seen, each row counted once."""
    return [replace(d, sight=_alike(d.seen, d)) for d in days]


def figures(days: list[Cohort], stopped: tuple[NDArray[np.bool_], ...]) -> tuple[float, float]:
    """An agent's money per 1,000 transactions and its recall over a window, self-normalised as the service's are."""
    money = rows = frauds = caught = 0.0
    for day, mine in zip(days, stopped, strict=True):
        weight = day.weight
        money += float((weight * earned(day, mine, COSTS)).sum())
        rows += float(weight.sum())
        frauds += float((weight * day.fraud).sum())
        caught += float((weight * (day.fraud & mine)).sum())
    return 1000.0 * money / rows, caught / frauds if frauds else float("nan")


def _seen(cohort: Cohort, action: NDArray[np.int8], rules: ExplorationRules, part: int) -> Cohort:
    chance = chances(cohort.amount, rules, COSTS.prevented_share)
    assert set(np.unique(chance)) <= {0.0, rules.share}
    declined = action == ACTIONS.index("decline")
    drawn = np.flatnonzero(declined & (chance > 0))
    seen = ~declined
    seen[drawn] = (draws(cohort.tx_hash[drawn], rules.seed) / rules.share).astype(np.int64) == part
    return replace(
        cohort, fraud=cohort.fraud & seen, sight=Sight(seen, np.where(declined, chance, (chance > 0).astype(float)))
    )


def _alike(seen: NDArray[np.bool_], day: Cohort) -> Sight:
    """Rows that count once each where exploration covers them."""
    assert day.sight is not None
    return Sight(seen, np.where(day.sight.covered & seen, 1.0, 0.0))


def _covered(cohort: Cohort, rules: ExplorationRules) -> NDArray[np.bool_]:
    return chances(cohort.amount, rules, COSTS.prevented_share) > 0


def _stopped(cohorts: list[Cohort], agent: AgentId) -> list[NDArray[np.bool_]]:
    """What an agent stops on each day by the mean threshold of the seven days before; nothing on the first."""
    history: list[DailyThreshold] = []
    found = []
    for cohort in cohorts:
        limit = threshold(history[-WARM_UP_DAYS:], COSTS)
        ranks = ranking(cohort, agent, COSTS)
        found.append(stops(ranks, np.inf if limit is None else limit))
        newest = daily_threshold(cohort.day, ranks, COSTS)
        history += [newest] if newest else []
    return found


def _table(seed: int, days: int) -> dict[str, NDArray]:
    scenario = demo_scenario().scaled(PER_DAY)
    batches = [day.transactions for day in Simulator(scenario, seed).days(0, days)]
    table = pa.Table.from_batches(batches).sort_by("event_time")
    codes: Callable[[str], NDArray] = lambda name: (  # noqa: E731
        table[name].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    )
    event_time = table["event_time"].to_numpy()
    return {
        "event_time": event_time,
        "day": (event_time - scenario.start_ms) // DAY_MS,
        "customer": scattered(codes("customer_id")),
        "terminal": scattered(codes("terminal_id")),
        "amount": table["amount"].to_numpy(),
        "fraud": table["is_fraud"].to_numpy(zero_copy_only=False).astype(bool),
        "category": codes("category"),
        "channel": codes("channel"),
        "tx_hash": scattered(np.arange(len(table)) + seed * 10_000_000),
    }


def _features(table: dict[str, NDArray]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    entities = np.column_stack([table["customer"], table["terminal"]])
    nothing = LabelEvents(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    stream = Stream(table["tx_hash"], table["event_time"], table["amount"], entities, nothing)
    state, windows = window_features(stream, _SPEC, len(stream))
    hour = (table["event_time"] % DAY_MS) / 3_600_000
    raw = [table["amount"], np.log1p(table["amount"]), hour, table["category"], table["channel"]]
    names = ("amount", "log_amount", "hour", "category", "channel", *state.names)
    return np.column_stack([*raw, windows]).astype(np.float32), names


def _cohort(table: dict[str, NDArray], logits: dict[AgentId, NDArray[np.float32]], day: int) -> Cohort:
    rows = np.flatnonzero(table["day"] == day)
    mine = {agent: x[rows] for agent, x in logits.items()}
    votes = np.stack([mine[AgentId(a)] for a in _LINEUP], axis=1)
    return Cohort(
        day=Day(day),
        tx_hash=table["tx_hash"][rows],
        event_time=table["event_time"][rows],
        amount=table["amount"][rows],
        fraud=table["fraud"][rows],
        entities={"customer": table["customer"][rows]},
        logits=mine,
        score=combine(votes, np.ones(len(_LINEUP)))[0],
        stopped=np.zeros(len(rows), np.bool_),
    )

"""The common alert budget: what each agent would have stopped at a threshold fixed before the cohort."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.money import Costs, net_gain


class DailyThreshold(msgspec.Struct, frozen=True, array_like=True):
    """Above which value an agent would have spent exactly its alert budget on one closed day."""

    day: Day
    value: float
    rule: str
    """Budget and ranking that it stands for: under another rule it means nothing."""


def rule_of(costs: Costs) -> str:
    """What a threshold depends on besides the scores."""
    return f"{costs.alert_budget_per_day} by {costs.rank_by}"


def ranking(cohort: Cohort, agent: AgentId, costs: Costs) -> NDArray[np.float64]:
    """float64[n], by what the agent spends its budget; NaN where it gave no score (it approves there)."""
    return ranks_of(cohort.logits_of(agent), cohort.amount, costs)


def ranks_of(logits: NDArray[np.float32], amount: NDArray[np.float64], costs: Costs) -> NDArray[np.float64]:
    """float64[n] from logits float32[n] and amounts float64[n]; NaN stays NaN."""
    return logits.astype(np.float64) if costs.rank_by == "probability" else net_gain(logits, amount, costs)


def daily_threshold(day: Day, ranks: NDArray[np.float64], costs: Costs, share: float = 1.0) -> DailyThreshold | None:
    """Half way between the last value inside the budget and the first outside; None on a day without scores.

    Args:
        day: of the ranks.
        ranks: float64[n], NaN left out.
        costs: with the budget.
        share: of the day's rows that these are: a segment has so much of the budget, one alert at least.
    """
    there = ranks[~np.isnan(ranks)]
    budget = max(round(costs.alert_budget_per_day * share), 1)
    if not len(there):
        return None
    if len(there) <= budget:
        return DailyThreshold(day, float(there.min()) - 1.0, rule_of(costs))
    last, next_ = np.partition(there, (len(there) - budget - 1, len(there) - budget))[
        [len(there) - budget, len(there) - budget - 1]
    ]
    return DailyThreshold(day, float(last + next_) / 2.0, rule_of(costs))


def threshold(history: Sequence[DailyThreshold], costs: Costs) -> float | None:
    """The threshold for the next cohort: the mean over earlier ones under the same rule; None without any.

    By net gain it is never below 0: money isn't spent on a stop that is expected to lose some.
    """
    values = [t.value for t in history if t.rule == rule_of(costs)]
    if not values:
        return None
    mean = float(np.mean(values))
    return mean if costs.rank_by == "probability" else max(mean, 0.0)


def common_thresholds(
    a: Sequence[DailyThreshold], b: Sequence[DailyThreshold], costs: Costs
) -> tuple[float, float] | None:
    """Thresholds of two agents from the same earlier days; None where they share none.

    A score distribution that moves would otherwise give more alerts to the one with the shorter history.
    """
    days = {t.day for t in a} & {t.day for t in b}
    first = threshold([t for t in a if t.day in days], costs)
    second = threshold([t for t in b if t.day in days], costs)
    return None if first is None or second is None else (first, second)


def stops(ranks: NDArray[np.float64], above: float) -> NDArray[np.bool_]:
    """bool[n], what an agent stops: strictly above, so that equal scores can't burst the budget."""
    return np.greater(ranks, above)

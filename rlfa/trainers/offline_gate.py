"""The offline gate: a candidate must be no worse than the incumbent on the newest matured window."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from rlfa.lineup.slots import DAY_MS, Day
from rlfa.rewards.budget import daily_threshold, stops
from rlfa.rewards.money import Costs, net_gain
from rlfa.rewards.paired_loss import count_loss


class OfflineResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Candidate and incumbent on the same matured rows, none of which the candidate had been trained on by then."""

    day_from: int
    day_to: int
    rows: int
    frauds: int
    caught_candidate: int
    caught_incumbent: int
    loss_candidate: float
    """Sum of the count loss."""
    loss_incumbent: float


def compare_offline(
    event_time: NDArray[np.int64],
    amount: NDArray[np.float64],
    fraud: NDArray[np.bool_],
    candidate: NDArray[np.float32],
    incumbent: NDArray[np.float32],
    costs: Costs,
    weight: NDArray[np.float64] | None = None,
    share: float = 1.0,
) -> OfflineResult:
    """Both agents' own decisions, day by day, each spending exactly the same alert budget.

    Args:
        event_time: int64[n], ms UTC; n >= 1.
        amount: float64[n].
        fraud: bool[n], matured.
        candidate: float32[n], logits.
        incumbent: float32[n], logits; an agent approves what it gave no score for, and what
            neither scored is dropped.
        costs: with the budget.
        weight: float64[n], how many rows each stands for, 0 where its truth isn't known; None: one each. The budget is
            spent on all rows alike.
        share: of the stream's rows that these are: a segment has so much of the budget.
    """
    weight = np.ones(len(fraud)) if weight is None else weight
    scored = np.isfinite(candidate) | np.isfinite(incumbent)
    days = event_time // DAY_MS
    caught, loss = [0.0, 0.0], [0.0, 0.0]
    for day in np.unique(days[scored]):
        rows = scored & (days == day)
        for agent, logits in enumerate((candidate, incumbent)):
            stopped = _within_budget(logits[rows], amount[rows], Day(int(day)), costs, share)
            caught[agent] += float((weight[rows] * (stopped & fraud[rows])).sum())
            loss[agent] += float((weight[rows] * count_loss(fraud[rows], stopped, costs.kappa)).sum())
    return OfflineResult(
        day_from=int(days.min()),
        day_to=int(days.max()),
        rows=int(scored.sum()),
        frauds=round(float((weight * (fraud & scored)).sum())),
        caught_candidate=round(caught[0]),
        caught_incumbent=round(caught[1]),
        loss_candidate=loss[0],
        loss_incumbent=loss[1],
    )


def passes(result: OfflineResult, margin: float) -> bool:
    """No worse than the incumbent, give or take `margin` of its loss; a tie passes, probation will tell."""
    return result.loss_candidate <= result.loss_incumbent * (1.0 + margin) + 1e-9


def _within_budget(
    logits: NDArray[np.float32], amount: NDArray[np.float64], day: Day, costs: Costs, share: float
) -> NDArray[np.bool_]:
    ranks = logits.astype(np.float64) if costs.rank_by == "probability" else net_gain(logits, amount, costs)
    limit = daily_threshold(day, ranks, costs, share)
    return stops(ranks, limit.value if limit else np.inf)

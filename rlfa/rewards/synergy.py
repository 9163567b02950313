"""Synergy: what the lineup loses without an agent, in money on one closed cohort."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rlfa.lineup.slots import AgentId
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.budget import daily_threshold, ranks_of, stops
from rlfa.rewards.money import Costs, earned

Weight = float | NDArray[np.float64]  # the same on every row, or [n], 0 where the agent doesn't vote


def synergies(cohort: Cohort, weights: Mapping[AgentId, Weight], costs: Costs) -> dict[AgentId, float]:
    """What the lineup earned with each agent less what it earns without it.

    Both lineups stop exactly the day's alert budget, so that neither wins by alerting more. This is a figure of the day
    and no test: there thresholds come from earlier days.

    Args:
        cohort: closed.
        weights: of the agents that decide, on the rows that each votes on.
        costs: of the user.

    Returns:
        Money per agent, 0 for one that is alone; negative where the lineup does better without it.
    """
    if len(weights) < 2:
        return dict.fromkeys(weights, 0.0)
    whole = lineup_money(cohort, weights, costs)
    return {
        agent: whole - lineup_money(cohort, {a: w for a, w in weights.items() if a != agent}, costs)
        for agent in weights
    }


def lineup_money(cohort: Cohort, weights: Mapping[AgentId, Weight], costs: Costs) -> float:
    """What a lineup earns on a cohort when it spends the day's alert budget; rows that nobody scored are approved."""
    logits = np.stack([cohort.logits_of(a).astype(np.float64) for a in weights])
    shares = np.isfinite(logits) * np.stack([np.broadcast_to(w, len(cohort)) for w in weights.values()])
    total = shares.sum(axis=0)
    summed = (np.nan_to_num(logits) * shares).sum(axis=0)
    mean = np.divide(summed, total, out=np.full(len(cohort), np.nan), where=total > 0)
    ranks = ranks_of(mean.astype(np.float32), cohort.amount, costs)
    limit = daily_threshold(cohort.day, ranks, costs)
    if limit is None:
        return 0.0
    money = earned(cohort, stops(ranks, limit.value), costs)
    return float(np.sort(money * cohort.weight).sum())  # sorted: the last digits must not depend on the order of rows

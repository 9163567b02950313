"""How well closed days were scored: by the lineup, by each agent, and by a lineup that never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agents.metrics import average_precision, recall_at_budget
from rlfa.hosts.scoring import AgentRef, InlineHost
from rlfa.lineup.actions import combine
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes import log

ScoredDay = tuple[NDArray[np.bool_], NDArray[np.float64]]  # fraud [n], score [n]


@dataclass(frozen=True, slots=True)
class Detection:
    """Figures of one score over some days: average precision, and the share of frauds among each day's top alerts."""

    ap: float
    recall: float
    frauds: int


def detection(days: Sequence[ScoredDay], budget: int) -> Detection:
    """Average precision over all rows, and recall with `budget` alerts a day.

    Args:
        days: fraud bool[n] and score float64[n] of each day.
        budget: alerts a day.
    """
    fraud = np.concatenate([f for f, _ in days]) if days else np.zeros(0, np.bool_)
    if not fraud.any():
        return Detection(np.nan, np.nan, 0)
    score = np.concatenate([s for _, s in days])
    day = np.repeat(np.arange(len(days)), [len(f) for f, _ in days])
    return Detection(
        ap=average_precision(fraud, score),
        recall=recall_at_budget(fraud, score, day, budget),
        frauds=int(fraud.sum()),
    )


def scored_days(outcomes: Path, days: Sequence[Day]) -> dict[str, list[ScoredDay]]:
    """Labels and scores by day: per agent id, and of the "lineup"; days not wholly scored are left out."""
    found: dict[str, list[ScoredDay]] = {}
    for day in days:
        cohort = log.load_cohort(log.path_of(outcomes, day))
        columns = {"lineup": cohort.score, **{str(a): v.astype(np.float64) for a, v in cohort.logits.items()}}
        for name, values in columns.items():
            if np.isfinite(values).all():
                found.setdefault(name, []).append((cohort.fraud[cohort.seen], values[cohort.seen]))
    return found


def frozen_scores(outcomes: Path, days: Sequence[Day], refs: Sequence[AgentRef]) -> list[ScoredDay]:
    """What these agents, equally weighted, would have scored on the same features: a lineup that never changes."""
    scored = []
    agents = [AgentId(ref.id) for ref in refs]
    for day in days:
        data = log.load_training([log.path_of(outcomes, day)])
        host = InlineHost(data.feature_names)
        host.load(refs)
        score, _ = combine(host.score(agents, data.features), np.ones(len(agents)))
        scored.append((data.fraud, score))
    return scored


def count_decisions(outcomes: Path, days: Sequence[Day]) -> int:
    """Rows of the outcome log in these days."""
    return sum(pq.read_metadata(log.path_of(outcomes, day)).num_rows for day in days)

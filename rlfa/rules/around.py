"""Rules around the lineup: what their actions leave to the alert budget and to exploration, and what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rlfa.lineup.actions import choose
from rlfa.lineup.budget import Ration, Rationed, spend, worth
from rlfa.lineup.exploration import ExplorationRules, Explored, explore
from rlfa.lineup.slots import Lineup
from rlfa.lineup.voting import Rows
from rlfa.rewards.money import Costs
from rlfa.rules.deciding import ACTION_OF, NOBODY, Ruled
from streams.decisions import RuleReason

REVIEW = ACTION_OF["review"]


def spend_around(
    ruled: Ruled, score: NDArray[np.float64], rows: Rows, lineup: Lineup, costs: Costs, ration: Ration
) -> Rationed:
    """The alert budget over the lineup's alerts and the rules' reviews; the rules' own actions stay.

    A rule's decline takes no part of the budget, since nobody has to look at it, and a list that is hit a thousand
    times a day must not silence the lineup. A rule's review takes one and is never held back.
    """
    by_rule = ruled.rule != NOBODY
    is_review = ruled.action == REVIEW
    wanted = np.where(by_rule, np.where(is_review, ruled.action, np.int8(0)), choose(score, rows.amount, costs))
    worths = np.where(is_review, np.inf, worth(score, rows.amount, costs))
    alerts = spend(wanted, worths, rows.event_time, lineup.floors, costs, ration)
    return Rationed(
        action=np.where(by_rule, ruled.action, alerts.action),
        floor=np.where(by_rule, np.nan, alerts.floor),
        over_budget=alerts.over_budget & ~by_rule,
        ration=alerts.ration,
    )


def explore_around(
    ruled: Ruled, action: NDArray[np.int8], rows: Rows, exploration: ExplorationRules, costs: Costs
) -> Explored:
    """Exploration, which leaves a rule's decline alone unless the rule lets it; then nothing is measured there."""
    open_to_it = np.where(ruled.closed, np.int8(0), action)
    taken = explore(open_to_it, rows.amount, rows.tx_hash, exploration, costs.prevented_share)
    return replace(taken, action=np.where(ruled.closed, action, taken.action), covered=taken.covered & ~ruled.closed)


def spoken_by(ruled: Ruled) -> dict[int, tuple[RuleReason | None, list[str]]]:
    """By row, of the rows that some rule hit: the rule that decided, and the names of all that hit."""
    sequence, decided = ruled.book.rules.sequence, ruled.rule.tolist()
    rows, columns = np.nonzero(ruled.verdict)
    hits: dict[int, list[str]] = {}
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        hits.setdefault(i, []).append(sequence[j].name)
    return {
        i: (
            None if decided[i] == NOBODY else RuleReason(sequence[decided[i]].name, sequence[decided[i]].reason),
            names,
        )
        for i, names in hits.items()
    }

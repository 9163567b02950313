"""The alert budget's floor for the first days, from history: without it the first alerts of a day use the budget up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlfa.config import Service
from rlfa.free_agency.floors import daily_floor
from rlfa.free_agency.state import DailyFloor
from rlfa.hosts.scoring import AgentRef, InlineHost
from rlfa.lineup.actions import combine
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import Day, Lineup
from rlfa.lineup.voting import Rows, voters, votes, weights
from rlfa.outcomes import log


def floors_of_history(
    service: Service, closed: Sequence[Day], lineup: Lineup, refs: Sequence[AgentRef]
) -> tuple[DailyFloor, ...]:
    """What alerts would have had to be worth on the newest closed days of history, had the first lineup decided.

    It has been trained on these days, and finds their frauds a little too well: the floor is high rather than low.

    Args:
        service: settings and outcome log.
        closed: days of history.
        lineup: the first one.
        refs: of its agents.
    """
    rules = service.settings.free_agency
    floors = list[DailyFloor]()
    for day in sorted(closed)[-rules.alerts.days :]:
        data = log.load_training([log.path_of(service.outcomes, day)], unseen=True)
        host = InlineHost(data.feature_names)
        host.load(refs)
        rows = Rows(
            tx_hash=np.zeros(len(data.amount), np.uint64),  # for the draws of trials, which there are none of
            event_time=data.event_time,
            amount=data.amount,
            features=data.features,
            fields=fields_of(service.spec, data.feature_names),
        )
        logits = host.score(lineup.scorers, rows.features)
        chosen = voters(lineup, rows, logits)
        score, _ = combine(votes(logits, chosen), weights(lineup, chosen))
        floors.append(daily_floor(day, lineup.incumbents, score, data.amount, rules))
    return tuple(floors)

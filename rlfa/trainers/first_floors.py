"""The alert budget's floor for the first days, from history: without it the first alerts of a day use the budget up."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.parquet as pq

from rlfa.config import Service
from rlfa.free_agency.floors import daily_floor, left_by_rules
from rlfa.free_agency.state import DailyFloor
from rlfa.hosts.scoring import AgentRef, InlineHost
from rlfa.lineup.actions import combine
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import Day, Lineup
from rlfa.lineup.voting import voters, votes, weights
from rlfa.outcomes import log
from rlfa.outcomes.as_decided import feature_names, rows_in
from rlfa.rules.deciding import RuleBook, rule_on
from rlfa.rules.ruleset import NO_RULES, RuleSet


def floors_of_history(
    service: Service, closed: Sequence[Day], lineup: Lineup, refs: Sequence[AgentRef], ruleset: RuleSet = NO_RULES
) -> tuple[DailyFloor, ...]:
    """What alerts would have had to be worth on the newest closed days of history, had the first lineup decided.

    It has been trained on these days, and finds their frauds a little too well: the floor is high rather than low.

    Args:
        service: settings and outcome log.
        closed: days of history.
        lineup: the first one.
        refs: of its agents.
        ruleset: of the user: what it decides the lineup doesn't, and its reviews take their part of the budget.
    """
    rules = service.settings.free_agency
    floors = list[DailyFloor]()
    for day in sorted(closed)[-rules.alerts.days :]:
        table = pq.read_table(log.path_of(service.outcomes, day)).sort_by("event_time")
        rows = rows_in(table, fields_of(service.spec, feature_names(table)))
        host = InlineHost(rows.fields.names)
        host.load(refs)
        logits = host.score(lineup.scorers, rows.features)
        chosen = voters(lineup, rows, logits)
        score, _ = combine(votes(logits, chosen), weights(lineup, chosen))
        ruled = rule_on(RuleBook.of(ruleset, rows.fields), rows, score).action
        left, reviews = left_by_rules(ruled)
        floors.append(daily_floor(day, lineup.incumbents, score[left], rows.amount[left], rules, reviews))
    return tuple(floors)

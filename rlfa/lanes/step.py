"""A batch in, decisions out, no I/O: decode, features, scores, actions, reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlfa.hosts.scoring import Host, HostError
from rlfa.lanes.intake import Absorbed, Intake
from rlfa.lineup.actions import ACTIONS, combine, mean_logit
from rlfa.lineup.budget import Ration, Rationed
from rlfa.lineup.exploration import ExplorationRules, Explored
from rlfa.lineup.priority import priorities
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import Lineup
from rlfa.lineup.voting import NOBODY, Rows, voted, voters, votes, weights
from rlfa.outcomes.audit import NO_AUDIT, Audit, audits, encode
from rlfa.outcomes.journal import Columns, DecisionRows
from rlfa.rewards.money import Costs
from rlfa.rules.around import explore_around, spend_around, spoken_by
from rlfa.rules.deciding import NO_BOOK, RuleBook, Ruled, rule_on
from rlfa.rules.ruleset import NO_RULES, RuleSet
from streams.decisions import encode_decisions
from streams.kafka.sink import Lap
from streams.spec import StreamSpec


@dataclass(frozen=True, slots=True)
class Judged:
    """What a lineup of k agents and s slots makes of n rows.

    Attributes:
        logits: float32[n, k] of all its agents.
        voters: intp[n, s], the agent that votes for each slot, see `rlfa.lineup.voting`.
        score: float64[n].
        degraded: bool[n], some slot's vote is missing.
        alerts: what the day's alert budget left of the actions that pay.
        taken: the actions, and the chances with which they were taken.
        ruled: what the user's rules had to say, and where they decided.
    """

    logits: NDArray[np.float32]
    voters: NDArray[np.intp]
    score: NDArray[np.float64]
    degraded: NDArray[np.bool_]
    alerts: Rationed
    taken: Explored
    ruled: Ruled

    @property
    def action(self) -> NDArray[np.int8]:
        """int8[n], what is done."""
        return self.taken.action


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions on a batch, for the topic and for the journal."""

    values: list[bytes]
    """JSON for the topic, one for each transaction."""
    rows: DecisionRows
    ration: Ration
    """Of alerts, after the batch."""
    ruled: Ruled
    """What rules made of it; its book is for the next batch."""


def decide(
    absorbed: Absorbed,
    spec: StreamSpec,
    feature_names: Sequence[str],
    lineup: Lineup,
    host: Host,
    costs: Costs,
    exploration: ExplorationRules,
    ration: Ration,
    now: int,
    book: RuleBook = NO_BOOK,
    lap: Lap = bool,
) -> Decided:
    """Scores, actions and reasons for a batch, by one lineup.

    Args:
        absorbed: n transactions with their features.
        spec: of the stream.
        feature_names: columns of the features.
        lineup: who decides and who only watches.
        host: holds all of the lineup's agents.
        costs: of the user.
        exploration: which would-be declines pass.
        ration: of alerts, before the batch.
        now: wall clock, ms UTC, for `decided_at`.
        book: the user's rules, before the batch.
        lap: told when scores are there, when actions are, when reasons are, and when all is JSON.

    Raises:
        HostError: no agent scored some row.
    """
    tx, agents = absorbed.transactions, lineup.agents
    rows = Rows(
        tx_hash=tx.tx_hash,
        event_time=tx.event_time,
        amount=tx.amount,
        features=absorbed.features,
        fields=fields_of(spec, feature_names),
        entities=dict(zip(spec.entities, tx.entities.T, strict=True)),
    )
    judged = judge(rows, lineup, host, costs, exploration, ration, book, lap)
    score, action, degraded = judged.score, judged.action, judged.degraded
    said = votes(judged.logits, judged.voters)
    logit = mean_logit(said, weights(lineup, judged.voters))
    spoke = np.where(np.isfinite(said), judged.voters, NOBODY)
    alerts = np.flatnonzero(action)
    lap("decide")
    audit = audits(tx, absorbed.features, alerts, logit, spoke, spec, feature_names, lineup, host)
    lap("reasons")
    values = encode_decisions(
        tx_id=tx.tx_id,
        score=score,
        action=[ACTIONS[a] for a in action.tolist()],
        reasons={i: found.reasons for i, found in audit.items()},
        epoch=lineup.epoch,
        agents=agents,
        speakers=spoke,
        votes=1.0 / (1.0 + np.exp(-said.astype(np.float64))),
        propensity=judged.taken.propensity,
        event_time=tx.event_time,
        decided_at=now,
        degraded=degraded,
        priority=priorities(judged.logits, score, tx.amount, action, costs),
        over_budget=judged.alerts.over_budget,
        rules=spoken_by(judged.ruled),
    )
    lap("encode")
    return Decided(values, decision_rows(absorbed, judged, lineup, audit), judged.alerts.ration, judged.ruled)


def judge(
    rows: Rows,
    lineup: Lineup,
    host: Host,
    costs: Costs,
    exploration: ExplorationRules,
    ration: Ration,
    book: RuleBook = NO_BOOK,
    lap: Lap = bool,
) -> Judged:
    """Scores and actions for a batch, by one lineup and the user's rules around it.

    Every row is scored, whoever decides it: agents learn from it.

    Args:
        rows: n transactions; their features have the columns that the host was told.
        lineup: who decides and who only watches.
        host: holds all of the lineup's agents.
        costs: of the user.
        exploration: which would-be declines pass.
        ration: of alerts, before the batch; the next batch takes that of the result.
        book: the user's rules, likewise.
        lap: told when scores are there.

    Raises:
        HostError: no agent scored some row.
    """
    logits = host.score(lineup.scorers, rows.features)
    lap("score")
    chosen = voters(lineup, rows, logits)
    spoken = votes(logits, chosen)
    if not np.isfinite(spoken).any(axis=1).all():
        raise HostError("no agent of the lineup scored the batch")
    score, degraded = combine(spoken, weights(lineup, chosen))
    ruled = rule_on(book, rows, score)
    alerts = spend_around(ruled, score, rows, lineup, costs, ration)
    taken = explore_around(ruled, alerts.action, rows, exploration, costs)
    return Judged(logits, chosen, score, degraded, alerts, taken, ruled)


def columns_of(intake: Intake, lineup: Lineup, rules: RuleSet = NO_RULES) -> Columns:
    """The names of the journal's wide columns under a lineup and the user's rules."""
    return Columns(intake.feature_names, tuple(intake.spec.entities), tuple(lineup.agents), rules.names)


def decision_rows(
    absorbed: Absorbed, judged: Judged, lineup: Lineup, audit: Mapping[int, Audit] = NO_AUDIT
) -> DecisionRows:
    """What the outcome log keeps of a batch; `audit` is by row, of its alerts."""
    tx = absorbed.transactions
    return DecisionRows(
        tx_id=tx.tx_id,
        tx_hash=tx.tx_hash,
        partition=tx.partition,
        offset=tx.offset,
        event_time=tx.event_time,
        amount=tx.amount,
        entities=tx.entities,
        features=absorbed.features,
        logits=judged.logits,
        voted=voted(judged.logits, judged.voters),
        score=judged.score.astype(np.float32),
        action=judged.action,
        propensity=judged.taken.propensity,
        explored=judged.taken.explored,
        covered=judged.taken.covered,
        floor=judged.alerts.floor,
        over_budget=judged.alerts.over_budget,
        degraded=judged.degraded,
        rules=judged.ruled.verdict,
        epoch=lineup.epoch,
        audit=[encode(audit[i]) if i in audit else None for i in range(len(tx.tx_id))],
    )

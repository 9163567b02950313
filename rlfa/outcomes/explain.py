"""A past decision again: the stored features, the weights of its epoch, and whether they give the same score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.data_card import DataCard
from rlfa.hosts.scoring import Host, Reasoning
from rlfa.lineup.actions import ACTIONS, combine, mean_logit
from rlfa.lineup.budget import worth
from rlfa.lineup.exploration import drawn_again
from rlfa.lineup.segments import Fields
from rlfa.lineup.slots import AgentId, Epoch, EventTime, Lineup, Slot, SlotId
from rlfa.lineup.voting import NOBODY, Rows, voted, voters, votes, weights
from rlfa.lineup.wording import Wording
from rlfa.outcomes import log
from rlfa.outcomes.audit import Audit, audit_of, decode, speaking
from rlfa.outcomes.kept import ExplainError, Kept
from rlfa.rewards.money import Costs
from rlfa.rules.again import Ruling, ruling_of
from rlfa.rules.ruleset import NO_RULES, RuleSet
from rlfa.store.agents import StoredAgent

TOLERANCE = 1e-6  # of a probability: a batch of one row adds up its products in another order
REASON_TOLERANCE = 1e-3  # of a logit: no reason reads differently by so much
Agreement = Literal["bit-equal", "within 1e-6", "differs"]


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's part in a decision, then and now: an incumbent's, or that of a challenger on trial."""

    slot: SlotId
    agent: AgentId
    version: AgentId
    """Whose weights they were: of an agent that doesn't learn, or hasn't yet, the agent's own id."""
    weight: float
    """Of its slot in the ledger's epoch, before the division by the sum."""
    score: float | None
    """Probability as recorded; None where the agent gave none."""
    score_again: float | None
    checksum: str
    """SHA-256 of the weights, which were checked against it."""
    trained_from: EventTime
    trained_to: EventTime


class Budgeted(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that expected cost asked for, beside what the day's alert budget asked of it."""

    worth: float
    """By what the costs rank by, from the score as recorded."""
    floor: float | None
    """What it had to be worth more than; None where there was no floor, or the hard stop had come."""
    stopped: bool
    """The hard stop had come: nothing was worth enough."""
    over: bool
    """It was approved for the budget's sake."""
    over_again: bool
    """The same comparison once more."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as recorded, and as it comes out of the same features and weights."""

    tx_id: str
    kept_in: Literal["outcome log", "journal"]
    event_time: EventTime
    amount: float
    epoch: Epoch
    action: str
    score: float
    score_again: float
    agreement: Agreement
    largest_difference: float
    """Over the lineup's probability and those of its agents."""
    degraded: bool
    label: bool | None
    """Whether it was fraud; None while its day is open, and of a declined payment that nobody labelled."""
    propensity: float
    """The probability with which this action was taken."""
    explored: bool
    """Would have been declined, and passed so that its truth can be known."""
    explored_again: bool | None
    """The same draw once more; None where nothing was drawn."""
    budget: Budgeted | None
    """None where there was nothing to stop, or no budget was enforced."""
    ruling: Ruling | None
    """None where no rules acted."""
    votes: tuple[Vote, ...]
    audit: Audit
    """Reasons and gates: as recorded with an alert, else as they come out now; of a category its code is left."""
    audit_repeats: bool | None
    """Whether they come out again; None where none were recorded: it was approved, or played in a backtest."""

    @property
    def agrees(self) -> bool:
        """Whether the decision can be stood by: score and reasons come out again, where reasons were recorded."""
        return self.agreement != "differs" and self.audit_repeats is not False


def explain(
    kept: Kept,
    lineup: Lineup,
    agents: Mapping[AgentId, StoredAgent],
    host: Host,
    fields: Fields,
    seed: int,
    costs: Costs,
    wording: Wording,
    rules: RuleSet = NO_RULES,
) -> Explanation:
    """Score a kept row again and compare.

    Args:
        kept: the row.
        lineup: of the ledger in the row's epoch.
        agents: by agent that decides in it, the record of the version that did.
        host: holds them, their checksums proved.
        fields: columns that the host wants.
        seed: key of the draws of exploration.
        costs: what alerts are ranked by.
        wording: of reasons.
        rules: of the user, that acted in that epoch.
    """
    lineup = msgspec.structs.replace(lineup, shadows=())
    known, logits = kept.numbers(log.FEATURE), kept.numbers(log.LOGIT)
    x = np.array([[known.get(name, np.float32(np.nan)) for name in fields.names]], np.float32)
    then = np.array([[logits.get(agent, np.float32(np.nan)) for agent in lineup.agents]], np.float32)
    now = np.where(np.isfinite(then), host.score(lineup.scorers, x), np.float32(np.nan)).astype(np.float32)
    chosen = voters(lineup, _rows(kept, x, fields), then)
    spoken, again = votes(then, chosen), votes(now, chosen)
    if not np.isfinite(spoken).any():
        raise ExplainError(f"transaction {kept.row['tx_id']!r}", "no agent's score", "a row that a lineup decided")
    shares = weights(lineup, chosen)
    score = float(str(kept.row["score"]))
    score_again = float(combine(again, shares)[0][0]) if np.isfinite(again).any() else float("nan")
    agreement, largest = _agreement(spoken, again, score, score_again)
    if kept.voted != {a for a, is_one in zip(lineup.agents, voted(then, chosen)[0], strict=True) if is_one}:
        agreement, largest = "differs", float("inf")
    propensity, explored = float(str(kept.row["propensity"])), bool(kept.row["explored"])
    explored_again = drawn_again(int(str(kept.row["tx_hash"])), propensity, explored=explored, seed=seed)
    if explored_again not in {None, explored}:
        agreement, largest = "differs", float("inf")
    budget = _budgeted(kept, score, costs)
    if budget is not None and budget.over != budget.over_again:
        agreement, largest = "differs", float("inf")
    ruling = ruling_of(kept.row, kept.numbers(log.RULE), _rows(kept, x, fields), score, rules)
    if ruling is not None and not ruling.repeats:
        agreement, largest = "differs", float("inf")
    playing = np.flatnonzero(chosen[0] != NOBODY)
    reasoned = speaking(np.where(np.isfinite(spoken[0]), chosen[0], NOBODY), lineup, host, x)
    told = kept.row.get("audit")
    recorded = decode(str(told)) if told else None
    comes_out = audit_of(reasoned, x, 0, float(mean_logit(spoken, shares)[0]), fields.names, wording, {})
    return Explanation(
        tx_id=str(kept.row["tx_id"]),
        kept_in=kept.kept_in,
        event_time=EventTime(int(str(kept.row["event_time"]))),
        amount=float(str(kept.row["amount"])),
        epoch=kept.epoch,
        action=ACTIONS[int(str(kept.row["action"]))],
        score=score,
        score_again=score_again,
        agreement=agreement,
        largest_difference=largest,
        degraded=bool(kept.row["degraded"]),
        label=None if kept.row.get("label") is None else bool(kept.row["label"]),
        propensity=propensity,
        explored=explored,
        explored_again=explored_again,
        budget=budget,
        ruling=ruling,
        votes=tuple(
            _vote(lineup.slots[j], agent, agents[agent], spoken[0, j], again[0, j])
            for j, agent in zip(playing.tolist(), (lineup.agents[k] for k in chosen[0, playing]), strict=True)
        ),
        audit=recorded or comes_out,
        audit_repeats=None if recorded is None else _repeats(recorded, reasoned, fields.names),
    )


def _budgeted(kept: Kept, score: float, costs: Costs) -> Budgeted | None:
    floor, over = float(str(kept.row["floor"])), bool(kept.row["over_budget"])
    if np.isnan(floor):
        return None
    value = float(worth(np.array([score]), np.array([kept.row["amount"]], np.float64), costs)[0])
    return Budgeted(
        worth=value,
        floor=floor if np.isfinite(floor) else None,
        stopped=floor == float("inf"),
        over=over,
        over_again=not value > floor,
    )


def _rows(kept: Kept, x: NDArray[np.float32], fields: Fields) -> Rows:
    return Rows(
        tx_hash=np.array([kept.row["tx_hash"]], np.uint64),
        event_time=np.array([kept.row["event_time"]], np.int64),
        amount=np.array([kept.row["amount"]], np.float64),
        features=x,
        fields=fields,
        entities={
            name.removeprefix(log.ENTITY): np.array([key], np.uint64)
            for name, key in kept.row.items()
            if name.startswith(log.ENTITY)
        },
    )


def _agreement(
    then: NDArray[np.float32], now: NDArray[np.float32], score: float, again: float
) -> tuple[Agreement, float]:
    """The journal keeps the lineup's score as float32: that is what it is compared as."""
    if np.array_equal(then, now, equal_nan=True) and np.float32(again) == np.float32(score):
        return "bit-equal", 0.0
    voted = np.isfinite(then)
    if not np.isfinite(now[voted]).all():
        return "differs", float("inf")
    apart = [abs(score - again), *np.abs(_probability(then[voted]) - _probability(now[voted])).tolist()]
    largest = float(max(apart))
    return ("within 1e-6" if largest <= TOLERANCE else "differs"), largest


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float64))))


def _vote(slot: Slot, agent: AgentId, version: StoredAgent, then: np.float32, now: np.float32) -> Vote:
    card = msgspec.json.decode(version.card, type=DataCard)
    score, again = (float(_probability(np.array([v]))[0]) if np.isfinite(v) else None for v in (then, now))
    return Vote(
        slot=slot.id,
        agent=agent,
        version=version.id,
        weight=slot.weight,
        score=score,
        score_again=again,
        checksum=version.checksum,
        trained_from=EventTime(card.from_event_time),
        trained_to=EventTime(card.to_event_time),
    )


def _repeats(then: Audit, again: Reasoning, names: Sequence[str]) -> bool:
    """Whether the reasons that were sent, and the gates' weights, come out again."""
    added = dict(zip(names, again.contributions[0].tolist(), strict=True))
    same = all(
        abs(added.get(reason.feature, float("inf")) - reason.contribution) <= REASON_TOLERANCE
        for reason in then.reasons
    )
    gates = {str(agent): voices.weights[0].tolist() for agent, voices in again.voices.items()}
    return (
        same
        and gates.keys() == then.gates.keys()
        and all(
            np.allclose(gates[agent], spoken.weights, rtol=0.0, atol=REASON_TOLERANCE)
            for agent, spoken in then.gates.items()
        )
    )

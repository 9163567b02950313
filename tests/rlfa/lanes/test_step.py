"""A batch becomes decisions: a slot votes on its segment, and a challenger on trial decides its share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agents.model import Voices
from rlfa.hosts.scoring import AgentRef, HostError, Reasoning
from rlfa.lanes.intake import Absorbed, Intake
from rlfa.lanes.step import Decided, columns_of, decide, judge
from rlfa.lineup.actions import choose, combine
from rlfa.lineup.budget import AlertRules, Ration
from rlfa.lineup.exploration import ExplorationRules
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import DAY_MS, AgentId, AlertFloor, Day, Epoch, Lineup, Slot, SlotId, Trial
from rlfa.lineup.voting import Rows, drawn
from rlfa.outcomes import journal, log
from rlfa.outcomes.audit import Spoken, decode
from rlfa.outcomes.journal import Journal
from rlfa.outcomes.raised import alerts_raised
from rlfa.rewards.budget import rule_of
from rlfa.rewards.money import Costs
from streams.kafka.source import Record
from tests.rlfa.lanes.builders import STREAM, first_records, new_intake, read

A, B, NEW = AgentId("a"), AgentId("b"), AgentId("new")
TRIAL = Trial(slot=SlotId("all"), agent=NEW, share=0.3)
LINEUP = Lineup(
    epoch=Epoch(7),
    slots=(
        Slot(id=SlotId("all"), incumbent=A, weight=0.5),
        Slot(id=SlotId("online"), incumbent=B, weight=0.5, segment='channel == "ecom"'),
    ),
    trials=(TRIAL,),
)
ROWS = 400
NO_BUDGET = Ration(AlertRules(enforced=False))


class Fixed:
    """A host whose agents say the same of every transaction, unless one is away."""

    logits: ClassVar = {A: -1.0, B: 2.0, NEW: 3.0}

    def __init__(self, *away: AgentId) -> None:
        self.away = away

    def load(self, refs: Sequence[AgentRef]) -> None:
        raise NotImplementedError

    def score(self, agents: Sequence[AgentId], features: NDArray[np.float32]) -> NDArray[np.float32]:
        said = [np.nan if a in self.away else self.logits[a] for a in agents]
        return np.tile(np.array(said, np.float32), (len(features), 1))

    def reasons(
        self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: NDArray[np.float32]
    ) -> Reasoning:
        """All of an agent's logit comes from the first feature, and its second of two experts speaks."""
        found = Reasoning.none(features)
        found.contributions[:, 0] = sum(w * self.logits[a] for a, w in zip(agents, weights, strict=True)) / sum(weights)
        n = len(features)
        voices = Voices(np.tile(np.array([0.25, 0.75], np.float32), (n, 1)), np.ones(n, np.int64))
        return Reasoning(found.contributions, found.usual, dict.fromkeys(agents, voices))


@pytest.fixture(scope="module")
def intake() -> Intake:
    return new_intake()


@pytest.fixture(scope="module")
def sent() -> list[Record]:
    return first_records(ROWS)


@pytest.fixture(scope="module")
def batch(intake: Intake, sent: list[Record]) -> Absorbed:
    return intake.absorb(sent, [])


def decided(batch: Absorbed, intake: Intake, lineup: Lineup, *away: AgentId) -> Decided:
    return decide(
        batch, STREAM, intake.feature_names, lineup, Fixed(*away), Costs(), ExplorationRules(), NO_BUDGET, now=5
    )


def rows_of(batch: Absorbed, intake: Intake) -> Rows:
    tx = batch.transactions
    fields = fields_of(STREAM, intake.feature_names)
    return Rows(tx_hash=tx.tx_hash, event_time=tx.event_time, amount=tx.amount, features=batch.features, fields=fields)


def test_segments_vote_and_a_trial_decides_its_share(batch: Absorbed, intake: Intake) -> None:
    online = np.array([c == "ecom" for c in batch.transactions.categorical["channel"]])
    mine = drawn(TRIAL, batch.transactions.tx_hash)
    assert all(part.any() for part in (online & mine, online & ~mine, ~online & mine, ~online & ~mine))
    for i, decision in enumerate(read(decided(batch, intake, LINEUP))):
        first = NEW if mine[i] else A
        speaking = [first, *([B] if online[i] else [])]
        logit = np.mean([Fixed.logits[a] for a in speaking])
        assert list(decision.agents) == speaking
        assert decision.score == pytest.approx(1 / (1 + np.exp(-logit)))
        assert not decision.degraded
        assert [r.contribution for r in decision.reasons] in ([], [pytest.approx(logit)])


def test_an_alerts_record_has_its_reasons_and_gates_and_adds_up(
    batch: Absorbed, intake: Intake, tmp_path: Path
) -> None:
    lane = Journal(tmp_path / "lane-0")
    lane.set_columns(columns_of(intake, LINEUP))
    made = decided(batch, intake, LINEUP)
    lane.append_decisions(made.rows)
    lane.close()
    rows = [row for d in journal.days(tmp_path, "decisions") for t in journal.read(tmp_path, "decisions", d)
            for row in log.widened(t).to_pylist()]  # fmt: skip
    kept = {row["tx_id"]: row["audit"] for row in rows}
    alerts = [d for d in read(made) if d.action != "approve"]
    assert 0 < len(alerts) < len(read(made))
    assert any(d.reasons for d in alerts)
    assert [i for i, text in kept.items() if text is not None] == [d.tx_id for d in alerts]
    for decision in alerts:
        told = decode(kept[decision.tx_id])
        assert list(told.reasons) == decision.reasons
        assert all(reason.text.startswith("amount ") for reason in told.reasons)
        assert told.logit == pytest.approx(np.log(decision.score / (1 - decision.score)))
        assert told.gates == {agent: Spoken(expert=1, weights=(0.25, 0.75)) for agent in decision.agents}


class Talkative(Fixed):
    """Another five features speak for each transaction."""

    def reasons(
        self, agents: Sequence[AgentId], weights: NDArray[np.float64], features: NDArray[np.float32]
    ) -> Reasoning:
        found = Reasoning.none(features)
        found.contributions[:] = np.random.default_rng(0).random(features.shape)
        return Reasoning(found.contributions, np.ones(features.shape[1], np.float32), {})


def test_reasons_name_no_transaction_card_customer_or_terminal(
    batch: Absorbed, sent: list[Record], intake: Intake
) -> None:
    made = decide(
        batch, STREAM, intake.feature_names, LINEUP, Talkative(), Costs(), ExplorationRules(), NO_BUDGET, now=5
    )
    reasons = [reason for decision in read(made) for reason in decision.reasons]
    texts = [reason.text for reason in reasons]
    assert {reason.feature for reason in reasons} == set(intake.feature_names)
    fields = [msgspec.json.decode(record.value or b"") for record in sent]
    ids = {str(of[name]) for of in fields for name in ("tx_id", "card_id", "customer_id", "terminal_id", "device_id")}
    assert len(ids) > ROWS
    assert not [text for text in texts if any(one in text for one in ids)]


def test_an_agent_that_gave_no_score_gives_no_reason(batch: Absorbed, intake: Intake) -> None:
    for decision in read(decided(batch, intake, LINEUP, B)):
        if decision.reasons:
            mean = np.mean([Fixed.logits[AgentId(agent)] for agent in decision.agents])
            assert decision.reasons[0].contribution == pytest.approx(mean)


def test_the_journal_says_who_voted(batch: Absorbed, intake: Intake, tmp_path: Path) -> None:
    lane = Journal(tmp_path / "lane-0")
    lane.set_columns(columns_of(intake, LINEUP))
    made = decided(batch, intake, LINEUP)
    lane.append_decisions(made.rows)
    lane.close()
    tables = [
        log.widened(t) for d in journal.days(tmp_path, "decisions") for t in journal.read(tmp_path, "decisions", d)
    ]
    voted = {row["tx_id"]: {a for a in LINEUP.agents if row[log.VOTED + a]} for t in tables for row in t.to_pylist()}
    assert voted == {d.tx_id: set(d.agents) for d in read(made)}


def test_without_segments_and_trials_nothing_is_different(batch: Absorbed, intake: Intake) -> None:
    plain = Lineup(
        epoch=Epoch(1), slots=tuple(Slot(id=s.id, incumbent=s.incumbent, weight=s.weight) for s in LINEUP.slots)
    )
    rows, host = rows_of(batch, intake), Fixed()
    judged = judge(rows, plain, host, Costs(), ExplorationRules(), NO_BUDGET)
    score, degraded = combine(host.score([A, B], rows.features), np.array([0.5, 0.5]))
    assert judged.score.tobytes() == score.tobytes()
    assert judged.action.tobytes() == choose(score, rows.amount, Costs()).tobytes()
    assert judged.degraded.tobytes() == degraded.tobytes()


def test_a_challenger_that_is_away_leaves_its_share_to_the_incumbent(batch: Absorbed, intake: Intake) -> None:
    assert all(A in d.agents and NEW not in d.agents for d in read(decided(batch, intake, LINEUP, NEW)))


def test_a_segment_whose_agent_is_away_is_decided_by_the_rest(batch: Absorbed, intake: Intake) -> None:
    online = [c == "ecom" for c in batch.transactions.categorical["channel"]]
    assert [d.degraded for d in read(decided(batch, intake, LINEUP, B))] == online


def test_a_row_that_nobody_scored_is_not_decided(batch: Absorbed, intake: Intake) -> None:
    with pytest.raises(HostError):
        decided(batch, intake, LINEUP, A, NEW)


def test_a_decline_that_passes_says_with_what_propensity_on_the_topic_and_in_the_journal(
    batch: Absorbed, intake: Intake, tmp_path: Path
) -> None:
    rules = ExplorationRules(share=0.3, loss_max=1_000.0, amount_max=60.0)
    sure = Lineup(epoch=Epoch(1), slots=(Slot(id=SlotId("all"), incumbent=NEW),))
    made = decide(batch, STREAM, intake.feature_names, sure, Fixed(), Costs(), rules, NO_BUDGET, now=5)
    lane = Journal(tmp_path / "lane-0")
    lane.set_columns(columns_of(intake, sure))
    lane.append_decisions(made.rows)
    lane.close()
    days = journal.days(tmp_path, "decisions")
    kept = {r["tx_id"]: r for d in days for t in journal.read(tmp_path, "decisions", d) for r in t.to_pylist()}
    amounts = dict(zip(batch.transactions.tx_id, batch.transactions.amount.tolist(), strict=True))
    for decision in read(made):
        row, covered = kept[decision.tx_id], amounts[decision.tx_id] <= 60.0
        would_be_declined = choose(np.array([decision.score]), np.array([row["amount"]]), Costs())[0] == 2
        explored = would_be_declined and decision.action == "approve"
        expected = 1.0 if not (covered and would_be_declined) else 0.3 if explored else 0.7
        assert decision.propensity == row["propensity"] == pytest.approx(expected)
        assert (row["explored"], row["covered"]) == (explored, covered)
    assert {row["explored"] for row in kept.values()} == {True, False}


def test_what_the_budget_left_out_says_so_and_a_restart_counts_the_same_alerts(
    batch: Absorbed, intake: Intake, tmp_path: Path
) -> None:
    costs = Costs(alert_budget_per_day=20, false_positive=0.1)
    sure = Lineup(epoch=Epoch(1), slots=(Slot(id=SlotId("all"), incumbent=NEW),))
    host, exploring = Fixed(), ExplorationRules(share=0.3, loss_max=1_000.0)
    before = Ration(AlertRules())
    made = decide(batch, STREAM, intake.feature_names, sure, host, costs, exploring, before, now=5)
    over = [d for d in read(made) if d.over_budget]
    raised = sum(made.ration.raised.values())
    assert raised == 24 < len(over)  # 1.2 x 20
    assert all(d.action == "approve" and not d.reasons for d in over)
    lane = Journal(tmp_path / "lane-0")
    lane.set_columns(columns_of(intake, sure))
    lane.append_decisions(made.rows)
    lane.append_decisions(made.rows)  # the same batch, tried again
    lane.close()
    day = min(made.ration.raised)
    assert alerts_raised(tmp_path, day, {0: ROWS}) == made.ration.raised
    first_ten = [i for i, d in enumerate(read(made)) if not d.over_budget][:10]
    by_offset = batch.transactions.offset[first_ten].max() + 1
    uncommitted = sum(alerts_raised(tmp_path, day, {0: int(by_offset)}).values())
    assert 10 <= uncommitted < raised
    assert alerts_raised(tmp_path, day, {1: ROWS}) == {day: 0}


def test_a_lane_that_starts_again_at_noon_decides_the_afternoon_as_if_it_had_gone_on(
    batch: Absorbed, intake: Intake, tmp_path: Path
) -> None:
    costs = Costs(alert_budget_per_day=40, false_positive=0.1)
    day = int(batch.transactions.event_time[0] // DAY_MS)
    floor = AlertFloor(from_day=Day(day), value=0.5, best=None, rule=rule_of(costs))
    sure = Lineup(epoch=Epoch(1), slots=(Slot(id=SlotId("all"), incumbent=NEW),), floors=(floor,))

    def made(rows: slice, ration: Ration) -> Decided:
        at = np.arange(ROWS)[rows]
        part = Absorbed(batch.transactions.take(at), batch.features[at], batch.labels, [])
        return decide(
            part, STREAM, intake.feature_names, sure, Fixed(), costs, ExplorationRules(share=0.3), ration, now=5
        )

    whole = made(slice(None), Ration(AlertRules()))
    noon = 30
    morning = made(slice(noon), Ration(AlertRules()))
    lane = Journal(tmp_path / "lane-0")
    lane.set_columns(columns_of(intake, sure))
    lane.append_decisions(morning.rows)
    lane.append_decisions(whole.rows)  # tried, and not committed
    lane.close()
    committed = {0: int(batch.transactions.offset[:noon].max()) + 1}
    again = Ration(AlertRules(), raised=alerts_raised(tmp_path, Day(day), committed))
    assert again.raised == morning.ration.raised
    afternoon = made(slice(noon, None), again)
    assert [*read(morning), *read(afternoon)] == read(whole)
    assert {d.over_budget for d in read(afternoon)} == {True, False}

"""A lane with the user's rules: decisions say who decided, the journal keeps it, and a restart changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlfa.hosts.scoring import Features, Logits, Reasoning
from rlfa.lanes.intake import Absorbed, Intake
from rlfa.lanes.step import Decided, columns_of, decide, judge
from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.budget import AlertRules, Ration
from rlfa.lineup.exploration import ExplorationRules
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import DAY_MS, AgentId, Day, Epoch, Lineup, Slot, SlotId
from rlfa.lineup.voting import Rows
from rlfa.outcomes import journal, log
from rlfa.outcomes.journal import Journal
from rlfa.outcomes.raised import alerts_raised, declined_by_rules
from rlfa.rewards.money import Costs
from rlfa.rules.deciding import RuleBook
from rlfa.rules.reading import rules_of
from tests.rlfa.lanes.builders import STREAM, first_records, new_intake, read

ROWS = 300
LINEUP = Lineup(epoch=Epoch(3), slots=(Slot(id=SlotId("all"), incumbent=AgentId("a")),))
COSTS = Costs(alert_budget_per_day=20, false_positive=0.1)
RULES = """
[[rules]]
name = "pricey"
action = "decline"
when = "amount > 60"
declines_per_day_max = 30
why = "nothing above 60 today"
[[rules]]
name = "seen"
action = "decline"
when = 'channel == "ecom" and amount > 20'
explore = true
[[rules]]
name = "cheap"
action = "allow"
when = "amount < 5"
[[rules]]
name = "look"
action = "review"
when = "amount < 8"
[[rules]]
name = "dry"
action = "decline"
mode = "test"
when = "amount > 0"
[[rules]]
name = "pardon"
action = "allow"
stage = "after"
when = "lineup_score > 0.5 and is_weekend == 1"
"""


class Fixed:
    """A host whose one agent says the same of every transaction."""

    def __init__(self, logit: float = 3.0) -> None:
        self.logit = logit

    def load(self, refs: object) -> None:
        raise NotImplementedError

    def score(self, agents: object, features: Features) -> Logits:
        return np.full((len(features), 1), self.logit, np.float32)

    def reasons(self, agents: object, weights: object, features: Features) -> Reasoning:
        return Reasoning.none(features)


@pytest.fixture(scope="module")
def intake() -> Intake:
    return new_intake()


@pytest.fixture(scope="module")
def batch(intake: Intake) -> Absorbed:
    return intake.absorb(first_records(ROWS), [])


@pytest.fixture
def book(intake: Intake) -> RuleBook:
    fields = fields_of(STREAM, intake.feature_names)
    return RuleBook.of(rules_of(RULES, STREAM, fields, where="rules.toml", folder=Path()), fields)


def made(
    batch: Absorbed,
    intake: Intake,
    book: RuleBook,
    exploration: ExplorationRules | None = None,
    ration: Ration | None = None,
    logit: float = 3.0,
) -> Decided:
    exploration = exploration or ExplorationRules()
    ration = ration or Ration(AlertRules(enforced=False))
    return decide(
        batch, STREAM, intake.feature_names, LINEUP, Fixed(logit), COSTS, exploration, ration, now=5, book=book
    )


def kept(folder: Path, intake: Intake, book: RuleBook, *batches: Decided) -> Path:
    lane = Journal(folder / "lane-0")
    lane.set_columns(columns_of(intake, LINEUP, book.rules))
    for decided in batches:
        lane.append_decisions(decided.rows)
    lane.close()
    return folder


def test_a_decision_says_which_rule_decided_and_keeps_the_lineups_score(
    batch: Absorbed, intake: Intake, book: RuleBook
) -> None:
    decided = made(batch, intake, book)
    by_rule: dict[str, list[str]] = {}
    for decision in read(decided):
        assert decision.score == pytest.approx(1 / (1 + np.exp(-3.0)))
        assert "dry" in decision.rule_hits
        by_rule.setdefault(decision.rule.name if decision.rule else "", []).append(decision.action)
        if decision.rule and decision.rule.name == "pricey":
            assert decision.rule.reason == "nothing above 60 today"
        if decision.rule and decision.rule.name == "cheap":
            assert decision.rule.reason == "amount < 5"
    assert {rule: set(actions) for rule, actions in by_rule.items() if rule} == {
        "pricey": {"decline"},
        "seen": {"decline"},
        "cheap": {"approve"},
        "look": {"review"},
    }
    assert len(by_rule["pricey"]) == 30
    assert [rule.name for rule, _ in decided.ruled.suspended] == ["pricey"]


def test_declines_of_rules_are_left_alone_by_exploration_unless_they_say_otherwise(
    batch: Absorbed, intake: Intake, book: RuleBook
) -> None:
    exploration = ExplorationRules(share=0.3, loss_max=1e6, amount_max=1e6)
    decided = made(batch, intake, book, exploration)
    chances = {name: set[float]() for name in ("pricey", "seen", "cheap", "look", "")}
    for i, decision in enumerate(read(decided)):
        name = decision.rule.name if decision.rule else ""
        chances[name].add(round(decision.propensity, 9))
        assert decided.rows.covered[i] == (name != "pricey")
        assert not (decided.rows.explored[i] and name in {"pricey", "cheap", "look"})
    assert chances["pricey"] == chances["cheap"] == chances["look"] == {1.0}
    assert chances["seen"] == {0.3, 0.7}
    assert {0.3, 0.7} <= chances[""]


def test_a_rules_decline_takes_nothing_of_the_alert_budget_and_its_review_always_has_a_place(
    batch: Absorbed, intake: Intake, book: RuleBook, tmp_path: Path
) -> None:
    decided = made(batch, intake, book, ration=Ration(AlertRules()))
    reviews = sum(bool(d.rule) and d.action == "review" for d in read(decided))
    declines = sum(bool(d.rule) and d.action == "decline" for d in read(decided))
    by_lineup = sum(d.rule is None and d.action != "approve" for d in read(decided))
    (raised,) = decided.ration.raised.values()
    assert 0 < by_lineup < raised == 24  # 1.2 x 20; some of the reviews took the rest
    assert reviews > raised - by_lineup
    assert declines > 24
    assert all(d.rule is None for d in read(decided) if d.over_budget)
    assert np.isnan(decided.rows.floor[[d.rule is not None for d in read(decided)]]).all()
    day = Day(int(batch.transactions.event_time[0] // DAY_MS))
    root = kept(tmp_path, intake, book, decided)
    recounted = alerts_raised(root, day, {0: ROWS})[day]
    assert recounted == by_lineup + reviews >= raised  # nothing is raised above the stop: from there on it is the same


def test_the_journal_keeps_every_verdict(batch: Absorbed, intake: Intake, book: RuleBook, tmp_path: Path) -> None:
    decided = made(batch, intake, book)
    root = kept(tmp_path, intake, book, decided)
    tables = [log.widened(t) for d in journal.days(root, "decisions") for t in journal.read(root, "decisions", d)]
    rows = {row["tx_id"]: row for t in tables for row in t.to_pylist()}
    for decision in read(decided):
        verdicts = {name: rows[decision.tx_id][log.RULE + name] for name in book.rules.names}
        assert [name for name, verdict in verdicts.items() if verdict] == decision.rule_hits
        assert [n for n, v in verdicts.items() if v == 2] == ([decision.rule.name] if decision.rule else [])


@pytest.mark.parametrize("noon", [1, 97, 200])
def test_a_lane_that_starts_again_at_noon_decides_the_afternoon_as_if_it_had_gone_on(
    batch: Absorbed, intake: Intake, book: RuleBook, tmp_path: Path, noon: int
) -> None:
    exploration = ExplorationRules(share=0.3, loss_max=1e6)

    def part(rows: slice) -> Absorbed:
        at = np.arange(ROWS)[rows]
        return Absorbed(batch.transactions.take(at), batch.features[at], batch.labels, [])

    whole = made(batch, intake, book, exploration, Ration(AlertRules()))
    morning = made(part(slice(noon)), intake, book, exploration, Ration(AlertRules()))
    root = kept(tmp_path, intake, book, morning, whole)  # the whole day was tried, and not committed
    committed = {0: int(batch.transactions.offset[:noon].max()) + 1}
    day = Day(int(batch.transactions.event_time[0] // DAY_MS))
    used = declined_by_rules(root, day, committed, book.rules)
    assert used == {key: count for key, count in morning.ruled.book.used.items() if count}
    again = RuleBook.of(book.rules, book.fields, used=used)
    ration = Ration(AlertRules(), raised=alerts_raised(root, day, committed))
    afternoon = made(part(slice(noon, None)), intake, again, exploration, ration)
    assert [*read(morning), *read(afternoon)] == read(whole)


def test_without_rules_nothing_is_different(batch: Absorbed, intake: Intake, book: RuleBook) -> None:
    tx = batch.transactions
    rows = Rows(
        tx_hash=tx.tx_hash,
        event_time=tx.event_time,
        amount=tx.amount,
        features=batch.features,
        fields=book.fields,
        entities=dict(zip(STREAM.entities, tx.entities.T, strict=True)),
    )
    exploration = ExplorationRules(share=0.3)
    plain = judge(rows, LINEUP, Fixed(), COSTS, exploration, Ration(AlertRules()))
    silent = rules_of('[[rules]]\nname = "none"\naction = "decline"\nwhen = "amount < 0"\n', STREAM, book.fields,
                      where="", folder=Path())  # fmt: skip
    ruled = judge(rows, LINEUP, Fixed(), COSTS, exploration, Ration(AlertRules()), RuleBook.of(silent, book.fields))
    for name in ("action", "propensity", "explored", "covered"):
        np.testing.assert_array_equal(getattr(plain.taken, name), getattr(ruled.taken, name))
    np.testing.assert_array_equal(plain.alerts.floor, ruled.alerts.floor)
    assert plain.alerts.ration == ruled.alerts.ration


def test_a_rule_after_the_lineup_pardons_what_the_lineup_would_stop(
    batch: Absorbed, intake: Intake, book: RuleBook
) -> None:
    text = (
        '[[rules]]\nname = "pardon"\naction = "allow"\nstage = "after"\nwhen = "lineup_score > 0.5 and amount < 30"\n'
    )
    after = RuleBook.of(rules_of(text, STREAM, book.fields, where="", folder=Path()), book.fields)
    for logit, pardons in ((3.0, True), (-0.5, False)):
        for decision in read(made(batch, intake, after, logit=logit)):
            small = batch.transactions.amount[batch.transactions.tx_id.index(decision.tx_id)] < np.float32(30)
            assert (decision.rule is not None) == (small and pardons)
            assert decision.action in ACTIONS
            assert decision.rule is None or decision.action == "approve"

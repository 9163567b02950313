"""Rules in a backtest: the same judge as live, the same books, and decisions that are explained again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rlfa.backtest import Played, run
from rlfa.cli import app
from rlfa.cli.explain import explain_again
from rlfa.config import load_service
from rlfa.free_agency.front_office import FrontOffice
from rlfa.hosts.scoring import InlineHost
from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime
from rlfa.outcomes import log
from rlfa.rules.deciding import DECIDED, SUSPENDED
from rlfa.rules.loading import load_rules
from rlfa.rules.trying import past_of_table, try_on
from rlfa.store.agents import Agents, ref_of
from streams.history import FRAUD
from tests.rlfa.backtest.histories import EXPLORING, service_in, simulated

RULES = """
[[rules]]
name = "pricey"
action = "decline"
when = "amount > 150"
declines_per_day_max = 20
[[rules]]
name = "hot"
action = "decline"
when = "terminal_fraud_share_7d > 0.2"
explore = true
[[rules]]
name = "small"
action = "allow"
when = "amount < 3"
[[rules]]
name = "odd"
action = "review"
stage = "after"
when = "lineup_score > 0.001 and amount > 60"
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("ruled")
    service = service_in(folder, EXPLORING)
    (folder / "rules.toml").write_text(RULES)
    rules = load_rules(service, folder / "rules.toml")
    return run(service, simulated(service, 16, customers=1200), rules=rules, wall_ms=lambda: 1)


def closed(played: Played) -> list[dict[str, object]]:
    days = [d for d in log.closed_days(played.service.outcomes) if d >= played.first_day]
    return [row for d in days for row in pq.read_table(log.path_of(played.service.outcomes, d)).to_pylist()]


def test_the_first_epoch_has_the_rules_and_each_row_its_verdicts(played: Played) -> None:
    rows = closed(played)
    kinds = {name: {row[log.RULE + name] for row in rows} for name in ("pricey", "hot", "small", "odd")}
    assert {DECIDED, SUSPENDED} <= kinds["pricey"]
    assert DECIDED in kinds["hot"]
    assert DECIDED in kinds["small"]
    assert DECIDED in kinds["odd"]
    for row in rows:
        big = bool(np.float32(row["amount"]) > 150)
        assert (row[log.RULE + "pricey"] > 0) == big
        if row[log.RULE + "pricey"] == DECIDED:
            assert (row["action"], row["propensity"], row["covered"]) == (ACTIONS.index("decline"), 1.0, False)
        if row[log.RULE + "small"] == DECIDED:
            assert row["action"] == ACTIONS.index("approve")


def test_a_rules_decline_is_unknown_and_judges_nobody_unless_the_rule_lets_some_through(played: Played) -> None:
    passed = 0
    for day in (d for d in log.closed_days(played.service.outcomes) if d >= played.first_day):
        table = pq.read_table(log.path_of(played.service.outcomes, day))
        cohort = log.cohort_of(table, day)
        assert cohort.ruled is not None
        pricey = table[log.RULE + "pricey"].to_numpy() == DECIDED
        hot = table[log.RULE + "hot"].to_numpy() == DECIDED
        explored = table["explored"].to_numpy(zero_copy_only=False)
        assert not cohort.weight[pricey].any()
        assert not cohort.seen[pricey].any()
        assert (cohort.weight[hot & explored] == 4.0).all()
        assert not cohort.weight[hot & ~explored].any()
        assert (cohort.ruled[hot] == ACTIONS.index("decline")).all()
        passed += int((hot & explored).sum())
    assert passed > 0


def test_every_kind_of_decision_is_explained_again_with_its_rule(played: Played) -> None:
    wanted = {("pricey", DECIDED), ("pricey", SUSPENDED), ("hot", DECIDED), ("small", DECIDED), ("odd", DECIDED)}
    for row in closed(played):
        found = {(name, row[log.RULE + name]) for name in ("pricey", "hot", "small", "odd")} & wanted
        if not found:
            continue
        wanted -= found
        explained = explain_again(played.service, str(row["tx_id"]), None)
        assert explained.agrees
        assert explained.ruling is not None
        assert explained.ruling.repeats
        if ("pricey", DECIDED) in found:
            assert (explained.ruling.decided_by, explained.ruling.reason) == ("pricey", "amount > 150")
            shown = CliRunner().invoke(app, ["explain", str(row["tx_id"]), "-c", f"{played.service.root}/rlfa.toml"])
            assert "rules: pricey decided (amount > 150); hit: pricey" in shown.stdout
    assert not wanted


@pytest.mark.parametrize(("column", "value"), [("action", 0), (log.RULE + "pricey", 0), (log.RULE + "strange", 1)])
def test_a_verdict_that_was_changed_afterwards_does_not_agree(
    played: Played, tmp_path: Path, column: str, value: int
) -> None:
    row = next(r for r in closed(played) if r[log.RULE + "pricey"] == DECIDED)
    shutil.copytree(played.service.root, tmp_path / "copy")
    copied = load_service(tmp_path / "copy" / "rlfa.toml")
    path = log.path_of(copied.outcomes, Day(int(str(row["event_time"])) // DAY_MS))
    table = pq.read_table(path)
    changed = pa.array([value] * len(table), pa.int8())
    there = column in table.column_names
    table = (
        table.set_column(table.column_names.index(column), column, changed)
        if there
        else (table.append_column(column, changed))
    )
    pq.write_table(table, path)
    assert explain_again(played.service, str(row["tx_id"]), None).agrees
    explained = explain_again(copied, str(row["tx_id"]), None)
    assert not explained.agrees
    assert explained.ruling is not None
    assert not explained.ruling.repeats


def test_what_comes_later_changes_no_verdict(played: Played, tmp_path: Path) -> None:
    """Batches end where days close, and the history's end moves nothing that came before it."""
    service = service_in(tmp_path, EXPLORING)
    (tmp_path / "rules.toml").write_text(RULES)
    end = len(played.history) - 300
    fields = [f for f in type(played.history).__dataclass_fields__ if f != "refused"]
    shorter = replace(played.history, **{f: getattr(played.history, f)[:end] for f in fields})
    again = run(
        service, shorter, played.first_day, rules=load_rules(service, tmp_path / "rules.toml"), wall_ms=lambda: 1
    )
    np.testing.assert_array_equal(again.action, played.action[played.rows < end])
    assert again.entries == played.entries[: len(again.entries)]


def test_a_rule_set_is_weighed_on_closed_days_and_signed_as_an_agent_like_any_other(
    played: Played, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(played.service.root, folder)
    service = load_service(folder / "rlfa.toml")
    (folder / "rules.toml").write_text(RULES)
    asked = ["rules", "sign", str(folder / "rules.toml"), "--slot", "a", "--by", "ada", "--reason", "against machines"]
    refused = CliRunner().invoke(app, [*asked, "-c", str(folder / "rlfa.toml")])
    assert "rule 'odd' when: found 'lineup_score', allowed: fields and features" in str(refused.exception)
    (folder / "rules.toml").write_text(RULES[: RULES.rindex("[[rules]]")])
    signed = CliRunner().invoke(app, [*asked, "-c", str(folder / "rlfa.toml")])
    assert signed.exit_code == 0, signed.output
    agent = AgentId(signed.stdout.strip())
    assert agent.startswith("rules-")
    office = FrontOffice.open(service)
    assert office.obey(EventTime(int(played.history.event_time[-1])), 1)
    (slot,) = (s for s in office.state.slots if s.id == "a")
    assert agent in {free.agent for free in slot.pool}
    with office.store.reading() as session:
        record = Agents(session).get(agent)
    office.store.close()
    assert (record.added_by, record.why) == ("ada", "against machines")
    host = InlineHost(played.feature_names)
    host.load([ref_of(record)])
    logits = host.score([agent], played.x[played.rows])[:, 0]
    assert np.isfinite(logits).all()
    amount = played.x[played.rows][:, played.feature_names.index("amount")]
    share = played.x[played.rows][:, played.feature_names.index("terminal_fraud_share_7d")]
    quiet = (amount >= 3) & (amount <= 150) & ~(share > np.float32(0.2))
    assert np.unique(logits[quiet]).size == 1  # no rule hits: the base rate


def test_rules_are_tried_on_a_table_and_on_the_services_own_days(played: Played, tmp_path: Path) -> None:
    root = Path(played.service.root)
    own = CliRunner().invoke(app, ["rules", "test", "--rules", str(root / "rules.toml"), "-c", str(root / "rlfa.toml")])
    assert own.exit_code == 0, own.output
    assert "live rules would have stopped" in own.stderr
    assert "no lineup scored these" not in own.stderr
    assert load_service(root / "rlfa.toml").outcomes == played.service.outcomes
    past = past_of_table(played.service, played.history)
    rules = load_rules(played.service, root / "rules.toml")
    found = try_on(rules, past)
    taken = played.taken
    fraud, amount = (played.history.label == FRAUD) & taken, played.history.amount
    big = taken & (amount.astype(np.float32) > 150)
    pricey = found.each[0]
    assert (found.rows, found.frauds, found.without_score) == (int(taken.sum()), int(fraud.sum()), True)
    assert (pricey.all.hits, pricey.all.frauds) == (int(big.sum()), int((big & fraud).sum()))
    assert pricey.precision == pytest.approx(float((big & fraud).sum() / big.sum()))
    assert pricey.all.fraud_value == pytest.approx(float(amount[big & fraud].sum()))
    assert pricey.beyond == pricey.all
    x = played.x[:, played.feature_names.index("terminal_fraud_share_7d")]
    hot = taken & (x > np.float32(0.2))
    assert (found.each[1].all.hits, found.each[1].beyond.hits) == (int(hot.sum()), int((hot & ~big).sum()))
    assert found.each[1].beyond.frauds == int((hot & ~big & fraud).sum())
    busy = np.unique((played.history.event_time[big]) // DAY_MS, return_counts=True)[1]
    assert pricey.suspended_days == int((busy >= 20).sum())
    assert pricey.decided == int(np.minimum(busy, 20).sum())
    assert found.each[3].all.hits == 0  # nobody scored the table

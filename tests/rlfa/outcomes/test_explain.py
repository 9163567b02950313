"""A past decision comes out again to the same score, or the command says that it doesn't."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from msgspec.structs import replace
from rich.console import Console
from safetensors.torch import load, save
from typer.testing import CliRunner, Result

from agents.errors import WeightsError
from agents.weights import WEIGHTS
from rlfa.cli import app
from rlfa.cli.explain import explain_again
from rlfa.cli.train import learn
from rlfa.config import Service, load_service
from rlfa.free_agency.events import EpochChanged
from rlfa.hosts.scoring import InlineHost
from rlfa.lanes.intake import Absorbed, intake_of
from rlfa.lanes.step import decision_rows, judge
from rlfa.lineup.actions import ACTIONS, combine, mean_logit
from rlfa.lineup.budget import AlertRules, Ration
from rlfa.lineup.exploration import ExplorationRules, explore
from rlfa.lineup.plan import read_plan
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import DAY_MS, Day, Epoch, EventTime, Lineup, Trial
from rlfa.lineup.voting import Rows
from rlfa.lineup.voting import drawn as drawn_for_trial
from rlfa.lineup.wording import Wording
from rlfa.outcomes import journal, log
from rlfa.outcomes.audit import audit_of, decode, encode, speaking
from rlfa.outcomes.journal import Columns, DecisionRows, Journal, LabelRows
from rlfa.outcomes.kept import ExplainError, Kept, find
from rlfa.rewards.money import Costs
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from streams.codec import Transactions
from streams.keys import entity_key
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from tests.end_to_end.services import CONFIG, SPEC

ROWS = 50
DECIDED = Day(20_000)  # long before the simulator's days


def configured(folder: Path) -> Service:
    blanks = dict.fromkeys(("root", "kafka", "lanes"), "")
    text = CONFIG.format(name="explain", servers="127.0.0.1:1", partitions=1, remote="[]", **blanks)
    (folder / "rlfa.toml").write_text(text)
    (folder / "stream.toml").write_text(SPEC)
    return load_service(folder / "rlfa.toml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service whose lineup has decided on a day that is closed, and on the day after that is not."""
    folder = tmp_path_factory.mktemp("explain")
    service = configured(folder)
    torch.set_num_threads(1)
    learn(service, chunks(Simulator(demo_scenario().scaled(600), seed=3), 0, 12), Console(quiet=True))
    decide_days(service)
    return folder


@pytest.fixture
def service(made: Path, tmp_path: Path) -> Service:
    """A copy that a test may break."""
    shutil.copytree(made, tmp_path / "copy")
    return load_service(tmp_path / "copy" / "rlfa.toml")


def decide_days(service: Service) -> None:
    """What a lane journals, from features of the history."""
    names = intake_of(service).feature_names
    plan = read_plan(service.lineup_file)
    history = log.load_training([log.path_of(service.outcomes, log.closed_days(service.outcomes)[0])])
    x = np.stack([history.features[: 2 * ROWS, history.feature_names.index(n)] for n in names], axis=1)
    host = InlineHost(names)
    host.load(plan.refs)
    logits = host.score(plan.lineup.agents, x)
    logits[0, 1] = np.nan  # an agent that was away for one decision
    score, degraded = combine(logits, np.array([s.weight for s in plan.lineup.slots]))
    ids = [f"tx-{i}" for i in range(2 * ROWS)]
    hashes = np.array([entity_key(i) for i in ids], np.uint64)
    actions, amounts = np.full(2 * ROWS, ACTIONS.index("review"), np.int8), np.full(2 * ROWS, 12.5)
    actions[::2] = ACTIONS.index("decline")
    taken = explore(actions, amounts, hashes, ExplorationRules(share=0.3), 0.9)
    over = np.arange(2 * ROWS) % 8 == OVER
    floor = np.where(over, score.astype(np.float32) + 0.25, score.astype(np.float32) * 0.5)
    floor[2 * ROWS - OVER] = np.inf
    over[2 * ROWS - OVER] = True
    rows = Journal(service.journals / "lane-0")
    rows.set_columns(Columns(names, tuple(service.spec.entities), tuple(plan.lineup.agents)))
    rows.append_decisions(
        DecisionRows(
            tx_id=ids,
            tx_hash=hashes,
            partition=np.zeros(2 * ROWS, np.int32),
            offset=np.arange(2 * ROWS, dtype=np.int64),
            event_time=DECIDED * DAY_MS + np.repeat([0, DAY_MS], ROWS) + np.arange(2 * ROWS),
            amount=amounts,
            entities=np.ones((2 * ROWS, len(service.spec.entities)), np.uint64),
            features=x,
            logits=logits,
            voted=np.isfinite(logits),
            score=score.astype(np.float32),
            action=np.where(over, np.int8(0), taken.action),
            propensity=taken.propensity,
            explored=taken.explored,
            covered=taken.covered,
            floor=floor,
            over_budget=over,
            degraded=degraded,
            rules=np.empty((2 * ROWS, 0), np.int8),
            epoch=1,
            audit=recorded(service, plan.lineup, host, x, logits),
        )
    )
    rows.close()
    log.close_day(service.journals, service.outcomes, DECIDED, 0)


AUDITED, FORGED = 7, 15


def recorded(service: Service, lineup: Lineup, host: InlineHost, x: np.ndarray, logits: np.ndarray) -> list[str | None]:
    """The reasons of two rows as a lane records them, one of them with a contribution that nobody computed."""
    kept: list[str | None] = [None] * len(x)
    mean = mean_logit(logits, np.array([s.weight for s in lineup.slots]))
    found, names = speaking(np.arange(3), lineup, host, x), intake_of(service).feature_names
    for i in (AUDITED, FORGED):
        kept[i] = encode(audit_of(found, x, i, float(mean[i]), names, Wording.of(service.spec), {}))
    told = decode(str(kept[FORGED]))
    first, *others = told.reasons
    kept[FORGED] = encode(replace(told, reasons=(replace(first, contribution=first.contribution + 0.1), *others)))
    return kept


OVER = 5  # of every eight rows the one that the alert budget leaves out
TRIED = Epoch(2)
SHARE = 0.4


def decide_on_trial(service: Service) -> Lineup:
    """An epoch in which the agent of slot c is tried in slot a, and slot b plays a segment; what a lane journals."""
    names = intake_of(service).feature_names
    plan = read_plan(service.lineup_file)
    a, b, c = plan.lineup.slots
    lineup = Lineup(
        epoch=TRIED,
        slots=(a, replace(b, segment='channel == "ecom"')),
        trials=(Trial(slot=a.id, agent=c.incumbent, share=SHARE),),
    )
    changed = EpochChanged(day=DECIDED, epoch=TRIED, reason="a trial", slots=lineup.slots, trials=lineup.trials)
    store = Store.open(service.database)
    with store.transaction() as session:
        state = Ledger(session).last_state()
        assert state is not None
        Ledger(session).append(entries_of([changed], state, at=EventTime(0), recorded_at=0))
    store.close()
    history = log.load_training([log.path_of(service.outcomes, log.closed_days(service.outcomes)[0])])
    x = np.stack([history.features[:ROWS, history.feature_names.index(n)] for n in names], axis=1)
    ids = [f"trial-{i}" for i in range(ROWS)]
    rows = Rows(
        tx_hash=np.array([entity_key(i) for i in ids], np.uint64),
        event_time=(DECIDED + 2) * DAY_MS + np.arange(ROWS),
        amount=np.full(ROWS, 12.5),
        features=x,
        fields=fields_of(service.spec, names),
    )
    host = InlineHost(names)
    host.load(plan.refs)
    judged = judge(rows, lineup, host, Costs(), ExplorationRules(), Ration(AlertRules()))
    lane = Journal(service.journals / "lane-0")
    lane.set_columns(Columns(names, tuple(service.spec.entities), tuple(lineup.agents)))
    transactions = Transactions(
        tx_id=ids,
        tx_hash=rows.tx_hash,
        key=[b""] * ROWS,
        event_time=rows.event_time,
        amount=rows.amount,
        entities=np.ones((ROWS, len(service.spec.entities)), np.uint64),
        categorical={},
        numeric={},
        partition=np.zeros(ROWS, np.int32),
        offset=np.arange(ROWS, dtype=np.int64),
    )
    none = np.zeros(0, np.int64)
    labels = LabelRows(none.astype(np.uint64), none, none.astype(np.bool_), [])
    lane.append_decisions(decision_rows(Absorbed(transactions, x, labels, []), judged, lineup))
    lane.close()
    return lineup


def run(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments, "--config", f"{service.root}/rlfa.toml"])


@pytest.mark.parametrize(("row", "place"), [(7, "outcome log"), (ROWS + 7, "journal")])
def test_a_decision_comes_out_again(service: Service, row: int, place: str) -> None:
    found = explain_again(service, f"tx-{row}", None)
    assert found.kept_in == place
    assert found.agrees
    assert found.largest_difference <= 1e-6
    assert (found.action, found.epoch, found.amount) == ("review", 1, 12.5)
    refs = {ref.id: ref.checksum for ref in read_plan(service.lineup_file).refs}
    assert {v.agent: v.checksum for v in found.votes} == refs
    assert all(v.trained_from < v.trained_to for v in found.votes)


def test_reasons_and_gates_that_were_sent_come_out_again(service: Service) -> None:
    found = explain_again(service, f"tx-{AUDITED}", None)
    assert found.audit_repeats
    assert found.audit.logit == pytest.approx(np.log(found.score / (1 - found.score)), abs=1e-5)
    assert found.audit.gates.keys() == {v.agent for v in found.votes}
    assert all(sum(gate.weights) == pytest.approx(1.0) for gate in found.audit.gates.values())
    shown = run(service, f"tx-{AUDITED}").output
    assert "a typical genuine payment" in shown
    assert found.audit.reasons[0].text in shown
    assert "spoke; the gate's weights" in shown
    assert "reasons as sent: they repeat" in shown


def test_reasons_that_nobody_computed_are_found_out(service: Service) -> None:
    found, shown = explain_again(service, f"tx-{FORGED}", None), run(service, f"tx-{FORGED}")
    assert (found.audit_repeats, found.agrees) == (False, False)
    assert found.agreement != "differs", "the score does come out again"
    assert "reasons as sent: THEY COME OUT DIFFERENTLY" in shown.output
    assert shown.exit_code == 1


def test_an_approved_payment_is_reasoned_about_when_asked(service: Service) -> None:
    found = explain_again(service, "tx-6", None)
    assert found.audit_repeats is None
    assert found.audit.logit == pytest.approx(np.log(found.score / (1 - found.score)), abs=1e-5)


def drawn(service: Service, action: str) -> int:
    """The first of the closed day's even rows, all would-be declines, on which this was done."""
    table = pq.read_table(log.path_of(service.outcomes, DECIDED)).sort_by("event_time")
    actions = table["action"].to_pylist()
    return next(i for i in range(0, ROWS, 2) if actions[i] == ACTIONS.index(action))


def test_the_draw_of_exploration_comes_out_again(service: Service) -> None:
    passed = explain_again(service, f"tx-{drawn(service, 'approve')}", None)
    assert (passed.action, passed.propensity, passed.explored, passed.explored_again) == ("approve", 0.3, True, True)
    declined = explain_again(service, f"tx-{drawn(service, 'decline')}", None)
    assert (declined.propensity, declined.explored, declined.explored_again) == (0.7, False, False)
    assert passed.agrees
    assert declined.agrees
    undrawn = explain_again(service, "tx-7", None)
    assert (undrawn.propensity, undrawn.explored, undrawn.explored_again) == (1.0, False, None)


def test_the_command_says_that_a_decline_passed_and_with_what_propensity(service: Service) -> None:
    result = run(service, f"tx-{drawn(service, 'approve')}")
    assert "exploration: a would-be decline that passed, propensity 0.3; the draw repeats" in result.stdout


def test_a_draw_that_comes_out_differently_does_not_agree(service: Service) -> None:
    settings = Path(service.root) / "rlfa.toml"
    text = settings.read_text().replace("[free_agency.exploration]", "[free_agency.exploration]\nseed = {}")
    rows = [f"tx-{i}" for i in range(0, ROWS, 2)]
    settings.write_text(text.format(1))
    found = [explain_again(load_service(settings), tx, None) for tx in rows[:8]]
    assert {e.agreement == "differs" for e in found if e.explored_again != e.explored} == {True}


def test_what_the_alert_budget_left_out_comes_out_again(service: Service) -> None:
    left_out, raised, late = (explain_again(service, f"tx-{i}", None) for i in (OVER, 7, 2 * ROWS - OVER))
    assert left_out.budget is not None
    assert raised.budget is not None
    assert late.budget is not None
    assert (left_out.action, left_out.budget.over, left_out.budget.over_again) == ("approve", True, True)
    assert left_out.budget.worth == left_out.score
    assert left_out.budget.floor == pytest.approx(left_out.score + 0.25)
    assert (raised.action, raised.budget.over, raised.budget.over_again) == ("review", False, False)
    assert (late.budget.stopped, late.budget.floor, late.budget.over_again) == (True, None, True)
    assert all(e.agrees for e in (left_out, raised, late))
    assert "alert budget: worth" in run(service, f"tx-{OVER}").stdout
    assert "the hard stop of the day" in run(service, f"tx-{2 * ROWS - OVER}").stdout


def test_a_floor_that_does_not_make_the_decision_does_not_agree(service: Service) -> None:
    found = find(service.journals, service.outcomes, f"tx-{OVER}")
    forged = Kept(row={**found.row, "floor": 0.0}, kept_in="journal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlfa.cli.explain.find", lambda *_: forged)
        assert explain_again(service, f"tx-{OVER}", None).agreement == "differs"


def test_an_agent_that_was_away_stays_away(service: Service) -> None:
    found = explain_again(service, "tx-0", None)
    assert found.agrees
    assert found.degraded
    assert [v.score is None for v in found.votes] == [False, True, False]
    assert found.votes[1].score_again is None


def test_a_trial_and_a_segment_vote_again_as_they_did(service: Service) -> None:
    lineup = decide_on_trial(service)
    (trial,) = lineup.trials
    explained = [explain_again(service, f"trial-{i}", None) for i in range(ROWS)]
    assert all(e.agrees and not e.degraded and e.epoch == TRIED for e in explained)
    by_tx = {e.tx_id: [v.agent for v in e.votes] for e in explained}
    for tx_id, agents in by_tx.items():
        mine = drawn_for_trial(trial, np.array([entity_key(tx_id)], np.uint64))[0]
        assert agents[0] == (trial.agent if mine else lineup.incumbents[0])
        assert agents[1:] in ([], [lineup.incumbents[1]])
    assert {len(agents) for agents in by_tx.values()} == {1, 2}
    assert {agents[0] for agents in by_tx.values()} == {trial.agent, lineup.incumbents[0]}


def test_a_vote_that_the_lineup_does_not_give_does_not_agree(service: Service) -> None:
    (trial,) = decide_on_trial(service).trials
    rest = next(
        i for i in range(ROWS) if not drawn_for_trial(trial, np.array([entity_key(f"trial-{i}")], np.uint64))[0]
    )
    found = find(service.journals, service.outcomes, f"trial-{rest}")
    forged = Kept(row={**found.row, f"{log.VOTED}{trial.agent}": True}, kept_in="journal")
    assert found.voted < forged.voted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlfa.cli.explain.find", lambda *_: forged)
        assert explain_again(service, f"trial-{rest}", None).agreement == "differs"


def test_the_command_prints_it_and_ends_well(service: Service) -> None:
    result = run(service, "tx-3", "--day", "2024-10-04")
    assert result.exit_code == 0
    for part in ("tx-3 at 2024-10-04", "review at score", "in epoch 1", "label: genuine", "computed again:"):
        assert part in result.stdout
    assert '"agreement":"' in run(service, "tx-3", "--json").stdout


def test_a_log_that_was_changed_afterwards_does_not_agree(service: Service) -> None:
    for path in (service.journals / "lane-0").glob("decisions/20001/*.arrow"):
        table = next(journal.read(service.journals, journal.DECISIONS, 20_001))
        names = Columns.of(table.schema)
        lane = Journal(service.journals / "lane-1")
        lane.set_columns(names)
        wide = {
            n: np.array(table[n].to_pylist(), t)
            for n, t in (
                ("features", np.float32),
                ("logits", np.float32),
                ("voted", np.bool_),
                ("entities", np.uint64),
                ("rules", np.int8),
            )
        }
        narrow = {
            n: table[n].to_numpy(zero_copy_only=False)
            for n in ("tx_hash", "partition", "offset", "event_time", "amount", "action", "propensity", "explored",
                      "covered", "floor", "over_budget", "degraded")
        }  # fmt: skip
        forged = table["score"].to_numpy() * np.float32(0.99)
        lane.append_decisions(DecisionRows(tx_id=table["tx_id"].to_pylist(), score=forged, epoch=1, **narrow, **wide))
        lane.close()
        assert path.exists()
    result = run(service, f"tx-{ROWS + 7}")
    assert result.exit_code == 1
    assert "differs, largest difference" in result.stdout


def test_weights_that_were_changed_afterwards_are_refused(service: Service, made: Path) -> None:
    agent = explain_again(service, "tx-3", None).votes[0].agent
    path = made / "state" / "agents" / agent / WEIGHTS  # where the store says that they lie
    before = path.read_bytes()
    tensors = load(before)
    path.write_bytes(save({**tensors, "calibration.smooth": tensors["calibration.smooth"] * 2}))
    try:
        with pytest.raises(WeightsError, match="found checksum"):
            explain_again(service, "tx-3", None)
    finally:
        path.write_bytes(before)


def test_a_day_hint_opens_no_other_day(service: Service) -> None:
    assert find(service.journals, service.outcomes, "tx-3", DECIDED).kept_in == "outcome log"
    with pytest.raises(ExplainError, match="found no decision on 2024-10-05"):
        find(service.journals, service.outcomes, "tx-3", Day(DECIDED + 1))


def test_an_unknown_id_is_one_clear_line(service: Service) -> None:
    with pytest.raises(ExplainError, match="allowed: an id within the log's retention"):
        explain_again(service, "tx-nobody", None)


def test_history_was_decided_by_nobody(service: Service) -> None:
    path = log.path_of(service.outcomes, log.closed_days(service.outcomes)[-1])
    tx_id = pq.read_table(path, columns=["tx_id"])["tx_id"][0].as_py()
    with pytest.raises(ExplainError, match="history that nobody decided on"):
        explain_again(service, tx_id, None)

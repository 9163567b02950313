"""The first day after training keeps to the alert budget, by a floor from history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from rlfa.cli.train import learn
from rlfa.config import Service, load_service
from rlfa.hosts.scoring import InlineHost
from rlfa.lineup.actions import combine
from rlfa.lineup.plan import Plan, read_plan
from rlfa.lineup.segments import fields_of
from rlfa.outcomes import log
from rlfa.outcomes.as_decided import feature_names, rows_in
from rlfa.rules.loading import load_rules
from rlfa.trainers.first_floors import floors_of_history
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from tests.end_to_end.services import CONFIG, SPEC

BUDGET = 3


RULES = """
[[rules]]
name = "nights"
action = "review"
when = "is_night == 1 and amount > 1"
[[rules]]
name = "small"
action = "allow"
when = "amount < 20"
"""


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Service, Plan]:
    folder, blanks = tmp_path_factory.mktemp("floors"), dict.fromkeys(("root", "kafka", "lanes"), "")
    text = CONFIG.format(name="floors", servers="127.0.0.1:1", partitions=1, remote="[]", **blanks)
    costs = f"\n[free_agency.costs]\nalert_budget_per_day = {BUDGET}\nfalse_positive = 0.01\nreview = 0.01\n"
    (folder / "rlfa.toml").write_text(text + costs)
    (folder / "stream.toml").write_text(SPEC)
    service = load_service(folder / "rlfa.toml")
    torch.set_num_threads(1)
    return service, learn(service, chunks(Simulator(demo_scenario().scaled(600), seed=3), 0, 12), Console(quiet=True))


def test_the_lineup_begins_with_the_floor_of_its_own_scores_on_closed_days(taught: tuple[Service, Plan]) -> None:
    service, plan = taught
    closed = log.closed_days(service.outcomes)
    days = floors_of_history(service, closed, plan.lineup, plan.refs)
    assert [d.day for d in days] == closed[-7:]
    assert {d.agents for d in days} == {plan.lineup.incumbents}
    values = [d.value for d in days if d.value is not None]
    assert len(values) == len(days)
    (floor,) = read_plan(service.lineup_file).lineup.floors
    assert floor.value == pytest.approx(np.sort(values)[(len(values) - 1) // 2])
    assert floor.from_day > closed[-1]


def test_what_rules_decide_is_not_the_lineups_and_their_reviews_use_up_the_budget(
    taught: tuple[Service, Plan], tmp_path: Path
) -> None:
    service, plan = taught
    (tmp_path / "rules.toml").write_text(RULES)
    rules, day = load_rules(service, tmp_path / "rules.toml"), log.closed_days(service.outcomes)[-1]
    (without,) = floors_of_history(service, [day], plan.lineup, plan.refs)
    (found,) = floors_of_history(service, [day], plan.lineup, plan.refs, rules)
    table = pq.read_table(log.path_of(service.outcomes, day))
    rows = rows_in(table, fields_of(service.spec, feature_names(table)))
    host = InlineHost(rows.fields.names)
    host.load(plan.refs)
    score, _ = combine(host.score(plan.lineup.agents, rows.features), np.ones(3) / 3)
    night = rows.features[:, rows.fields.names.index("is_night")] == 1
    mine = ~night & (rows.amount >= 20)
    assert (night & (rows.amount > 1)).sum() >= BUDGET, "so one alert is left"
    second, best = np.sort(score[mine])[-2:]
    assert found.value == pytest.approx((second + best) / 2.0)
    assert found.value != without.value

"""The first day after training keeps to the alert budget, by a floor from history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from rlfa.cli.train import learn
from rlfa.config import load_service
from rlfa.lineup.plan import read_plan
from rlfa.outcomes import log
from rlfa.trainers.first_floors import floors_of_history
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from tests.end_to_end.services import CONFIG, SPEC

BUDGET = 3


def test_the_lineup_begins_with_the_floor_of_its_own_scores_on_closed_days(tmp_path: Path) -> None:
    blanks = dict.fromkeys(("root", "kafka", "lanes"), "")
    text = CONFIG.format(name="floors", servers="127.0.0.1:1", partitions=1, remote="[]", **blanks)
    costs = f"\n[free_agency.costs]\nalert_budget_per_day = {BUDGET}\nfalse_positive = 0.01\nreview = 0.01\n"
    (tmp_path / "rlfa.toml").write_text(text + costs)
    (tmp_path / "stream.toml").write_text(SPEC)
    service = load_service(tmp_path / "rlfa.toml")
    torch.set_num_threads(1)
    plan = learn(service, chunks(Simulator(demo_scenario().scaled(600), seed=3), 0, 12), Console(quiet=True))
    closed = log.closed_days(service.outcomes)
    days = floors_of_history(service, closed, plan.lineup, plan.refs)
    assert [d.day for d in days] == closed[-7:]
    assert {d.agents for d in days} == {plan.lineup.incumbents}
    values = [d.value for d in days if d.value is not None]
    assert len(values) == len(days)
    (floor,) = read_plan(service.lineup_file).lineup.floors
    assert floor.value == pytest.approx(np.sort(values)[(len(values) - 1) // 2])
    assert floor.from_day > closed[-1]

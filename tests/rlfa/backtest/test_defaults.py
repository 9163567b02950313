"""Settings that come from the table itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlfa.backtest.defaults import default_settings
from rlfa.config import parse_settings
from rlfa.lineup.slots import DAY_MS, Day
from streams.history import FRAUD
from streams.spec import parse_spec
from tests.rlfa.backtest.histories import SPEC, service_in, simulated


def test_settings_without_any_are_valid_and_take_their_sizes_from_the_days_before_play(tmp_path: Path) -> None:
    history = simulated(service_in(tmp_path), 10, customers=300)
    spec, days = parse_spec(SPEC, "spec"), history.event_time // DAY_MS
    first = Day(int(days[0]) + 6)
    settings = parse_settings(default_settings(history, spec, first), "text")
    before = days < first
    frauds, rows = (history.label[before] == FRAUD).sum() / 6, before.sum() / 6
    wanted = np.clip(2 * frauds, 0.005 * rows, 0.2 * rows)
    assert settings.free_agency.costs.alert_budget_per_day == max(round(float(wanted)), 1)
    assert settings.free_agency.renewal.every_days == 7
    assert settings.free_agency.costs.prevented_share == 0.9
    assert set(settings.slots.values()) == set(settings.genomes)


def test_costs_are_parts_of_one_fraud_where_there_is_no_amount(tmp_path: Path) -> None:
    history = simulated(service_in(tmp_path), 8, customers=200)
    spec = parse_spec(SPEC.replace('amount = "amount"', 'amount = ""'), "spec")
    first = Day(int(history.event_time[0]) // DAY_MS + 5)
    costs = parse_settings(default_settings(history, spec, first), "text").free_agency.costs
    assert costs.review < costs.false_positive < costs.prevented_share == 1.0


def test_networks_play_where_lightgbm_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlfa.backtest.baseline.is_installed", lambda: False)
    history = simulated(service_in(tmp_path), 8, customers=200)
    first = Day(int(history.event_time[0]) // DAY_MS + 5)
    settings = parse_settings(default_settings(history, parse_spec(SPEC, "spec"), first), "text")
    assert "trees" not in {genome.expert for genome in settings.genomes.values()}

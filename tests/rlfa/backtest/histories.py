"""Simulated histories, and services that play them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from rlfa.config import Service, load_service
from streams.history import History
from streams.synthetic import Simulator, demo_scenario
from streams.tables import history_of

SPEC = (Path(__file__).parents[3] / "streams" / "synthetic" / "simulator.toml").read_text()
CONFIG = """
log_level = "error"
[slots]
a = "small"
b = "linear"
[genomes.small]
experts = 2
hidden = 8
epochs_max = 3
genuine_per_fraud = 5
[genomes.linear]
expert = "logistic"
experts = 2
epochs_max = 3
genuine_per_fraud = 5
[trainers]
gate_days = 1
[free_agency.exploration]
declined_labels = "all"
"""
EXPLORING = CONFIG.replace(
    'declined_labels = "all"\n',
    """share = 0.25
share_min = 0.25
amount_max = 400.0
loss_max = 1_000.0
[free_agency.costs]
alert_budget_per_day = 60
false_positive = 1.0
""",
)


def service_in(folder: Path, config: str = CONFIG, spec: str = SPEC) -> Service:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rlfa.toml").write_text(config)
    (folder / "stream.toml").write_text(spec)
    return load_service(folder / "rlfa.toml")


def simulated(service: Service, days: int, *, customers: int = 400, seed: int = 3) -> History:
    """Days of the simulator's stream, each label known when the simulator says."""
    simulator = Simulator(demo_scenario().scaled(customers), seed=seed)
    return from_days(service, simulator, days)


def from_days(service: Service, simulator: Simulator, days: int) -> History:
    parts = list(simulator.days(0, days))
    history = history_of(pa.Table.from_batches([p.transactions for p in parts]), service.spec, "is_fraud")
    labels = pa.Table.from_batches([p.labels for p in parts])
    known = dict(zip(labels["tx_id"].to_pylist(), labels["event_time"].to_pylist(), strict=True))
    never = np.iinfo(np.int64).max
    times = np.array([known.get(tx_id, never) for tx_id in history.tx_id], np.int64)
    columns = {f: getattr(history, f) for f in History.__dataclass_fields__}
    return History(**{**columns, "label_time": times})

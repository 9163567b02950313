"""A service with a few closed days to train on, and the incumbent that it began with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from rlfa.config import Service, load_service
from rlfa.hosts.scoring import AgentRef
from rlfa.lineup.slots import DAY_MS, Day, SlotId
from rlfa.outcomes import log
from rlfa.trainers.orders import Order
from rlfa.trainers.training import keep, train_on

CONFIG = """
[trainers]
gate_days = 2
{trainers}
[free_agency.costs]
alert_budget_per_day = 15
[genomes.small]
expert = "logistic"
experts = 2
epochs_max = 1
genuine_per_fraud = 5
refit = false
[genomes.fast]
expert = "logistic"
experts = 2
epochs_max = 6
batch = 128
learning_rate = 0.02
averaging = 0.9
genuine_per_fraud = 5
[genomes.other]
expert = "logistic"
experts = 2
epochs_max = 1
seed = 9
"""
STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


def service(folder: Path, trainers: str = "") -> Service:
    (folder / "rlfa.toml").write_text(CONFIG.format(trainers=trainers))
    (folder / "stream.toml").write_text(STREAM)
    return load_service(folder / "rlfa.toml")


def live(outcomes: Path, days: Sequence[int], *, sign: float = 1.0, rows: int = 400, features: int = 4) -> None:
    """Write closed days: one in twenty is fraud, where the first feature times `sign` is large."""
    for day in days:
        rng = np.random.default_rng(day)
        x = rng.normal(size=(rows, features)).astype(np.float32)
        fraud = np.argsort(np.argsort(sign * x[:, 0] + 0.3 * rng.normal(size=rows))) >= rows - rows // 20
        table = {"label": fraud, "event_time": day * DAY_MS + np.arange(rows), "amount": np.full(rows, 50.0)}
        named = {f"{log.FEATURE}f{j}": x[:, j] for j in range(features)}
        log.write_day(pa.table({**table, **named}), outcomes, Day(day))


def incumbent(of: Service, days: Sequence[int], family: str = "small") -> AgentRef:
    agent = train_on(
        of.outcomes, [Day(d) for d in days], of.settings.genomes[family], frozenset(), of.settings.free_agency.costs
    )
    return keep(agent, of.agents)


def order(of: Service, against: AgentRef, days: Sequence[int], family: str = "small") -> Order:
    return Order(
        request="main/9/0",
        slot=SlotId("main"),
        family=family,
        genome=of.settings.genomes[family],
        incumbent=against,
        days=tuple(Day(d) for d in days),
    )

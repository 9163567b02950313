"""RLFA on a stream: the backtest's engine plays it, with real trainings, the gate, the ledger and free agency.

The engine gets the features that the rivals get, as fields of the stream. What it makes of the time by itself is
blanked where the rivals lack it, and the one window that it has to compute is among theirs.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from agents.genome import Genome
from agents.training import train
from benchmarks.drift.history import History
from benchmarks.drift.measures import COSTS
from benchmarks.drift.rivals import GENUINE_PER_FRAUD
from rlfa import backtest
from rlfa.config import Service
from rlfa.free_agency.rules import FreeAgencyRules, ProbationRules, RenewalRules, ScoutRules, SwapLimits
from rlfa.lineup.exploration import ExplorationRules
from rlfa.lineup.slots import Day
from rlfa.settings import Settings, TrainerSettings
from streams.codec import raw_feature_names
from streams.features.spec import WindowSpec
from streams.history import History as Past
from streams.spec import StreamSpec

DAY_MS = 86_400_000
TREES = Genome(
    expert="trees", experts=2, memory=0.5, rounds=100, leaves=31, shrinkage=0.08, feature_share=0.7,
    genuine_per_fraud=GENUINE_PER_FRAUD, epochs_max=3,
)  # fmt: skip
GENOMES = {
    "trees": TREES,
    "small_trees": msgspec.structs.replace(
        TREES, experts=1, rounds=160, leaves=12, shrinkage=0.06, feature_share=0.4, leaf_rows_min=40, seed=1
    ),
    "memories": msgspec.structs.replace(TREES, experts=3, memory=0.25, rounds=60, leaves=16, seed=3),
    "mlp": Genome(genuine_per_fraud=GENUINE_PER_FRAUD, epochs_max=8, seed=2),
}
COUNTED = {"swaps": "Promoted", "renewals": "Renewed", "rollbacks": "RolledBack", "trainings": "TrainingRequested"}
FEW = 32  # codes of a field that trees split better as numbers than by each code's share of fraud
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """How we play: slots with the family of their first agents, and every how many days they are renewed."""

    slots: tuple[str, ...] = ("trees", "small_trees", "mlp")
    renew_days: int = 2


def play(history: History, lineup: Lineup, seed: int) -> tuple[Scores, dict[str, int]]:
    """Scores of every scored day, float64[n] with NaN before; and what free agency did.

    Args:
        history: the stream.
        lineup: how we play.
        seed: of the genomes.
    """
    with tempfile.TemporaryDirectory() as folder:
        service = Service(settings=_settings(history, lineup, seed), spec=_spec(history), root=folder)
        first = Day(int(history.event_time[history.rows(history.first_day).start]) // DAY_MS)
        played = backtest.run(service, _past(history, service.spec), first)
    if played.refused:
        raise ValueError(f"{history.name}: found refused rows {played.refused}, allowed: none")
    score = np.full(len(history.day), np.nan)
    score[played.rows] = played.score
    kinds = Counter(entry.kind for entry in played.entries)
    return score, {name: kinds[kind] for name, kind in COUNTED.items()}


def fixed(history: History, slots: tuple[str, ...], seed: int) -> Scores:
    """Scores of the same first agents without free agency: the weights are even and nobody is ever trained again.

    Args:
        history: the stream.
        slots: families of the agents.
        seed: of the genomes.
    """
    known, many = history.known(history.first_day), _many(history)
    logits = np.full((len(slots), len(history.day)), np.nan)
    rows = history.scored
    for k, name in enumerate(slots):
        agent = train(
            _genome(name, seed), history.x[known], history.fraud[known], history.event_time[known],
            feature_names=history.names, categorical=frozenset(many), threads=1,
        )  # fmt: skip
        logits[k, rows] = agent.logits(history.x[rows])
    score: Scores = 1.0 / (1.0 + np.exp(-logits.mean(axis=0)))
    return score


def _genome(name: str, seed: int) -> Genome:
    return replace(GENOMES[name], seed=GENOMES[name].seed + 10 * seed)


def _many(history: History) -> tuple[str, ...]:
    return tuple(n for n in history.categorical if len(np.unique(history.x[:, history.names.index(n)])) > FEW)


def _settings(history: History, lineup: Lineup, seed: int) -> Settings:
    return Settings(
        free_agency=FreeAgencyRules(
            costs=replace(COSTS, alert_budget_per_day=history.budget),
            probation=ProbationRules(frauds_min=20, rows_min=1000),
            scout=ScoutRules(gate_margin=0.2),
            swaps=SwapLimits(bench_days=1),
            renewal=RenewalRules(every_days=lineup.renew_days),
            exploration=ExplorationRules(declined_labels="all"),
        ),
        trainers=TrainerSettings(window_days=history.window_days, gate_days=1, refit=True),
        genomes={name: _genome(name, seed) for name in GENOMES},
        slots={f"slot_{name}": name for name in lineup.slots},
    )


def _spec(history: History) -> StreamSpec:
    many = _many(history)
    entities = tuple(history.entities)
    own = f"{entities[0]}_count_1d"  # of the primary entity, whole in a sample too: the engine's is the same
    names = tuple(n for n in history.names if n not in {"amount", "hour", own, *many})
    return StreamSpec(
        tx_id="tx_id",
        event_time="event_time",
        amount="amount",
        entities={name: name for name in entities},
        categorical=many,
        numeric=names,
        ahead_max="365d",
        windows=WindowSpec(
            windows=("1d",),
            label_delay=f"{history.delay_days}d" if history.delay_days else "1s",
            entities={name: ("count",) if name == entities[0] else () for name in entities},
        ),
    )


def _past(history: History, spec: StreamSpec) -> Past:
    columns = dict.fromkeys(("hour", "is_weekend", "is_night"), np.zeros(len(history.day), np.float32))
    columns |= {name: history.x[:, j] for j, name in enumerate(history.names)}
    columns["amount"] = history.amount.astype(np.float32)
    return Past(
        tx_id=[str(i) for i in range(len(history.day))],
        tx_hash=np.arange(1, len(history.day) + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15),
        event_time=history.event_time,
        amount=history.amount,
        entities=np.column_stack(list(history.entities.values())),
        raw=np.column_stack([columns[name] for name in raw_feature_names(spec)]).astype(np.float32),
        label=history.fraud.astype(np.int8),
        label_time=history.event_time + history.delay_days * DAY_MS,
    )

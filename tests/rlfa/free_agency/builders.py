"""Cohorts, rules and states with defaults, small enough to run by the hundred."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from rlfa.free_agency.drift import DriftSign
from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.rules import FreeAgencyRules, ProbationRules, ScoutRules, SwapLimits, WatchRules
from rlfa.free_agency.state import ManagerState, Probation
from rlfa.lineup.hedge import HedgeRules
from rlfa.lineup.segments import Fields, inside
from rlfa.lineup.slots import DAY_MS, AgentId, Day, Slot, SlotId
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.scored import ScoredDay
from rlfa.rewards.money import Costs

FIRST_DAY = Day(100)
AMOUNT = Fields(("amount",), frozenset())


def probation(under: FreeAgencyRules | None = None, **changes: object) -> Probation:
    under = under or FreeAgencyRules()
    fields = {
        "challenger": AgentId("new"),
        "family": "moe",
        "incumbent": AgentId("old"),
        "first_full_day": FIRST_DAY,
    }
    return Probation(**{**fields, "rules": under.probation, "costs": under.costs, **changes})


def rules(**parts: object) -> FreeAgencyRules:
    """Minima so low that a few cohorts of a few dozen rows decide something."""
    defaults = {
        "costs": Costs(alert_budget_per_day=6),
        "watch": WatchRules(rows_min=1, frauds_min=3, baseline_cohorts=2, patience=2, half_life=2),
        "probation": ProbationRules(alpha=0.2, frauds_min=5, rows_min=50, days_min=2, frauds_max=60, days_max=12),
        "scout": ScoutRules(cooldown_days=1, training_days_max=3, pool_days_max=5),
        "swaps": SwapLimits(days_between=1, bench_days=2),
        "hedge": HedgeRules(eta=0.0, share=0.0),  # epochs are swaps, unless a test asks for weights
    }
    return FreeAgencyRules(**{**defaults, **parts})


def cohort(
    day: int,
    skills: Mapping[str, float],
    *,
    seed: int = 0,
    rows: int = 60,
    frauds: int = 5,
    missing: float = 0.0,
    silent: Collection[str] = (),
    segments: Collection[str] = (),
) -> Cohort:
    """A day on which an agent's logits are its skill for frauds, plus noise that the agents share in part.

    Args:
        day: of the cohort.
        skills: per agent; 0 knows nothing, 4 knows nearly all.
        seed: of the noise.
        rows: transactions.
        frauds: of them, each of another customer.
        missing: share of rows that every agent but the first gives no score for.
        silent: agents without any score.
        segments: over `amount`, which some slots play.
    """
    rng = np.random.default_rng([day, seed])
    fraud = np.zeros(rows, np.bool_)
    fraud[rng.choice(rows, frauds, replace=False)] = True
    shared = rng.normal(size=rows)
    logits = {}
    for i, (agent, skill) in enumerate(skills.items()):
        x = (skill * fraud + 0.8 * shared + 0.6 * rng.normal(size=rows)).astype(np.float32)
        gone = 1.0 if agent in silent else missing * (i > 0)
        logits[AgentId(agent)] = np.where(rng.random(rows) < gone, np.float32(np.nan), x)
    tx_hash = rng.permutation(rows).astype(np.uint64) + np.uint64(1)
    event_time = day * DAY_MS + rng.integers(0, DAY_MS, rows)
    amount = rng.lognormal(4, 1, rows)
    return Cohort(
        day=Day(day),
        tx_hash=tx_hash,
        event_time=event_time,
        amount=amount,
        fraud=fraud,
        entities={"customer": np.arange(1, rows + 1, dtype=np.uint64) + np.uint64(day * rows)},
        logits=logits,
        score=np.zeros(rows),
        stopped=np.zeros(rows, np.bool_),
        segments={s: inside(s, amount[:, None].astype(np.float32), AMOUNT) for s in segments},
    )


def scored(day: Cohort, loud: Collection[str] = ()) -> ScoredDay:
    """A day before its labels: few alerts by expected cost, except from agents that are loud."""
    logits = {a: x - np.float32(0.0 if a in loud else 6.0) for a, x in day.logits.items()}
    return ScoredDay(day=day.day, amount=day.amount, logits=logits, segments=day.segments)


def shuffled(day: Cohort, seed: int) -> Cohort:
    """The same rows in another order."""
    order = np.random.default_rng(seed).permutation(len(day))
    return Cohort(
        day=day.day,
        tx_hash=day.tx_hash[order],
        event_time=day.event_time[order],
        amount=day.amount[order],
        fraud=day.fraud[order],
        entities={n: e[order] for n, e in day.entities.items()},
        logits={a: x[order] for a, x in day.logits.items()},
        score=day.score[order],
        stopped=day.stopped[order],
        segments={s: mask[order] for s, mask in day.segments.items()},
    )


def first_state(slots: int = 2) -> ManagerState:
    seats = [Slot(id=SlotId(f"s{i}"), incumbent=AgentId(f"a{i}")) for i in range(slots)]
    return initial_state(seats, {s.incumbent: "moe" for s in seats}, FIRST_DAY, seed=7)[0]


def drifted(day: int, **changes: object) -> DriftSign:
    """A sign that has lasted."""
    fields = {"through": Day(day), "shift": 2.0, "alarms": 3, "lasted": True, "psi": 0.3, "psi_limit": 0.02}
    last = {"features": (), "reference_from": FIRST_DAY, "reference_to": Day(FIRST_DAY + 27)}
    return DriftSign(**{**fields, **last, **changes})

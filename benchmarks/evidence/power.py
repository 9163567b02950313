"""Parts B and C: how soon a challenger that is better is promoted, and how the others end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.evidence.kernels import NEVER, frauds_until_promoted
from benchmarks.evidence.nulls import DELAY_DAYS, REPORT_DAYS
from benchmarks.evidence.rule import IS_FRAUD, PROMOTE, VALUES, Outcomes, full_rule, log_e, one_fraud_a_look
from benchmarks.evidence.type_one import ALPHA, PLAIN_DAYS, Z_BOUND
from rlfa.free_agency.evalue import BETS, WEIGHTS
from rlfa.free_agency.rules import ProbationRules

PER_DAY = 5_000
FALSE_ALARMS = 1e-3  # genuine transactions that one of the two agents alone stops, for each of them
POWER_MAX = 0.90  # beyond it a fixed-horizon test is held to this power only, which asks less of it
EFFECTS = {  # shares of frauds that only the challenger, only the incumbent catches
    "60 → 65 %": (0.10, 0.05),
    "60 → 70 %": (0.15, 0.05),
    "60 → 80 %": (0.25, 0.05),
    "75 → 88 %": (0.17, 0.04),
    "40 → 75 %": (0.38, 0.03),
}
FRAUD_RATES = (0.001, 0.003, 0.01, 0.03)


@dataclass(frozen=True, slots=True)
class Cell:
    """One real difference on one stream.

    Attributes:
        won: share of frauds that only the challenger catches.
        lost: share that only the incumbent catches.
        fraud_rate: compromised cards per transaction.
    """

    won: float
    lost: float
    fraud_rate: float

    @property
    def chances(self) -> NDArray[np.float64]:
        """float64[5], per transaction, of an observation of each of VALUES."""
        tied = 1 - self.won - self.lost
        return np.array([*(self.fraud_rate * np.array([self.won, self.lost, tied])), FALSE_ALARMS, FALSE_ALARMS])


@dataclass(frozen=True, slots=True)
class Waits:
    """What promotion cost in each stream; infinite where it never came.

    Attributes:
        frauds: float64[s], closed and seen by the test.
        rows: float64[s], transactions.
        days: float64[s], from the first transaction to the decision, the label delay included.
    """

    frauds: NDArray[np.float64]
    rows: NDArray[np.float64]
    days: NDArray[np.float64]

    @property
    def never(self) -> float:
        """Share of streams without a promotion."""
        return float(np.isinf(self.frauds).mean())


def days_of(cell: Cell, streams: int, rules: ProbationRules, rng: np.random.Generator) -> NDArray[np.int64]:
    """int[s, days_max, 5], observations up to each cohort."""
    counts = rng.poisson(cell.chances * PER_DAY, (streams, rules.days_max, len(VALUES)))
    return counts.cumsum(axis=1)


def waits(
    cell: Cell, streams: int, rules: ProbationRules, rng: np.random.Generator
) -> tuple[dict[str, Waits], Outcomes]:
    """Every method on one cell; those that look at cohorts see the same ones."""
    seen = days_of(cell, streams, rules, rng)
    days = np.arange(1, rules.days_max + 1)
    rows = days * PER_DAY
    frauds = seen[..., IS_FRAUD].sum(axis=-1)
    within = (frauds <= rules.frauds_max) | (days <= rules.days_min)
    outcomes = full_rule(seen, rows, days, rules)
    promoted = np.zeros(within.shape, np.bool_)
    promoted[np.arange(streams), outcomes.look] = outcomes.verdict == PROMOTE
    daily = within & (z_values(seen, rows) >= Z_BOUND)
    plain = np.zeros(within.shape, np.bool_)
    plain[:, PLAIN_DAYS - 1] = seen[:, PLAIN_DAYS - 1] @ VALUES > 0
    horizon = int(np.ceil(fixed_frauds(cell, POWER_MAX) / cell.fraud_rate / PER_DAY))
    return {
        "ours": _first(promoted, frauds, DELAY_DAYS),
        "plain threshold, 14 days": _first(plain, frauds, DELAY_DAYS),
        "z, each day": _first(daily, frauds, DELAY_DAYS),
        "fixed horizon for power .9": _at_horizon(cell, streams, horizon, rng),
        "ours, by label arrival": _by_arrival(cell, streams, rules, rng),
    }, outcomes


def z_values(seen: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The z-value at each look; 0 before the first observation."""
    total, squares = seen @ VALUES, seen @ VALUES**2
    spread = np.sqrt(np.maximum(squares - total**2 / rows, 0.0))
    return np.divide(total, spread, out=np.zeros_like(total), where=spread > 0)


def fixed_frauds(cell: Cell, power: float, alpha: float = ALPHA) -> float:
    """Frauds that a one-sided z-test needs, looked at once: `((z_a·s0 + z_b·s1)/mean)²` rows.

    s0 is the standard deviation of d where the agents are equal and differ as often, s1 with the real difference.
    """
    mean = cell.chances @ VALUES
    square = cell.chances @ VALUES**2
    rows = ((norm.ppf(1 - alpha) * np.sqrt(square) + norm.ppf(power) * np.sqrt(square - mean**2)) / mean) ** 2
    return float(max(rows, 0.0) * cell.fraud_rate)


def fixed_share(cell: Cell, frauds: float, streams: int, rng: np.random.Generator) -> float:
    """Share of streams that a z-test, looked at once after so many frauds' worth of rows, promotes."""
    rows = int(np.ceil(frauds / cell.fraud_rate))
    counts = rng.poisson(cell.chances * rows, (streams, len(VALUES)))
    return float((z_values(counts, np.array(rows)) >= Z_BOUND).mean())


def row_by_row(cell: Cell, streams: int, frauds_max: int, rng: np.random.Generator) -> tuple[Waits, Waits]:
    """Ours and the z-test looked at after every transaction, without minimums and futility."""
    bets, weights = np.array(BETS), np.array(WEIGHTS)
    found = np.array(
        [
            frauds_until_promoted(rng, cell.chances, VALUES, bets, weights, 1 / ALPHA, Z_BOUND, frauds_max)
            for _ in range(streams)
        ],
        np.float64,
    )
    found[found == NEVER] = np.inf
    days = np.ceil(found[:, [1, 3]] / PER_DAY) + DELAY_DAYS
    return Waits(found[:, 0], found[:, 1], days[:, 0]), Waits(found[:, 2], found[:, 3], days[:, 1])


def same_power_frauds(cell: Cell, power: float, rules: ProbationRules) -> tuple[float, float]:
    """What a fixed-horizon test of this power needs, at most of POWER_MAX.

    Returns:
        Frauds by the formula, and those of the whole cohorts that a service waits for under the same minimums.
    """
    exact = fixed_frauds(cell, min(max(power, ALPHA), POWER_MAX))
    a_day = cell.fraud_rate * PER_DAY
    cohorts = max(np.ceil(max(exact, rules.frauds_min) / a_day), np.ceil(rules.rows_min / PER_DAY), rules.days_min)
    return exact, float(cohorts * a_day)


def ends(won: float, lost: float, streams: int, rng: np.random.Generator, chunk: int = 500) -> Outcomes:
    """Part C in the reference's setting: one look per fraud, and no minimum or limit but of frauds."""
    rules = ProbationRules()
    looks = np.ones(rules.frauds_max, np.int64)
    parts = [
        full_rule(
            one_fraud_a_look(rng, min(chunk, streams - begin), rules.frauds_max, won, lost),
            rules.rows_min * looks,
            rules.days_min * looks,
            rules,
        )
        for begin in range(0, streams, chunk)
    ]
    return Outcomes(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("verdict", "look", "frauds")))


def _first(promoted: NDArray[np.bool_], frauds: NDArray[np.int64], delay_days: int) -> Waits:
    """The first look at which a test promotes."""
    ever, look = promoted.any(axis=1), promoted.argmax(axis=1)
    used = np.where(ever, frauds[np.arange(len(frauds)), look], np.inf)
    cohorts = np.where(ever, look + 1.0, np.inf)
    return Waits(used, cohorts * PER_DAY, cohorts + delay_days)


def _at_horizon(cell: Cell, streams: int, cohorts: int, rng: np.random.Generator) -> Waits:
    counts = rng.poisson(cell.chances * PER_DAY * cohorts, (streams, len(VALUES)))
    promoted = z_values(counts, np.array(cohorts * PER_DAY)) >= Z_BOUND
    frauds = np.where(promoted, counts[:, IS_FRAUD].sum(axis=1), np.inf)
    n = np.where(promoted, float(cohorts), np.inf)
    return Waits(frauds, n * PER_DAY, n + DELAY_DAYS)


def _by_arrival(cell: Cell, streams: int, rules: ProbationRules, rng: np.random.Generator) -> Waits:
    """Our test fed with labels as they come: frauds after days, "genuine" only when the delay has passed."""
    day = np.arange(rules.days_max + DELAY_DAYS + 1.0)
    reported = day - REPORT_DAYS * -np.expm1(-day / REPORT_DAYS)  # days' worth of frauds known by then
    matured = np.maximum(day - DELAY_DAYS, 0.0)
    worth = np.diff(np.where(IS_FRAUD, reported[:, None], matured[:, None]), axis=0)
    seen = rng.poisson(cell.chances * PER_DAY * worth, (streams, *worth.shape)).cumsum(axis=1)
    frauds = seen[..., IS_FRAUD].sum(axis=-1)
    enough = (frauds >= rules.frauds_min) & (frauds <= rules.frauds_max)
    return _first(enough & (log_e(seen, VALUES) >= np.log(1 / rules.alpha)), frauds, 0)

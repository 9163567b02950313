"""The promotion rule for thousands of probations at once; a test holds it equal to `rlfa.free_agency`.

With the count loss an observation has one of few values, so that how often each came up is all there is to know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlfa.free_agency.evalue import BETS, WEIGHTS
from rlfa.free_agency.rules import ProbationRules

KAPPA = 0.02
VALUES = np.array([1.0, -1.0, 0.0, KAPPA, -KAPPA])  # won, lost and tied frauds; false alarms of one agent only
IS_FRAUD = np.array([True, True, True, False, False])
WAIT, PROMOTE, WORSE, FUTILE, LIMIT = range(5)
VERDICTS = ("wait", "promote", "worse", "futile", "limit")
_LOG_WEIGHTS = np.log(WEIGHTS)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How probations ended.

    Attributes:
        verdict: int[s], one of the constants above; WAIT where the looks ran out.
        look: int[s], the index of the look at which they ended.
        frauds: int[s], seen by then.
    """

    verdict: NDArray[np.int64]
    look: NDArray[np.int64]
    frauds: NDArray[np.int64]


def log_e(counts: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log e-value after observations of few distinct values.

    Args:
        counts: int[..., v], how often each value came up.
        values: float64[v].

    Returns:
        float64[...].
    """
    logs = counts @ np.log1p(np.outer(values, BETS)) + _LOG_WEIGHTS
    top = logs.max(axis=-1)
    return top + np.log(np.exp(logs - top[..., None]).sum(axis=-1))


def full_rule(
    seen: NDArray[np.int64], rows: NDArray[np.int64], days: NDArray[np.int64], rules: ProbationRules
) -> Outcomes:
    """Minimums, promotion, worse, futility and limits, in the order of `probation.verdict`.

    Args:
        seen: int[s, looks, 5], observations of each of VALUES up to each look.
        rows: int[looks], transactions by then.
        days: int[looks], cohorts by then.
        rules: of the probation.
    """
    frauds = seen[..., IS_FRAUD].sum(axis=-1)
    enough = (frauds >= rules.frauds_min) & (rows >= rules.rows_min) & (days >= rules.days_min)
    margin = np.where(IS_FRAUD, rules.gain_min, 0.0)
    promote = enough & (log_e(seen, VALUES) >= np.log(1 / rules.alpha))
    worse = enough & (log_e(seen, -VALUES) >= np.log(rules.worse_at))
    futile = enough & (log_e(seen, margin - VALUES) >= np.log(rules.futile_at))
    limit = (enough & (frauds >= rules.frauds_max)) | (days >= rules.days_max)
    verdict = np.select([promote, worse, futile, limit], [PROMOTE, WORSE, FUTILE, LIMIT], WAIT)
    ended = verdict != WAIT
    look = np.where(ended.any(axis=1), ended.argmax(axis=1), seen.shape[1] - 1)
    who = np.arange(len(seen))
    return Outcomes(verdict[who, look], look, frauds[who, look])


def one_fraud_a_look(rng: np.random.Generator, streams: int, frauds: int, won: float, lost: float) -> NDArray[np.int64]:
    """int[s, frauds, 5], what was seen after each fraud; nobody raises a false alarm."""
    u = rng.random((streams, frauds))
    kinds = np.zeros((streams, frauds, len(VALUES)), np.int64)
    kinds[..., 0], kinds[..., 1] = u < won, (u >= won) & (u < won + lost)
    kinds[..., 2] = 1 - kinds[..., 0] - kinds[..., 1]
    return kinds.cumsum(axis=1)

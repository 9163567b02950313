"""The alarm after a swap: a sequential change detector for "the newcomer is worse than the agent on the bench".

`SR_j ← (SR_j + 1)·Π_i(1 + λ_j·g_i)`, once per closed cohort, mixed over the grid of bets. While the newcomer isn't
worse, an alarm at `SR >= c` takes c cohorts or more on average, whatever the distribution of the losses. Unlike an
e-value it never pays for its past: a newcomer that was better for a year and then fails is caught as fast.

Source: Shin, Ramdas, Rinaldo 2022, "E-detectors: a nonparametric framework for sequential change detection".
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from rlfa.free_agency.evalue import BETS, add_bets, bounded, log_mixture


class ESR(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Shiryaev-Roberts sum of each bet, as a logarithm."""

    logs: tuple[float, ...] = (0.0,) * len(BETS)
    """Mean nothing before the first cohort, when every sum is 0."""
    cohorts: int = 0

    @property
    def log_sr(self) -> float:
        """Natural logarithm of the detector; -inf before the first cohort."""
        return log_mixture(self.logs) if self.cohorts else -math.inf


def esr_step(state: ESR, differences: NDArray[np.float64]) -> ESR:
    """Take one closed cohort; one without an observation counts too.

    Args:
        state: after the last cohort.
        differences: float64[m] in [-1, 1], positive where the newcomer did worse.

    Raises:
        EvidenceError: a difference isn't a number from -1 to 1.
    """
    begun = tuple(float(np.logaddexp(x, 0.0)) for x in state.logs) if state.cohorts else (0.0,) * len(BETS)
    return ESR(add_bets(begun, bounded(differences)), state.cohorts + 1)

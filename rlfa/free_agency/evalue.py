"""The anytime-valid test: a fixed grid of constant bets on paired losses, kept as logs.

`E = Σ_j w_j·Π_i(1 + λ_j·d_i)` depends on the set of observations only, so that their order, their batches and
a restart in between change nothing. Under "the challenger is not better" it exceeds 1/alpha with probability
alpha at most, at whatever moment one looks (Ville's inequality), also when the truth drifts.

Source: betting wealth after Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting",
JRSS-B 2024; the running-mean null after Choe & Ramdas, "Comparing sequential forecasters", Operations
Research 2024.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from rlfa.errors import QUOTED, NotAllowedError

BETS = (0.8, 0.4, 0.2, 0.1, 0.05)
WEIGHTS = (0.2, 0.3, 0.25, 0.15, 0.1)
_NOTHING = (0.0,) * len(BETS)


class EvidenceError(NotAllowedError):
    """Observations that no bet may be placed on."""

    template = QUOTED


class EValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Log wealth of each bet, for three questions asked of the same observations."""

    up: tuple[float, ...] = _NOTHING
    """Is the challenger better?"""
    down: tuple[float, ...] = _NOTHING
    """Is it worse?"""
    futility: tuple[float, ...] = _NOTHING
    """Does it lack the gain that a swap is worth?"""

    @property
    def log_up(self) -> float:
        """Natural logarithm of the e-value for "better"."""
        return log_mixture(self.up)

    @property
    def log_down(self) -> float:
        """Natural logarithm of the e-value for "worse"."""
        return log_mixture(self.down)

    @property
    def log_futility(self) -> float:
        """Natural logarithm of the e-value for "not better by the margin"."""
        return log_mixture(self.futility)


def bet(before: EValue, difference: NDArray[np.float64], margin: NDArray[np.float64] | float = 0.0) -> EValue:
    """Place every bet of the grid on more observations.

    Args:
        before: what the earlier observations made.
        difference: float64[m] in [-1, 1], positive where the challenger did better.
        margin: float64[m] or one number in [0, 1], the gain that the futility test asks for.

    Raises:
        EvidenceError: a difference isn't a number from -1 to 1.
    """
    d = bounded(difference)
    return EValue(add_bets(before.up, d), add_bets(before.down, -d), add_bets(before.futility, margin - d))


def bounded(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """The observations, float64[m], once all of them are known to lie in [-1, 1].

    Raises:
        EvidenceError: one isn't a number from -1 to 1.
    """
    d = np.asarray(difference, np.float64)
    if not (np.abs(d) <= 1.0).all():
        raise EvidenceError("paired loss", d[~(np.abs(d) <= 1.0)][0].item(), "a number from -1 to 1")
    return d


def log_mixture(log_wealth: tuple[float, ...]) -> float:
    """`ln Σ w_j·exp(L_j)` without overflow: a product of many bets has no float, its logarithm has."""
    top = max(log_wealth)
    return top + math.log(sum(w * math.exp(x - top) for w, x in zip(WEIGHTS, log_wealth, strict=True)))


def add_bets(log_wealth: tuple[float, ...], gains: NDArray[np.float64]) -> tuple[float, ...]:
    """Log wealth of each bet of the grid after float64[m] more gains, each of at least -1."""
    ordered = np.sort(gains)  # the sum's last digits must not depend on the order of rows
    return tuple(x + float(np.log1p(b * ordered).sum()) for x, b in zip(log_wealth, BETS, strict=True))

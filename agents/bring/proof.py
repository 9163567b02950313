"""The proof that an agent is the model it was made from: both score the same rows, hard ones among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agents.bring.brought import TOLERANCE
from agents.bring.errors import BringError
from agents.bring.rows import Features

ROWS = 2000  # compared, of each kind
Probabilities = Callable[[Features], NDArray[np.float64]]


def refuse_apart(where: str, theirs: Probabilities, ours: Probabilities, x: Features) -> bool:
    """Compare on the rows as they are, with values missing, and with values that nobody has seen.

    Args:
        where: the model.
        theirs: float64[n] probabilities from the library; raises ValueError or TypeError on rows that it refuses.
        ours: the same from the agent.
        x: float32[n, d], rows that the model takes.

    Returns:
        Whether the model takes missing values.

    Raises:
        BringError: they are further apart than the tolerance, or a score isn't a probability.
    """
    rng = np.random.default_rng(0)
    some = x[rng.permutation(len(x))[:ROWS]]
    _refuse_apart(f"{where} on its own rows", theirs(some), ours(some))
    takes_missing = True
    for kind, rows in (("missing", _with_missing(some, rng)), ("unseen", _unseen(some, rng))):
        try:
            wanted = theirs(rows)
        except (ValueError, TypeError):
            takes_missing = takes_missing and kind != "missing"
        else:
            _refuse_apart(f"{where} on rows with {kind} values", wanted, ours(rows))
    return takes_missing


def _refuse_apart(where: str, theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> None:
    if theirs.shape != ours.shape or not (np.isfinite(theirs) & (theirs >= 0) & (theirs <= 1)).all():
        raise BringError(where, "scores that are no probabilities", "one number between 0 and 1 for each row")
    apart = float(np.abs(theirs - ours).max()) if np.isfinite(ours).all() else float("inf")
    if apart > TOLERANCE:
        raise BringError(where, f"scores {apart:.2g} apart from the model's", f"at most {TOLERANCE:g}")


def _with_missing(x: Features, rng: np.random.Generator) -> Features:
    return np.where(rng.random(x.shape) < 0.2, np.float32(np.nan), x)


def _unseen(x: Features, rng: np.random.Generator) -> Features:
    """Values beyond those of a column, and columns in combinations that never came together."""
    mixed = np.column_stack([rng.permutation(x[:, j]) for j in range(x.shape[1])])
    top = np.nanmax(np.where(np.isfinite(x), x, 0.0), axis=0)
    return np.where(rng.random(x.shape) < 0.2, top + rng.integers(1, 50, x.shape), mixed).astype(np.float32)

"""The rows that come with a model from outside: what it was trained on, and what its scores are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.bring.errors import BringError

Features = NDArray[np.float32]  # [n, d]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Transactions as a trainer of the service sees them.

    Attributes:
        features: float32[n, d]; NaN is missing, 0 in a category's column.
        fraud: bool[n].
        event_time: int64[n], ms UTC.
        feature_names: of the d columns, as the stream calls them.

    Raises:
        BringError: no row, or columns that don't fit.
    """

    features: Features
    fraud: NDArray[np.bool_]
    event_time: NDArray[np.int64]
    feature_names: Sequence[str]

    def __post_init__(self) -> None:
        n, d = len(self.fraud), len(self.feature_names)
        shapes = (self.features.shape, self.fraud.shape, self.event_time.shape)
        if n == 0 or shapes != ((n, d), (n,), (n,)):
            raise BringError("rows", f"shapes {shapes}", f"at least one row, {d} columns as named, all of one length")


def refuse_other_names(where: str, names: Sequence[str] | None, rows: Rows) -> None:
    """Compare the names that a model knows its columns by with those of the rows.

    Args:
        where: the model.
        names: that it knows; None where it knows none.
        rows: with the stream's names.

    Raises:
        BringError: another number of columns, other names, or another order.
    """
    wanted = list(rows.feature_names)
    if names is None or list(names) == wanted:
        return
    here = zip(names, wanted, strict=False)
    apart = next(((j, a, b) for j, (a, b) in enumerate(here) if a != b), None)
    found = f"column {apart[0]} called {apart[1]!r}" if apart else f"{len(names)} columns"
    allowed = repr(apart[2]) if apart else f"the {len(wanted)} of the rows"
    raise BringError(f"{where} features", found, allowed)

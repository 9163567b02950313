"""Payments as columns, before they get ids and names: what habits and campaigns both make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

AMOUNT_MIN, AMOUNT_MAX = 0.1, 20_000.0
GENUINE = -1  # the campaign of a genuine payment

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Payments:
    """`n` payments; arrays over n."""

    time: Longs  # ms since the scenario's first midnight
    customer: Ints
    card: Ints  # number of the card in the portfolio
    terminal: Ints
    device: Longs  # number of the device, under 10^10
    amount: Floats  # not yet rounded
    campaign: NDArray[np.int16]  # number of the campaign in the scenario, GENUINE for none

    def __len__(self) -> int:
        """How many there are."""
        return len(self.time)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Payments:
        """Some of the payments: row numbers or a mask."""
        return Payments(*(getattr(self, field.name)[rows] for field in fields(self)))


def joined(parts: Sequence[Payments]) -> Payments:
    """All the parts, one after another; at least one."""
    if len(parts) == 1:
        return parts[0]
    columns = (np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Payments))
    return Payments(*columns)


def cents(amount: Floats) -> Floats:
    """Amounts in bounds with two decimals."""
    rounded: Floats = amount.clip(AMOUNT_MIN, AMOUNT_MAX).round(2)
    return rounded

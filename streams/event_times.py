"""Event times as records have them, to milliseconds UTC: one by one with their errors, and whole columns without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = 0
MAX = 2**53  # up to here float64 has every whole number
UNITS = {"ms": 1.0, "s": 1000.0, "us": 0.001}


class EventTimes:
    """Reads the times of a stream.

    Args:
        unit: "ms", "s" or "us" since 1970, or "iso8601".
    """

    def __init__(self, unit: str) -> None:
        self._factor = UNITS.get(unit)

    def one(self, value: Any) -> int:
        """A number or a text to ms UTC.

        Raises:
            ValueError: it is no time.
            OverflowError: it is too large for one.
        """
        return iso_ms(value) if self._factor is None else math.floor(value * self._factor)

    def all(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """A column to int64[n], ms UTC; `NONE`, less or `MAX` where `one` has more to say."""
        if self._factor is None:
            return np.array([_iso_ms_or_none(text) for text in values], np.int64)
        try:
            times = np.array(values, np.float64)
        except OverflowError:
            times = np.array([min(max(value, -1), MAX) for value in values], np.float64)
        return np.clip(np.floor(times * self._factor), -1, MAX).astype(np.int64)


def iso_ms(text: str) -> int:
    """ISO 8601 to ms UTC; without a zone it is UTC.

    Raises:
        ValueError: it is no time.
    """
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _iso_ms_or_none(text: str) -> int:
    try:
        return iso_ms(text)
    except (ValueError, OverflowError):
        return NONE

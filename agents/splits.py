"""A window cut in time: rows to learn from, and later ones to stop, calibrate and judge by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cut_at(event_time: NDArray[np.int64], y: NDArray[np.bool_], share: float) -> int:
    """Event time from which rows are for validation; never so late or early that one side has no fraud."""
    first, last = int(event_time.min()), int(event_time.max())
    cut = last - int((last - first) * share)
    frauds = np.sort(event_time[y])
    if len(frauds) < 2 or frauds[0] == frauds[-1]:
        return cut if (event_time < cut).any() and y[event_time < cut].any() else last + 1
    return int(np.clip(cut, frauds[0] + 1, frauds[-1]))


def halves(
    late: NDArray[np.bool_], event_time: NDArray[np.int64], y: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The older and the newer half of the frauds of the newest rows, with the genuine rows of the same times."""
    frauds = np.sort(event_time[late & y])
    middle = frauds[len(frauds) // 2] if len(frauds) else np.iinfo(np.int64).max
    return late & (event_time < middle), late & (event_time >= middle)

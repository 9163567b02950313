"""Features of the whole history, computed ahead in a second thread: they don't depend on who decides."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rlfa.config import Service
from rlfa.lanes.intake import DUPLICATE, Intake, intake_of
from rlfa.lanes.watermarks import OK, TOO_FAR_AHEAD, TOO_OLD
from rlfa.shards.shard import Arrived
from streams.codec import Labels
from streams.dead_letters import DUPLICATE_ID, EVENT_TIME_TOO_FAR_AHEAD, EVENT_TIME_TOO_OLD
from streams.history import FRAUD, History
from streams.kafka.source import Record

CHUNK = 16_384
REASONS = {TOO_OLD: EVENT_TIME_TOO_OLD, TOO_FAR_AHEAD: EVENT_TIME_TOO_FAR_AHEAD, DUPLICATE: DUPLICATE_ID}
_NO_RECORD = Record("", 0, 0, 0, None, None)


class FeaturesAhead:
    """The feature matrix of a history, filled from its first row on.

    Args:
        service: with the stream spec.
        history: n rows.

    Attributes:
        names: of the d features.
        x: float32[n, d]; a row is whole once `wait_for` has returned, and NaN where it was refused.
        verdict: uint8[n], `OK` or why a lane would have refused the row.
    """

    def __init__(self, service: Service, history: History) -> None:
        self._history = history
        self._intake = intake_of(service)
        self._intake.queue.add(*_labels(history))
        self.names = self._intake.feature_names
        self.x = np.full((len(history), len(self.names)), np.nan, np.float32)
        self.verdict = np.zeros(len(history), np.uint8)
        self._thread = ThreadPoolExecutor(1)
        begins = range(0, len(history), CHUNK)
        self._chunks: list[Future[None]] = [self._thread.submit(self._take, begin) for begin in begins]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)

    @property
    def intake(self) -> Intake:
        """The windows and watermarks after the last row, once every row has been waited for."""
        return self._intake

    def wait_for(self, end: int) -> None:
        """Until the rows before `end` are there."""
        if end:
            self._chunks[(end - 1) // CHUNK].result()

    def taken(self, begin: int, end: int) -> NDArray[np.intp]:
        """The rows of a range that a lane would have taken, ascending; waits for them."""
        self.wait_for(end)
        return begin + np.flatnonzero(self.verdict[begin:end] == OK)

    def refused(self) -> dict[str, int]:
        """How many rows were refused, by reason."""
        counts = {reason: int((self.verdict == code).sum()) for code, reason in REASONS.items()}
        return {reason: count for reason, count in counts.items() if count}

    def _take(self, begin: int) -> None:
        rows, past = slice(begin, min(begin + CHUNK, len(self._history))), self._history
        place = np.zeros(rows.stop - begin, np.int32), np.arange(begin, rows.stop)
        arrived = Arrived(*place, past.tx_hash[rows], past.event_time[rows], past.amount[rows], past.entities[rows])
        taken = self._intake.take(arrived)
        width = past.raw.shape[1]
        self.x[rows, :width] = past.raw[rows]
        self.x[begin + taken.kept, width:] = taken.windows
        self.verdict[rows] = taken.verdict


def _labels(history: History) -> tuple[Labels, list[Record]]:
    """The frauds' labels as the labels topic would have brought them, and records that nobody will look at."""
    rows = np.flatnonzero(history.label == FRAUD)
    return Labels(
        tx_id=[],
        tx_hash=history.tx_hash[rows],
        event_time=history.label_time[rows],
        is_fraud=np.ones(len(rows), np.bool_),
        source=[],
        partition=np.zeros(len(rows), np.int32),
        offset=np.arange(len(rows)),
    ), [_NO_RECORD] * len(rows)

"""Event time per partition: how far it has come, and which records are too late or too far ahead for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

OK, TOO_OLD, TOO_FAR_AHEAD = 0, 1, 2


@dataclass(slots=True)
class Watermarks:
    """The largest event time accepted so far, per partition.

    A record behind its partition's watermark by more than `lateness_max_ms` has no place in windows and cohorts any
    more; one ahead by more than `ahead_max_ms` would carry the watermark away from everything that follows it.

    Args:
        lateness_max_ms: allowed lag behind the watermark.
        ahead_max_ms: allowed jump ahead of it.
    """

    lateness_max_ms: int
    ahead_max_ms: int
    by_partition: dict[int, int] = field(default_factory=dict)

    def admit(self, partition: NDArray[np.int32], event_time: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Verdict uint8[n] per record in arrival order (`OK`, `TOO_OLD`, `TOO_FAR_AHEAD`), advancing the watermarks.

        Records are judged one after another, so the batching doesn't matter.
        """
        verdict = np.zeros(len(event_time), np.uint8)
        for p in np.unique(partition):
            mine = partition == p
            verdict[mine] = self._admit_one(int(p), event_time[mine])
        return verdict

    def newest(self) -> int | None:
        """The largest watermark of all partitions, ms UTC; None before the first record."""
        return max(self.by_partition.values(), default=None)

    def _admit_one(self, partition: int, times: NDArray[np.int64]) -> NDArray[np.uint8]:
        start = self.by_partition.get(partition, int(times[0]))
        running = np.maximum.accumulate(np.maximum(times, start))
        all_near = times.min() >= running[-1] - self.lateness_max_ms and running[-1] <= start + self.ahead_max_ms
        if all_near:
            self.by_partition[partition] = int(running[-1])
            return np.zeros(len(times), np.uint8)
        return self._admit_one_by_one(partition, start, times)

    def _admit_one_by_one(self, partition: int, start: int, times: NDArray[np.int64]) -> NDArray[np.uint8]:
        verdict = np.zeros(len(times), np.uint8)
        mark = start
        for i, time in enumerate(times.tolist()):
            if time > mark + self.ahead_max_ms:
                verdict[i] = TOO_FAR_AHEAD
            elif time < mark - self.lateness_max_ms:
                verdict[i] = TOO_OLD
            else:
                mark = max(mark, time)
        self.by_partition[partition] = mark
        return verdict

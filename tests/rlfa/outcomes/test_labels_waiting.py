"""What waiting labels take is known at any time, so that a lane can stop reading them."""

from __future__ import annotations

import numpy as np

from rlfa.outcomes.labels import OVERHEAD_BYTES, LabelQueue
from streams.codec import Labels
from streams.kafka.source import Record

RECORD = Record("labels", 0, 0, 0, b"key", b"value")
EACH = OVERHEAD_BYTES + 8


def labels(times: list[int]) -> Labels:
    n = len(times)
    return Labels(
        tx_id=[f"t{i}" for i in range(n)],
        tx_hash=np.arange(n, dtype=np.uint64),
        event_time=np.array(times, np.int64),
        is_fraud=np.ones(n, np.bool_),
        source=["analyst"] * n,
        partition=np.zeros(n, np.int32),
        offset=np.arange(n, dtype=np.int64),
    )


def test_bytes_follow_labels_in_and_out() -> None:
    queue = LabelQueue(patience_ms=100)
    queue.add(labels([10, 20, 30]), [RECORD] * 3)
    assert queue.bytes == 3 * EACH
    due = queue.due({0: 20})
    assert (len(due), queue.bytes) == (2, EACH)
    assert queue.unmatched(due, {0: 115}) == due[:1]  # the other's transaction may still come
    assert queue.bytes == 2 * EACH == len(queue) * EACH
    queue.drained()
    assert queue.bytes == 0

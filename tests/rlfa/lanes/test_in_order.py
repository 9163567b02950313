"""Records in order: where batches end changes no feature, and neither does who keeps the windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rlfa.lanes.intake import Intake
from rlfa.shards.local import LocalPort
from rlfa.shards.shard import Order, Shard
from rlfa.shards.split import lane_state, shard_state
from rlfa.shards.windows import SharedWindows
from streams.kafka.source import Record
from streams.kafka.timeline import Timeline
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from tests.rlfa.lanes.builders import STREAM, new_intake, records_of

DAYS = 12
RANKS = {"labels": 0, "transactions": 1}


@pytest.fixture(scope="module")
def stream() -> list[Record]:
    """Transactions and the labels that come to them within the days, each in the partition of its kind."""
    found: list[Record] = []
    simulator = Simulator(demo_scenario().scaled(150), seed=3)
    for chunk in chunks(simulator, 0, DAYS):
        for topic, messages in (("transactions", chunk.transactions), ("labels", chunk.labels)):
            found += records_of(topic, messages, sum(record.topic == topic for record in found))
    assert any(record.topic == "labels" for record in found)
    return found


def shared_intake(shards: int) -> Intake:
    shared = SharedWindows(STREAM, [LocalPort(Shard(shard_state(STREAM))) for _ in range(shards)])
    shared.open()
    made = new_intake()
    return Intake(
        spec=STREAM,
        transactions=made.transactions,
        labels=made.labels,
        state=lane_state(STREAM),
        watermarks=made.watermarks,
        queue=made.queue,
        shared=shared,
    )


def features(stream: list[Record], intake: Intake, size: int) -> dict[str, NDArray[np.float32]]:
    """By transaction, taken in batches of so many records of both kinds."""
    places = [("labels", 0), ("transactions", 0)]
    timeline, found = Timeline(RANKS, places), dict[str, NDArray[np.float32]]()
    timeline.offer(stream)
    while len(timeline):
        taken = timeline.take(places, size)
        is_label = taken.moments[:, 1] == RANKS["labels"]
        of = {kind: [r for r in taken.records if r.topic == kind] for kind in RANKS}
        order = Order(0, taken.moments[~is_label], taken.moments[is_label], taken.until)
        absorbed = intake.absorb(of["transactions"], of["labels"], order=order)
        assert absorbed.dead == []
        found |= dict(zip(absorbed.transactions.tx_id, absorbed.features, strict=True))
    return found


def test_batches_and_shards_change_no_feature(stream: list[Record]) -> None:
    expected = features(stream, new_intake(), 10_000)
    names = new_intake().feature_names
    shares = [i for i, name in enumerate(names) if name.startswith("terminal_fraud_share")]
    assert max(row[shares].max() for row in expected.values()) > 0
    for intake, size in ((new_intake(), 97), (shared_intake(2), 10_000), (shared_intake(3), 61)):
        found = features(stream, intake, size)
        assert found.keys() == expected.keys()
        for tx, row in expected.items():
            np.testing.assert_array_equal(found[tx], row)

"""History before the stream: what a lane starts with."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rlfa.config import load_service
from rlfa.lanes.intake import intake_of
from rlfa.outcomes.history import absorb_history
from streams.features.snapshot import load_snapshot
from streams.kafka.source import Record
from tests.end_to_end.services import SPEC

NOON_MS = 20_089 * 86_400_000 + 43_200_000


def at(day: float) -> int:
    return NOON_MS + int(day * 86_400_000)


def record(topic: str, offset: int, fields: dict[str, object]) -> Record:
    return Record(
        topic=topic, partition=0, offset=offset, timestamp=at(30), key=b"c", value=msgspec.json.encode(fields)
    )


def payment(offset: int, day: float) -> Record:
    fields = {"tx_id": f"tx-{offset}", "event_time": at(day), "amount": 10.0, "currency": "EUR", "category": "food"}
    return record(
        "transactions",
        offset,
        {**fields, "channel": "pos", "country": "DE", "customer_id": f"c{offset}", "terminal_id": "t"},
    )


def test_labels_known_after_the_last_transaction_reach_the_windows_that_a_lane_starts_with(tmp_path: Path) -> None:
    (tmp_path / "rlfa.toml").write_text('stream = "stream.toml"\n')
    (tmp_path / "stream.toml").write_text(SPEC)
    service = load_service(tmp_path / "rlfa.toml")
    label = record("labels", 0, {"tx_id": "tx-0", "is_fraud": True, "event_time": at(3.2), "source": "chargeback"})
    history = [payment(i, day) for i, day in enumerate((0.0, 0.9, 1.8, 2.7))]
    assert absorb_history(service, [(history, [label])], partitions=1) == len(history)
    intake = intake_of(service)
    load_snapshot(service.snapshot(0), intake.state)
    absorbed = intake.absorb([payment(4, 4.5)], [])
    share = intake.feature_names.index("terminal_fraud_share_7d")
    assert absorbed.features[:, share].tolist() == [1.0]

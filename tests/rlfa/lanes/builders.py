"""What a lane takes in: the simulator's first transactions, as records of the broker."""

from __future__ import annotations

import msgspec

from rlfa.lanes.intake import Intake
from rlfa.lanes.step import Decided
from rlfa.lanes.watermarks import Watermarks
from rlfa.outcomes.labels import LabelQueue
from streams.codec import LabelCodec, TransactionCodec
from streams.decisions import Decision
from streams.features.windows import FeatureState
from streams.kafka.source import Record
from streams.messages import Messages
from streams.spec import parse_spec
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from tests.end_to_end.services import SPEC

STREAM = parse_spec(SPEC, "stream.toml")


def new_intake() -> Intake:
    return Intake(
        spec=STREAM,
        transactions=TransactionCodec(STREAM, None),
        labels=LabelCodec(),
        state=FeatureState(STREAM.windows, tuple(STREAM.entities), lateness_ms=STREAM.lateness_max_ms),
        watermarks=Watermarks(lateness_max_ms=STREAM.lateness_max_ms, ahead_max_ms=STREAM.ahead_max_ms),
        queue=LabelQueue(patience_ms=STREAM.lateness_max_ms),
    )


def first_records(rows: int) -> list[Record]:
    day = next(iter(chunks(Simulator(demo_scenario().scaled(400), seed=3), 0, 1))).transactions
    return records_of("transactions", day)[:rows]


def records_of(topic: str, messages: Messages, first: int = 0) -> list[Record]:
    """Messages as one partition has them, from an offset on, each written when it happened."""
    sent = zip(messages.time.tolist(), messages.key, messages.value, strict=True)
    return [Record(topic, 0, offset, *of) for offset, of in enumerate(sent, first)]


def read(decided: Decided) -> list[Decision]:
    """The decisions as a reader of the topic has them."""
    return [msgspec.json.decode(value, type=Decision) for value in decided.values]

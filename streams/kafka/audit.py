"""A reader's view of a topic: how many decisions there are, and on how many transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from streams.kafka.confluent import ConfluentSource
from streams.kafka.settings import KafkaSettings

BATCH = 20_000
POLL_S = 0.2
SILENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Audit:
    """Decisions that a `read_committed` reader sees, and the different transactions among them."""

    decisions: int
    transactions: int


class _Id(msgspec.Struct, frozen=True):
    tx_id: str


def read_values(settings: KafkaSettings, topic: str) -> Iterator[bytes]:
    """The value of every committed record of a topic.

    Raises:
        streams.errors.StreamsError: the broker is away.
    """
    source = ConfluentSource(settings, "rlfa-audit")
    try:
        source.assign({(topic, p): source.retained((topic, p))[0] for p in source.partitions(topic)})
        last = time.monotonic()
        # Not every broker lets the client see the end behind a last transaction: silence is an end as well.
        while source.positions().keys() - source.ends() and time.monotonic() - last < SILENCE_S:
            records = source.consume(BATCH, POLL_S)
            yield from (r.value or b"{}" for r in records)
            last = time.monotonic() if records else last
    finally:
        source.close()


def read_ids(settings: KafkaSettings, topic: str) -> list[str]:
    """The `tx_id` of every committed record of a topic."""
    decoder = msgspec.json.Decoder(_Id)
    return [decoder.decode(value).tx_id for value in read_values(settings, topic)]


def audit_decisions(settings: KafkaSettings, topic: str) -> Audit:
    """Count the committed decisions of a topic."""
    ids = read_ids(settings, topic)
    return Audit(len(ids), len(set(ids)))

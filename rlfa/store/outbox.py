"""Ledger entries on their way to the `roster-events` topic: at least once, in order, from where the last send ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rlfa.config import Service
from rlfa.store.ledger import Entry
from streams.kafka.producer import Producer


class RosterEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger entry as the topic carries it; schema: `streams/schemas/roster-events.json`."""

    seq: int
    key: str
    kind: str
    epoch: int
    slot: str
    agent: str
    policy: str
    who: str
    why: str
    event_day: int
    event_at: int
    recorded_at: int
    evidence: msgspec.Raw


@dataclass(slots=True)
class Outbox:
    """Remembers the newest entry that the broker has confirmed, in a file.

    Args:
        path: of that file.
    """

    path: Path
    seq: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.seq = int(self.path.read_text()) if self.path.exists() else 0

    def send(self, service: Service, entries: Sequence[Entry]) -> None:
        """Send entries newer than `seq`, and move it once they are confirmed.

        Raises:
            streams.errors.StreamsError: the broker didn't confirm; the same entries come again next time.
        """
        if not entries:
            return
        topic = service.settings.topics.roster_events
        producer = Producer(service.settings.kafka)
        try:
            for entry in entries:
                event = msgspec.convert(msgspec.structs.asdict(entry), RosterEvent)
                producer.produce(topic, entry.slot.encode(), msgspec.json.encode(event))
            producer.flush()
        finally:
            producer.close()
        self.seq = entries[-1].seq
        partial = self.path.with_suffix(".partial")
        partial.write_text(str(self.seq))
        partial.replace(self.path)

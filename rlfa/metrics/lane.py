"""What a lane counts: a few additions per batch once it is committed, none per row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from rlfa.lineup.actions import ACTIONS
from rlfa.metrics.batches import STAGES, BatchLog, SentBecause
from rlfa.metrics.histograms import LATENCY, ROWS, Counts, Histogram
from streams.dead_letters import REASONS, DeadLetter
from streams.kafka.source import Record

SAMPLES_MAX = 64  # records of a batch whose age is looked at; each stands for its neighbours
INLINE = "inline"
# A series that begins with its first event hides that event from `increase()`: what can be foreseen begins at nought.
TROUBLES = ("BrokerError", "HostError", "ShardError", "UnknownOutcomeError")


class HostCall(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that a host in another process was asked to score."""

    host: str
    agents: int
    rows: int
    waited_s: float
    """From the question to the answer, less the time that the host worked on it."""
    answered: bool


class HostCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What one host was sent by this lane."""

    sent: dict[str, int]
    """Batches by why they were sent, see `SentBecause`."""
    waited: Counts
    """Seconds that a batch waited, once it was read, for its host to begin."""
    rows: Counts
    """Transactions in a batch."""
    unanswered: int


class LaneCounts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a lane has counted since its process started."""

    decisions: dict[str, int]
    """By action."""
    degraded: int
    over_budget: int
    labels: int
    dead_letters: dict[str, int]
    """By reason."""
    stages: dict[str, Counts]
    """Seconds of each stage of a batch."""
    end_to_end: Counts
    """Seconds from the broker's timestamp of a record to the commit of its decision, or of its dead letter."""
    hosts: dict[str, HostCounts]
    suspensions: dict[str, int]
    """By rule."""
    recoveries: int
    reconnects: dict[str, int]
    """Clients given up, by the error's class."""


@dataclass(slots=True)
class _HostMeter:
    sent: Counter[str] = field(default_factory=Counter)
    waited: Histogram = field(default_factory=Histogram)
    rows: Histogram = field(default_factory=lambda: Histogram(ROWS))
    unanswered: int = 0

    def add(self, because: SentBecause, rows: int, waited_s: float) -> None:
        self.sent[because] += 1
        self.waited.add(waited_s)
        self.rows.add(rows)

    def counts(self) -> HostCounts:
        return HostCounts(
            sent=dict(self.sent), waited=self.waited.counts(), rows=self.rows.counts(), unanswered=self.unanswered
        )


@dataclass(slots=True)
class LaneMeter:
    """Adds up what a lane does; it outlives the lane's clients, and starts from nothing with its process."""

    decisions: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    over_budget: int = 0
    labels: int = 0
    dead_letters: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REASONS, 0)))
    suspensions: Counter[str] = field(default_factory=Counter)
    recoveries: int = 0
    reconnects: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(TROUBLES, 0)))
    _stages: dict[str, Histogram] = field(default_factory=lambda: {stage: Histogram() for stage in STAGES})
    _end_to_end: Histogram = field(default_factory=lambda: Histogram(LATENCY))
    _hosts: dict[str, _HostMeter] = field(default_factory=lambda: {INLINE: _HostMeter()})
    _asked: list[HostCall] = field(default_factory=list)

    def asked(self, call: HostCall) -> None:
        """A host in another process was asked; it counts with its batch."""
        self._asked.append(call)

    def committed(
        self,
        batch: BatchLog,
        records: Sequence[Record],
        labels: int,
        dead: Sequence[DeadLetter],
        *,
        because: SentBecause,
        now: int,
    ) -> None:
        """A batch is through.

        Args:
            batch: with its stages' ends and its decisions.
            records: of transactions, as they were read.
            labels: how many were read with them.
            dead: what was refused.
            because: why it was sent.
            now: wall clock, ms UTC.
        """
        seconds = batch.seconds()
        for stage, took in seconds.items():
            self._stages[stage].add(took)
        self.labels += labels
        self.dead_letters.update(letter.reason for letter in dead)
        self.suspensions.update(batch.suspended)
        self._take_ages(records, now)
        self._take_hosts(batch, seconds, because)
        if batch.rows is not None:
            by_action = np.bincount(batch.rows.action, minlength=len(ACTIONS)).tolist()
            self.decisions.update(dict(zip(ACTIONS, by_action, strict=True)))
            self.degraded += int(np.count_nonzero(batch.rows.degraded))
            self.over_budget += int(np.count_nonzero(batch.rows.over_budget))

    def counts(self) -> LaneCounts:
        """As of now."""
        return LaneCounts(
            decisions={action: self.decisions[action] for action in ACTIONS},
            degraded=self.degraded,
            over_budget=self.over_budget,
            labels=self.labels,
            dead_letters=dict(self.dead_letters),
            stages={stage: histogram.counts() for stage, histogram in self._stages.items()},
            end_to_end=self._end_to_end.counts(),
            hosts={name: host.counts() for name, host in self._hosts.items()},
            suspensions=dict(self.suspensions),
            recoveries=self.recoveries,
            reconnects=dict(self.reconnects),
        )

    def _take_ages(self, records: Sequence[Record], now: int) -> None:
        """From broker to commit, of evenly spaced records: looking at each would cost more than all else here."""
        step = -(-len(records) // SAMPLES_MAX) or 1
        for at in range(0, len(records), step):
            self._end_to_end.add(max(now - records[at].timestamp, 0) / 1000, min(step, len(records) - at))

    def _take_hosts(self, batch: BatchLog, seconds: Mapping[str, float], because: SentBecause) -> None:
        calls, self._asked = self._asked, []
        ready = seconds.get("decode", 0.0) + seconds.get("features", 0.0)
        for call in calls:
            host = self._hosts.setdefault(call.host, _HostMeter())
            host.add(because, call.rows, ready + call.waited_s)
            host.unanswered += not call.answered
        if batch.rows is not None and batch.rows.logits.shape[1] > sum(call.agents for call in calls):
            self._hosts[INLINE].add(because, len(batch.rows.action), ready)

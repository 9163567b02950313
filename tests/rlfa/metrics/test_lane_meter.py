"""What a lane counts of its batches, and that it costs next to nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from rlfa.metrics.batches import STAGES, BatchLog, sent_because
from rlfa.metrics.histograms import Histogram
from rlfa.metrics.lane import INLINE, SAMPLES_MAX, HostCall, LaneMeter
from rlfa.outcomes.journal import DecisionRows
from streams.dead_letters import NOT_JSON, DeadLetter
from streams.kafka.source import Record

NOW = 1_000_000


@dataclass
class Clock:
    """Ticks by itself, a second each time that it is read."""

    ticks: Iterator[float] = field(default_factory=lambda: iter(np.arange(1.0, 1000.0).tolist()))

    def __call__(self) -> float:
        return next(self.ticks)


def rows(actions: list[int], *, degraded: int = 0, over: int = 0) -> DecisionRows:
    n, none = len(actions), np.zeros(len(actions))
    flags = np.zeros(n, np.bool_)
    return DecisionRows(
        tx_id=[str(i) for i in range(n)], tx_hash=none.astype(np.uint64), partition=none.astype(np.int32),
        offset=none.astype(np.int64), event_time=none.astype(np.int64), amount=none,
        entities=np.zeros((n, 1), np.uint64), features=np.zeros((n, 2), np.float32),
        logits=np.zeros((n, 3), np.float32), voted=np.zeros((n, 3), np.bool_), score=none.astype(np.float32),
        action=np.array(actions, np.int8), propensity=none, explored=flags, covered=flags, floor=none,
        over_budget=np.arange(n) < over, degraded=np.arange(n) < degraded, rules=np.zeros((n, 0), np.int8), epoch=1,
    )  # fmt: skip


def records(n: int, age_ms: int = 0) -> list[Record]:
    return [Record("transactions", 0, i, NOW - age_ms, None, b"{}") for i in range(n)]


def whole(n: int) -> BatchLog:
    batch = BatchLog(began=0.0, clock=Clock(), rows=rows([0] * n))
    for stage in STAGES:
        batch(stage)
    return batch


def test_a_stage_that_comes_twice_counts_once_with_the_sum_of_its_times() -> None:
    batch = BatchLog(began=0.0, clock=Clock())
    for stage in ("decide", "reasons", "decide"):
        batch(stage)
    assert batch.seconds() == {"decide": 2.0, "reasons": 1.0}


def test_a_committed_batch_counts_in_every_stage_and_by_what_became_of_it() -> None:
    meter, batch = LaneMeter(), replace(whole(0), rows=rows([0, 0, 1, 2, 2, 2], degraded=2, over=1), suspended=("hot",))
    refused = [DeadLetter(records(1)[0], NOT_JSON)]
    meter.committed(batch, records(7), 4, refused, because="drained", now=NOW)
    found = meter.counts()
    assert {stage: sum(counts.counts) for stage, counts in found.stages.items()} == dict.fromkeys(STAGES, 1)
    assert found.decisions == {"approve": 2, "review": 1, "decline": 3}
    assert (found.degraded, found.over_budget, found.labels) == (2, 1, 4)
    assert {reason: n for reason, n in found.dead_letters.items() if n} == {NOT_JSON: 1}
    assert found.suspensions == {"hot": 1}


@pytest.mark.parametrize("n", [1, 63, 64, 65, 2048, 2050])
def test_every_record_counts_in_the_latency_although_few_are_looked_at(n: int) -> None:
    meter = LaneMeter()
    meter.committed(whole(n), records(n, age_ms=40), 0, [], because="full", now=NOW)
    found = meter.counts().end_to_end
    assert sum(found.counts) == n
    assert found.sum == pytest.approx(0.04 * n)
    assert found.counts[found.bounds.index(0.06)] == n


def test_latency_over_a_batch_is_that_of_its_records_to_within_a_sample() -> None:
    n, meter = 64 * SAMPLES_MAX, LaneMeter()
    sent = [r._replace(timestamp=NOW - i) for i, r in enumerate(records(n))]
    meter.committed(whole(n), sent, 0, [], because="full", now=NOW)
    assert meter.counts().end_to_end.sum == pytest.approx(sum(range(n)) / 1000, rel=0.02)


def test_a_clock_behind_the_brokers_gives_no_negative_latency() -> None:
    meter = LaneMeter()
    meter.committed(whole(1), records(1, age_ms=-500), 0, [], because="drained", now=NOW)
    assert meter.counts().end_to_end.sum == 0.0


def test_each_host_has_why_its_batches_were_sent_how_long_they_waited_and_what_they_held() -> None:
    meter = LaneMeter()
    meter.asked(HostCall(host="remote", agents=2, rows=5, waited_s=0.5, answered=True))
    meter.committed(whole(5), records(5), 0, [], because="full", now=NOW)
    meter.asked(HostCall(host="remote", agents=3, rows=9, waited_s=4.0, answered=False))
    meter.committed(whole(9), records(9), 0, [], because="drained", now=NOW)
    here, there = (meter.counts().hosts[name] for name in (INLINE, "remote"))
    assert (here.sent, here.rows.sum, here.waited.sum) == ({"full": 1}, 5, 2.0)  # the second had no agent inline
    assert (there.sent, there.rows.sum, there.unanswered) == ({"full": 1, "drained": 1}, 14, 1)
    assert there.waited.sum == pytest.approx(2 * 2.0 + 0.5 + 4.0)


def test_a_batch_is_full_kept_small_or_all_that_was_there() -> None:
    assert [sent_because(rows, 10, 20) for rows in (9, 10, 20)] == ["drained", "target", "full"]
    assert sent_because(20, 20, 20) == "full"


def test_a_value_on_a_bound_is_within_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 2.5):
        histogram.add(value)
    assert histogram.counts().counts == (1, 2, 1)


def test_measuring_a_large_batch_costs_far_less_than_a_microsecond_a_transaction() -> None:
    meter, batch, sent, best = LaneMeter(), whole(2048), records(2048), 1.0
    for _ in range(20):
        began = time.perf_counter()
        meter.committed(batch, sent, 0, [], because="full", now=NOW)
        best = min(best, time.perf_counter() - began)
    assert best / 2048 < 0.3e-6

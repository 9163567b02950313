"""Labels are read as they come; while none do, the broker is asked now and then only."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlfa.lanes.label_reader import GLANCE_EVERY_S, GLANCE_S, QUIET_S, LabelReader
from streams.kafka.source import Record

LABEL = Record("labels", 0, 0, 0, b"k", b"v")


@dataclass
class FakeSource:
    """A topic whose records come when a test says so."""

    waiting: list[Record] = field(default_factory=list)
    is_paused: bool = False

    def consume(self, most: int, timeout_s: float) -> list[Record]:
        assert not self.is_paused
        found, self.waiting = self.waiting[:most], self.waiting[most:]
        return found

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


def test_a_reader_sleeps_after_a_quiet_second_and_looks_ten_times_a_second() -> None:
    source = FakeSource()
    reader = LabelReader(source, heard_s=100.0)
    assert reader.poll(100.5) == []
    assert not source.is_paused
    assert reader.poll(now := 100.1 + QUIET_S) == []
    assert source.is_paused
    source.waiting = [LABEL]
    assert reader.poll(now + GLANCE_EVERY_S / 2) == []
    assert reader.poll(now + GLANCE_EVERY_S) == [LABEL]
    assert reader.poll(now + GLANCE_EVERY_S + QUIET_S) == []
    assert not source.is_paused


def test_a_glance_gives_the_broker_time_to_answer() -> None:
    source = FakeSource()
    reader = LabelReader(source, heard_s=0.0)
    reader.poll(10.0)
    reader.poll(woke := 10.0 + GLANCE_EVERY_S)
    reader.poll(woke + GLANCE_S / 2)
    assert not source.is_paused
    reader.poll(woke + 2 * GLANCE_S)
    assert source.is_paused

"""The windows in plain Python, computed anew for every row: what the kernels must equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan

from streams.durations import parse_duration
from streams.features.spec import WindowSpec


@dataclass
class Event:
    """A transaction, and what has been said of it; amounts in cents."""

    hash: int
    time: int
    cents: int
    keys: tuple[int, ...]
    known: int | None = None
    labelled: int | None = None


@dataclass(frozen=True)
class Label:
    hash: int
    time: int
    fraud: bool


@dataclass
class Naive:
    spec: WindowSpec
    lateness_ms: int
    max_events: int
    held: list[Event] = field(default_factory=list)  # in arrival order
    newest: int = -(2**62)
    evicted: int = 0
    stale: int = 0
    due: list[Label] = field(default_factory=list)

    def take(self, event: Event) -> list[dict[str, float]] | None:
        """The values of each kind of entity, or None for a duplicate."""
        if any(e.hash == event.hash for e in self.held):
            return None
        self.newest = max(self.newest, event.time)
        self.stale += event.time < self.newest - self.lateness_ms
        ripe = sorted((x for x in self.due if x.time <= self.newest), key=lambda x: x.time)
        self.due = [x for x in self.due if x.time > self.newest]
        for label in ripe:
            self.label(label)
        self._make_room()
        self.held.append(event)
        return [self._values(event, kind) for kind in range(len(event.keys))]

    def label(self, label: Label) -> bool:
        for e in self.held:
            if e.hash == label.hash:
                if e.labelled is None or label.time >= e.labelled:
                    e.labelled = label.time
                    if label.fraud != (e.known is not None):
                        e.known = label.time if label.fraud else None
                return True
        return False

    def entities_live(self) -> int:
        return len({(kind, key) for e in self.held for kind, key in enumerate(e.keys) if key})

    def _make_room(self) -> None:
        longest = max(parse_duration(w) for w in self.spec.windows)
        oldest = self.newest - longest - parse_duration(self.spec.label_delay) - self.lateness_ms
        while self.held and self.held[0].time <= oldest:
            self.held.pop(0)
        if len(self.held) == self.max_events:
            self.held.pop(0)
            self.evicted += 1

    def _values(self, event: Event, kind: int) -> dict[str, float]:
        names = ("count", "sum", "mean", "distinct", "delayed_count", "fraud_share")
        if not event.keys[kind]:
            return {"since_last": nan} | {f"{n}_{w}": nan for n in names for w in self.spec.windows}
        mine = [e for e in self.held if e.keys[kind] == event.keys[kind]]
        before = [e.time for e in mine if e is not event and e.time <= event.time]
        values = {"since_last": (event.time - max(before)) / 1000 if before else nan}
        high = event.time - parse_duration(self.spec.label_delay)
        other = 1 if kind == 0 else 0
        for window in self.spec.windows:
            width = parse_duration(window)
            inside = [e for e in mine if event.time - width < e.time <= event.time]
            delayed = [e for e in mine if high - width < e.time <= high]
            frauds = [e for e in delayed if e.known is not None and e.known <= event.time]
            total = sum(e.cents for e in inside)
            values |= {
                f"count_{window}": len(inside),
                f"sum_{window}": total * 10_000 / 1e6,
                f"mean_{window}": total * 10_000 / 1e6 / len(inside),
                f"distinct_{window}": len({e.keys[other] for e in inside} - {0}),
                f"delayed_count_{window}": len(delayed),
                f"fraud_share_{window}": len(frauds) / max(len(delayed), 1),
            }
        return values

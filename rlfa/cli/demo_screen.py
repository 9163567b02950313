"""What the demo prints as it goes, and its summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import psutil
from rich.console import Console
from rich.table import Column, Table

from rlfa.config import Service
from rlfa.free_agency import events as ev
from rlfa.lineup.plan import Plan
from rlfa.lineup.slots import AgentId, Day, SlotId
from rlfa.outcomes import log
from rlfa.outcomes.review import Detection, ScoredDay, detection, frozen_scores, scored_days
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger
from streams.kafka.audit import Audit
from streams.synthetic import DEMO_CHANGE_DAY, demo_scenario

LAST_DAYS = 3  # the days that a figure on a line is over


@dataclass(slots=True)
class Screen:
    """The demo's lines.

    Args:
        console: to print on.
        service: whose store and outcome log are read.
        first: the lineup that the stream began with.
    """

    console: Console
    service: Service
    first: Plan
    _store: Store = field(init=False)
    _seq: int = 0
    _incumbents: dict[SlotId, AgentId] = field(default_factory=dict)
    _swaps: list[ev.Promoted] = field(default_factory=list)
    _line: str = ""
    _peak_gib: float = 0.0

    def __post_init__(self) -> None:
        self._store = Store.open(self.service.database)
        self._incumbents = {slot.id: slot.incumbent for slot in self.first.lineup.slots}

    def day(self, number: int, transactions: int, seconds: float) -> None:
        """A day of event time has been decided."""
        if number == DEMO_CHANGE_DAY:
            self.console.print("[bold]A new kind of fraud begins: card testing and account takeover.[/]")
        self._line = f"day {number}: {transactions / seconds:,.0f} tx/s"
        self._peak_gib = max(self._peak_gib, _memory_gib())

    def news(self) -> None:
        """What the ledger has that hasn't been told yet."""
        with self._store.reading() as session:
            entries = Ledger(session).read(self._seq)
        for entry in entries:
            self._seq = entry.seq
            self._tell(entry.event)
        if self._line:
            self.console.print(f"{self._line} · no labels matured yet")
            self._line = ""

    def summary(self, published: int, found: Audit, seconds: float) -> None:
        """Detection before the change, after it, and after the swap, beside a lineup that never changed."""
        begin = _first_day()
        change = Day(begin + DEMO_CHANGE_DAY)
        closed = [d for d in log.closed_days(self.service.outcomes) if d >= self._first_scored()]
        swapped = [s for s in self._swaps if s.day >= change]
        after = Day(swapped[0].day + self._delay_days() + 2) if swapped else None
        until = after or Day(change + len(closed))
        phases = [
            ("before the change", [d for d in closed if d < change]),
            ("after it, before a swap plays", [d for d in closed if change <= d < until]),
            ("after the swap", [d for d in closed if d >= until]),
        ]
        table = Table(
            Column("days", no_wrap=True),
            "frauds",
            "AP",
            "detection",
            "AP if frozen",
            "detection if frozen",
            title="What free agency did",
        )
        for name, days in ((name, days) for name, days in phases if days):
            mine, frozen = self._detection(days), self._frozen(days)
            table.add_row(
                f"{name} ({len(days)})",
                str(mine.frauds),
                _share(mine.ap),
                _share(mine.recall),
                _share(frozen.ap),
                _share(frozen.recall),
            )
        self.console.print(table)
        self.console.print(
            f"{published:,} transactions in, {found.decisions:,} decisions out on {found.transactions:,} different "
            f"ones; {len(self._swaps)} swaps; {seconds:.0f} s; {self._peak_gib:.1f} GiB at the most"
        )
        config = "--config .rlfa/demo/rlfa.toml"
        self.console.print(f"Look on with: rlfa roster {config} · rlfa ledger {config}")

    def _tell(self, event: ev.Event) -> None:
        say = self.console.print
        match event:
            case ev.CohortTaken():
                say(f"{self._line} · judged day {event.day - _first_day()} · {self._figures(event.day)}".lstrip(" ·"))
                self._line = ""
            case ev.WatchChanged():
                say(f"  [yellow]watch[/] slot {event.slot}: {event.reason}")
            case ev.EvidenceAdded():
                e = math.exp(min(event.log_up, 700.0))
                say(
                    f"  probation in {event.slot}: {event.agent}: e-value {e:.3g} of {event.bound:.0f} "
                    f"after {event.frauds} frauds"
                )
            case ev.Promoted():
                self._swaps.append(event)
                self._incumbents[event.slot] = event.agent
                say(f"  [bold green]swap[/] in slot {event.slot}, epoch {event.epoch}: {event.reason}")
            case ev.EpochChanged():
                say(f"  {event.reason}")
            case ev.GuardAdded():
                return  # one more day without an alarm is no news
            case _:
                say(f"  {ev.kind_of(event)} in {event.slot}: {event.reason}")

    def _figures(self, day: Day) -> str:
        """Average precision over the last matured days: of the lineup and of each agent."""
        days = [d for d in range(day - LAST_DAYS + 1, day + 1) if d in set(log.closed_days(self.service.outcomes))]
        scored = scored_days(self.service.outcomes, [Day(d) for d in days])
        budget = self.service.settings.free_agency.costs.alert_budget_per_day
        parts = [f"AP of the last {len(days)} days: lineup {_share(detection(scored.get('lineup', []), budget).ap)}"]
        for slot, agent in self._incumbents.items():
            parts.append(f"{slot} {_share(detection(scored.get(agent, []), budget).ap)}")
        return ", ".join(parts)

    def _detection(self, days: Sequence[Day]) -> Detection:
        return self._judge(scored_days(self.service.outcomes, days).get("lineup", []))

    def _frozen(self, days: Sequence[Day]) -> Detection:
        return self._judge(frozen_scores(self.service.outcomes, days, self.first.refs))

    def _judge(self, scored: Sequence[ScoredDay]) -> Detection:
        return detection(scored, self.service.settings.free_agency.costs.alert_budget_per_day)

    def _first_scored(self) -> Day:
        with self._store.reading() as session:
            return Day(Ledger(session).read(0)[0].event_day + 1)

    def _delay_days(self) -> int:
        return self.service.spec.label_delay_ms // 86_400_000


def _first_day() -> int:
    return demo_scenario().start_ms // 86_400_000


def _share(value: float) -> str:
    return "  – " if np.isnan(value) else f"{value:.2f}".removeprefix("0")


def _memory_gib() -> float:
    """Of this process and all that it started."""
    me = psutil.Process()
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total / 2**30

"""One history, one lineup after another: decide, close days, judge them, train, go on.

The transaction that carries event time past the end of a day's label delay is decided first. Then the day is closed and
judged, and what free agency makes of it plays from the next transaction on. A training that a judgement asks for is
done at once, on the days closed when it was asked for, and its agent is handed in at the next judgement. A live service
whose lanes, manager and trainers have all caught up before the next transaction does the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from agents.data_card import DataCard
from rlfa.backtest.days import OpenDays
from rlfa.backtest.features import FeaturesAhead
from rlfa.backtest.played import Played
from rlfa.config import Service
from rlfa.errors import NotAllowedError
from rlfa.free_agency.front_office import FrontOffice, requests_of
from rlfa.free_agency.manual import Command
from rlfa.free_agency.state import Request
from rlfa.hosts.scoring import InlineHost
from rlfa.lanes.step import judge
from rlfa.lanes.watermarks import OK
from rlfa.lineup.budget import Ration
from rlfa.lineup.plan import write_plan
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import DAY_MS, Day, EventTime, SlotId
from rlfa.lineup.voting import Rows
from rlfa.outcomes import log
from rlfa.rules.deciding import RuleBook
from rlfa.rules.ruleset import NO_RULES, RuleSet
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.commands import Commands
from rlfa.store.ledger import Ledger
from rlfa.trainers.first_lineup import train_first_lineup
from rlfa.trainers.lessons import learned_through, teach
from rlfa.trainers.orders import fulfil
from streams.codec import categorical_features
from streams.history import FRAUD, History

HISTORY_SHARE = 0.3  # of the days, to train the first lineup
FRAUDS_MIN = 20  # matured before play begins, unless the caller names the day


class BacktestError(NotAllowedError):
    """A history that can't be played: where, found, allowed."""


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """An agent from outside for one of the slots."""

    agent: StoredAgent
    slot: SlotId
    seated: bool = False
    """It has the slot from the first day on, in place of the agent that history has trained; else it is tried."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a backtest is."""

    stage: str
    rows: int
    of_rows: int
    day: Day
    epoch: int = 0


def first_day_of(history: History, delay_ms: int, share: float = HISTORY_SHARE) -> Day:
    """The day on which play begins: after a share of the days, and once there is something to learn from.

    Args:
        history: n rows.
        delay_ms: the label delay.
        share: of the days, for the first lineup.

    Raises:
        BacktestError: too few days or frauds.
    """
    if not len(history):
        raise BacktestError("history", "no row", "at least one")
    begin, end = (int(history.event_time[i]) // DAY_MS for i in (0, -1))
    frauds = np.flatnonzero(history.label == FRAUD)
    if len(frauds) < FRAUDS_MIN:
        raise BacktestError("history", f"{len(frauds)} frauds", f"at least {FRAUDS_MIN}")
    enough = int(history.event_time[frauds[FRAUDS_MIN - 1]]) // DAY_MS
    first = max(begin + ceil((end + 1 - begin) * share), enough + ceil(delay_ms / DAY_MS) + 1)
    if first > end:
        wanted = f"more than {first - begin}, for {FRAUDS_MIN} frauds whose label delay has passed"
        raise BacktestError("history", f"{end + 1 - begin} days", wanted)
    return Day(first)


def run(
    service: Service,
    history: History,
    first_day: Day | None = None,
    *,
    rules: RuleSet = NO_RULES,
    signed: Sequence[Signing] = (),
    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Played:
    """Play a history.

    Args:
        service: settings, and a state folder that nothing has begun in; it holds ledger, agents and log afterwards.
        history: n rows in event-time order.
        first_day: on which play begins; the days before it train the first lineup. By default `first_day_of`.
        rules: of the user, that act around the lineup from the first day on.
        signed: agents from outside that are there when play begins.
        wall_ms: wall clock for the ledger's `recorded_at`, ms UTC.
        progress: told after each day.

    Raises:
        BacktestError: the state folder isn't fresh, the history too short, or an agent for no slot, or of later days.
        rlfa.trainers.training.TrainingError: nothing to train the first lineup on.
    """
    if service.lineup_file.exists():
        raise BacktestError(str(service.state), "a lineup", "a state folder that nothing has begun in")
    first = first_day_of(history, service.spec.label_delay_ms) if first_day is None else first_day
    with FeaturesAhead(service, history) as features, OpenDays(service, history, features) as days:
        _teach(service, history, features, days, first, wall_ms, progress, rules)
        game = _Game(service, history, features, days, FrontOffice.open(service), wall_ms)
        try:
            for each in signed:
                game.sign(each, first)
            for begin, end, day in _days_from(history, first):
                game.play_day(begin, end, day)
                progress(Progress(stage="playing", rows=end, of_rows=len(history), day=day, epoch=game.epoch))
            days.keep_rest()
            return game.finished(first)
        finally:
            game.office.store.close()


def _days_from(history: History, first: int, last: int | None = None) -> list[tuple[int, int, Day]]:
    """First row, end and number of each day with transactions from `first` up to, not including, `last`."""
    numbers = history.event_time // DAY_MS
    days, begins = np.unique(numbers, return_index=True)
    ends = [*begins[1:].tolist(), len(history)]
    found = zip(begins.tolist(), ends, days.tolist(), strict=True)
    return [(b, e, Day(d)) for b, e, d in found if d >= first and (last is None or d < last)]


def _teach(
    service: Service,
    history: History,
    features: FeaturesAhead,
    days: OpenDays,
    first: Day,
    wall_ms: Callable[[], int],
    progress: Callable[[Progress], None],
    rules: RuleSet,
) -> None:
    """The days before play: into the log without decisions, and an agent for each slot learns from those that close."""
    newest = 0
    for begin, end, day in _days_from(history, 0, first):
        rows = features.taken(begin, end)
        if len(rows):
            days.add(day, rows)
            newest = (day + 1) * DAY_MS
        progress(Progress(stage="history", rows=end, of_rows=len(history), day=day))
    closed = [day for day, _ in days.close(newest)]
    days.flush()

    def training(slot: str, done: float) -> None:
        stage = f"training {slot}: {done:.0%}"
        progress(Progress(stage=stage, rows=end, of_rows=len(history), day=first))

    train_first_lineup(service, closed, first, recorded_at=wall_ms(), progress=training, rules=rules)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What a batch came to."""

    rows: NDArray[np.intp]
    score: NDArray[np.float64]
    action: NDArray[np.int8]
    epoch: int


@dataclass(slots=True)
class _Game:
    """A lineup at play, and who judges it."""

    service: Service
    history: History
    features: FeaturesAhead
    days: OpenDays
    office: FrontOffice
    wall_ms: Callable[[], int]
    host: InlineHost = field(init=False)
    ration: Ration = field(init=False)
    """Of alerts, so far."""
    book: RuleBook = field(init=False)
    """Of the user's rules, so far."""
    _played: list[_Decided] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = InlineHost(self.features.names, self.service.settings.hosts.seal_rules)
        self.ration = Ration(self.service.settings.free_agency.alerts)
        self.book = RuleBook()
        self.office.read_scored = lambda day, segments: self.days.scored(day, segments, self._categorical)
        self._take_lineup()

    @property
    def _categorical(self) -> frozenset[str]:
        return categorical_features(self.service.spec)

    @property
    def epoch(self) -> int:
        """Of the lineup that plays."""
        return self.office.state.epoch

    def sign(self, signing: Signing, first: Day) -> None:
        """Put an agent into its slot, or the slot's pool, as a person does by hand."""
        agent, slots = signing.agent, [slot.id for slot in self.office.state.slots]
        if signing.slot not in slots:
            raise BacktestError(f"slot of {agent.id}", repr(signing.slot), f"one of {', '.join(slots)}")
        newest = learned_through(msgspec.json.decode(agent.card, type=DataCard))
        if newest >= first:
            raise BacktestError(
                f"agent {agent.id}", f"rows of day {newest}", f"before {first}, the first that is played"
            )
        sign = Command(id=0, verb="sign", by=agent.added_by, why=agent.why, slot=signing.slot, agent=agent.id)
        commands = [sign, replace(sign, verb="promote")] if signing.seated else [sign]
        with self.office.store.transaction() as session:
            Agents(session).add(agent)
            for command in commands:
                Commands(session).add(command, self.wall_ms())
        now = EventTime(first * DAY_MS - 1)  # it plays the first day whole
        while self.office.obey(now, self.wall_ms()):
            self._teach(now)
        self._take_lineup()

    def play_day(self, begin: int, end: int, day: Day) -> None:
        """Decide a day's rows; judge whatever closes meanwhile."""
        rows = self.features.taken(begin, end)
        times = self.history.event_time[rows]
        at = 0
        while at < len(rows):
            due = self.days.closes_at()
            # The row that reaches the closing time is still decided by the old lineup.
            stop = len(rows) if due is None else min(int(np.searchsorted(times, due)) + 1, len(rows))
            self._decide(rows[at:stop], day)
            self._judge(EventTime(int(times[stop - 1])))
            at = stop
        if len(rows):
            self.office.unlabelled.add(self.days.summary(day))

    def finished(self, first: Day) -> Played:
        """Everything so far, as columns."""
        with self.office.store.reading() as session:
            entries = Ledger(session).read()
        write_plan(self.office.plan(self.office.state.lineup), self.service.lineup_file)
        refused = dict(self.history.refused)
        for reason, count in self.features.refused().items():
            refused[reason] = refused.get(reason, 0) + count
        self.host.load([])
        return Played(
            service=self.service,
            history=self.history,
            feature_names=self.features.names,
            x=self.features.x,
            taken=self.features.verdict == OK,
            first_day=first,
            rows=np.concatenate([p.rows for p in self._played]),
            score=np.concatenate([p.score for p in self._played]),
            action=np.concatenate([p.action for p in self._played]),
            epoch=np.concatenate([np.full(len(p.rows), p.epoch) for p in self._played]),
            entries=entries,
            refused=refused,
        )

    def _decide(self, rows: NDArray[np.intp], day: Day) -> None:
        lineup, rules = self.office.state.lineup, self.service.settings.free_agency
        seen = Rows(
            tx_hash=self.history.tx_hash[rows],
            event_time=self.history.event_time[rows],
            amount=self.history.amount[rows],
            features=self.features.x[rows],
            fields=fields_of(self.service.spec, self.features.names),
            entities=dict(zip(self.service.spec.entities, self.history.entities[rows].T, strict=True)),
        )
        judged = judge(seen, lineup, self.host, rules.costs, rules.exploration, self.ration, self.book)
        self.ration, self.book = judged.alerts.ration, judged.ruled.book
        self.days.add(day, rows, judged, lineup)
        self._played.append(_Decided(rows, judged.score, judged.action, lineup.epoch))

    def _judge(self, now: EventTime) -> None:
        """Every day that has closed by now, in order; the cohorts from the first played day on are evidence."""
        before = self.office.state.lineup
        for day, table in self.days.close(now):
            if day > self.office.state.day:
                cohort = log.cohort_of(table, day, self.office.state.segments, self._categorical)
                events = self.office.take(cohort, now, self.wall_ms())
                for slot, request in requests_of(events):
                    self._train(slot, request, now)
                self._teach(now)
        if self.office.state.lineup != before:
            self._take_lineup()

    def _train(self, slot: SlotId, request: Request, now: EventTime) -> None:
        self.days.flush()
        self.office.hand_in(fulfil(self.service, self.office.order(slot, request)), now, self.wall_ms())

    def _teach(self, now: EventTime) -> None:
        if self.office.state.learners:
            self.days.flush()  # what has closed is what is written
        for lesson in self.office.lessons():
            self.office.hand_in_lesson(teach(self.service, lesson), now, self.wall_ms())

    def _take_lineup(self) -> None:
        plan = self.office.plan(self.office.state.lineup)
        self.host.load(plan.refs)
        fields = fields_of(self.service.spec, self.features.names)
        self.book = RuleBook.of(plan.rules, fields, used=self.book.used)

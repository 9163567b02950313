"""Ray: feeds closed cohorts to the front office as event time goes on, and carries out what it decides."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence

import msgspec
import pyarrow as pa
import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError

from rlfa.config import Service
from rlfa.free_agency.front_office import FrontOffice, requests_of
from rlfa.free_agency.state import Request
from rlfa.lanes.session import LaneStatus
from rlfa.lineup.plan import read_plan, write_plan
from rlfa.lineup.slots import DAY_MS, Day, EventTime, Lineup, SlotId
from rlfa.metrics.manager import ManagerMeter, ManagerReport
from rlfa.metrics.process import process_report
from rlfa.outcomes import journal, log
from rlfa.outcomes.summaries import summarise_table
from rlfa.store.database import StoreError
from rlfa.store.ledger import Ledger
from rlfa.store.outbox import Outbox
from rlfa.telemetry import configure_logs, logger
from rlfa.trainers.actor import Came, collect, collect_lesson, submit, submit_lesson
from rlfa.trainers.lessons import Lesson, Taught
from rlfa.trainers.orders import Delivery, Order
from streams.errors import StreamsError

POLL_S = 0.1
RETRY_S = 1.0
LANE_WAIT_S = 2.0
NICENESS = 5  # behind everything that decides, before trainings


class ManagerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the manager says of itself: the newest cohort whose moves are carried out, and trainings under way."""

    day: Day
    epoch: int
    training: int


@ray.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0, max_concurrency=4)
class ManagerActor:
    """The free-agent manager: `run` is its life; it goes on from the ledger after a restart.

    Args:
        service: settings and paths.
        lanes: names of the `LaneActor`s, who are asked for their event time and told of new lineups.
    """

    def __init__(self, service: Service, lanes: tuple[str, ...]) -> None:
        configure_logs(service.settings.log_level, relay=True)
        os.nice(NICENESS)
        pa.set_cpu_count(1)  # the outcome log's files: lanes have the cores
        self._service = service
        self._lanes: list[ActorHandle] = [ray.get_actor(name) for name in lanes]
        self._office = _office(service)
        self._settled = self._office.state.day
        self._waiting: deque[tuple[SlotId, Request]] = deque()
        self._orders: dict[ray.ObjectRef[Delivery], Order] = {}
        self._lessons: dict[ray.ObjectRef[Taught], Lesson] = {}
        self._outbox = Outbox(service.state / "roster-events.cursor")
        self._stop = threading.Event()
        self._meter = ManagerMeter()

    def run(self) -> None:
        """Take cohorts as they close, until `stop`; a store or broker that is away only delays that."""
        is_behind = True
        while not self._stop.is_set():
            try:
                if is_behind:
                    self._resume()
                is_behind = False
                self._meter.is_store_up = True
                progressed = self._advance()
            except (StoreError, StreamsError) as error:
                self._meter.waits_for("store" if isinstance(error, StoreError) else "broker")
                logger().warning("manager_waits", error=str(error))
                self._stop.wait(RETRY_S)
                is_behind = True
                continue
            if not progressed:
                self._stop.wait(POLL_S)

    def stop(self) -> None:
        """Finish the cohort in hand and let `run` return; trainings are given up, and ordered again after a restart."""
        self._stop.set()

    def status(self) -> ManagerStatus:
        """For the demo, the dashboard and people."""
        return ManagerStatus(day=self._settled, epoch=self._office.state.epoch, training=self._trainings)

    def report(self) -> ManagerReport:
        """All that is counted here, and where free agency stands."""
        alarm = self._service.settings.free_agency.guard.false_alarm_days
        return self._meter.report(self._office.state, alarm, self._trainings, process_report())

    def pid(self) -> int:
        """For tests that kill it."""
        return os.getpid()

    @property
    def _trainings(self) -> int:
        return len(self._waiting) + len(self._orders) + len(self._lessons)

    def _resume(self) -> None:
        """From where the ledger is, carry out what it says: the writer may have died, or its answer been lost."""
        self._office.resume()
        self._order_missing()
        self._submit_lessons()
        self._push(self._office.state.lineup)
        self._settled = self._office.state.day
        self._publish()

    def _advance(self) -> bool:
        """Take one step of whatever is due; False when nothing is."""
        now = self._event_time()
        if now is None:
            return False
        self._collect(now)
        if self._obey(now):
            return True
        closed = [day for day in log.closed_days(self._service.outcomes) if day > self._office.state.day]
        if closed:
            self._take(closed[0], now)
            return True
        return self._close_next(now)

    def _obey(self, now: EventTime) -> bool:
        """One command by hand, whether or not a cohort closes."""
        before = self._office.state.lineup
        if not self._office.obey(now, _wall_ms()):
            return False
        if self._office.state.lineup != before:
            self._push(self._office.state.lineup)
        self._submit_lessons()
        self._publish()
        return True

    def _close_next(self, now: EventTime) -> bool:
        delay = self._service.spec.label_delay_ms
        done = set(log.closed_days(self._service.outcomes))
        for day in journal.days(self._service.journals, journal.DECISIONS):
            if day not in done:
                if (day + 1) * DAY_MS + delay > now:
                    return False
                hide = self._service.settings.free_agency.exploration.declined_labels == "none"
                log.close_day(self._service.journals, self._service.outcomes, Day(day), delay, declines_hide=hide)
                return True
        return False

    def _take(self, day: Day, now: EventTime) -> None:
        """One cohort: into the books, and only then the world."""
        cohort = self._office.load_cohort(day)
        self._see_through(self._office.seen_through(day))
        before = self._office.state.lineup
        events = self._office.take(cohort, now, _wall_ms())
        if self._office.state.lineup != before:
            self._push(self._office.state.lineup)
        self._order(requests_of(events))
        self._submit_lessons()
        self._settled = day
        self._publish()

    def _see_through(self, through: Day) -> None:
        """Summarise the days, labels or not, that the next step looks at."""
        for day in self._office.unseen(journal.days(self._service.journals, journal.DECISIONS), through):
            rows = log.rows_of(self._service.journals, day)
            if rows is not None:
                self._office.unlabelled.add(summarise_table(rows, day))

    def _push(self, lineup: Lineup) -> None:
        """The file first, for lanes that start; then every lane that lives, without waiting for any."""
        path = self._service.lineup_file
        plan = self._office.plan(lineup)
        if not path.exists() or read_plan(path) != plan:
            write_plan(plan, path)
        for lane in self._lanes:
            lane.set_plan.remote(plan)
        logger().info("lineup_sent", epoch=lineup.epoch, agents=len(plan.refs))

    def _event_time(self) -> EventTime | None:
        """How far every lane has come; None while one is away."""
        times = [status.event_time if status else None for status in map(_status, self._lanes)]
        known = [time for time in times if time is not None]
        return EventTime(min(known)) if len(known) == len(times) else None

    def _order_missing(self) -> None:
        """Trainings that the ledger has as open and that nobody is at: they died with the last manager."""
        under_way = {request.id for _, request in self._waiting}
        under_way |= {order.request for order in self._orders.values()}
        under_way |= {candidate.request for candidate in self._office.delivered}
        wanted = [(slot.id, request) for slot in self._office.state.slots for request in slot.requests]
        self._order([(slot, request) for slot, request in wanted if request.id not in under_way])

    def _order(self, requests: Sequence[tuple[SlotId, Request]]) -> None:
        self._waiting.extend(requests)
        self._submit_next()

    def _submit_next(self) -> None:
        """As many trainings as are allowed at once."""
        while self._waiting and len(self._orders) < self._service.settings.trainers.concurrent_max:
            self._submit(*self._waiting.popleft())

    def _submit(self, slot: SlotId, request: Request) -> None:
        order = self._office.order(slot, request)
        self._orders[submit(self._service, order)] = order
        logger().info("training_ordered", slot=slot, family=request.family, rows=len(order.days))

    def _collect(self, now: EventTime) -> None:
        """Take in what the trainers have finished; a trainer that died is a failed training."""
        before = self._office.state.lineup
        for reference in _done(self._orders):
            delivery = collect(reference, self._service, self._orders[reference])
            done_in = round(delivery.seconds, 1)
            candidate = self._office.hand_in(delivery, now, _wall_ms())
            del self._orders[reference]
            self._submit_next()
            logger().info(
                "training_ended", slot=candidate.slot, agent=candidate.agent, error=candidate.error, seconds=done_in
            )
        self._collect_lessons(now)
        if self._office.state.lineup != before:
            self._push(self._office.state.lineup)
            self._publish()

    def _submit_lessons(self) -> None:
        """Every agent that is due, one lesson each at a time."""
        at_it = {lesson.agent for lesson in self._lessons.values()}
        for lesson in self._office.lessons():
            if lesson.agent not in at_it:
                self._lessons[submit_lesson(self._service, lesson)] = lesson
                logger().info("lesson_begun", agent=lesson.agent, cohorts=len(lesson.days))

    def _collect_lessons(self, now: EventTime) -> None:
        """Take in what has been learned, and begin what has closed meanwhile."""
        for reference in _done(self._lessons):
            taught = collect_lesson(reference, self._service, self._lessons[reference])
            self._office.hand_in_lesson(taught, now, _wall_ms())
            del self._lessons[reference]
            self._submit_lessons()
            came, seconds = taught.result, round(taught.seconds, 1)
            logger().info("lesson_ended", agent=came.agent, rows=came.rows, error=came.error, seconds=seconds)

    def _publish(self) -> None:
        with self._office.store.transaction() as session:
            entries = Ledger(session).read(self._outbox.seq)
        self._outbox.send(self._service, entries)
        self._meter.entries.update(entry.kind for entry in entries)
        for entry in entries:
            # Without `who` and `why`: a person's name, and whatever that person wrote.
            logger().info("ledger_written", kind=entry.kind, slot=entry.slot, agent=entry.agent, epoch=entry.epoch)


def _office(service: Service) -> FrontOffice:
    """The books; a manager that Ray starts again waits for a store that is away, a first one is refused."""
    while True:
        try:
            return FrontOffice.open(service)
        except StoreError as error:
            if not ray.get_runtime_context().was_current_actor_reconstructed:
                raise
            logger().warning("manager_waits", error=str(error))
            time.sleep(RETRY_S)


def _done(references: Collection[ray.ObjectRef[Came]]) -> list[ray.ObjectRef[Came]]:
    """Those of some tasks that have ended, without waiting for any."""
    if not references:
        return []
    done, _ = ray.wait(list(references), num_returns=len(references), timeout=0)
    return list(done)


def _status(lane: ActorHandle) -> LaneStatus | None:
    try:
        found: LaneStatus | None = ray.get(lane.status.remote(), timeout=LANE_WAIT_S)
    except (RayActorError, GetTimeoutError):
        return None
    return found


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000

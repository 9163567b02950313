"""Ray: feeds closed cohorts to the manager's pure functions, and persists and carries out what they decide."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import ray
from msgspec.structs import replace
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from agents.genome import Genome
from rlfa.config import Service
from rlfa.free_agency.events import TrainingRequested
from rlfa.free_agency.manager import step
from rlfa.free_agency.scouting import BanditScout
from rlfa.free_agency.state import Candidate, ManagerState, Request
from rlfa.hosts.scoring import AgentRef
from rlfa.lanes.session import LaneStatus
from rlfa.lineup.plan import Plan, read_plan, write_plan
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime, Lineup, SlotId
from rlfa.outcomes import journal, log
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.database import Store, StoreError
from rlfa.store.ledger import Ledger, entries_of
from rlfa.store.outbox import Outbox
from rlfa.store.rewards import Rewards, rewards_of
from rlfa.telemetry import configure_logs, logger
from rlfa.trainers.actor import Delivery, Order, train_candidate
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.training import window
from streams.errors import StreamsError

POLL_S = 0.1
RETRY_S = 1.0
LANE_WAIT_S = 2.0
POLICY = "threshold"


class ManagerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the manager says of itself: the newest cohort taken, and trainings under way."""

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
        configure_logs(service.settings.log_level)
        self._service = service
        self._lanes: list[ActorHandle] = [ray.get_actor(name) for name in lanes]
        self._store = Store.open(service.database)
        self._state = _last_state(self._store)
        self._scout = BanditScout(tuple(service.settings.genomes))
        self._waiting: deque[tuple[SlotId, Request]] = deque()
        self._orders: dict[ray.ObjectRef[Delivery], Request] = {}
        self._delivered: list[Candidate] = []
        self._outbox = Outbox(service.state / "roster-events.cursor")
        self._stop = threading.Event()

    def run(self) -> None:
        """Take cohorts as they close, until `stop`; a store or broker that is away only delays that."""
        self._order_again()
        self._push(self._state.lineup)
        while not self._stop.is_set():
            try:
                progressed = self._advance()
            except (StoreError, StreamsError) as error:
                logger().warning("manager_waits", error=str(error))
                self._stop.wait(RETRY_S)
                self._state_again()
                continue
            if not progressed:
                self._stop.wait(POLL_S)

    def stop(self) -> None:
        """Finish the cohort in hand and let `run` return; trainings are given up, and ordered again after a restart."""
        self._stop.set()

    def status(self) -> ManagerStatus:
        """For the demo, the dashboard and people."""
        return ManagerStatus(
            day=self._state.day, epoch=self._state.epoch, training=len(self._waiting) + len(self._orders)
        )

    def pid(self) -> int:
        """For tests that kill it."""
        return os.getpid()

    def _state_again(self) -> None:
        """A write without an answer may have landed: the ledger says where we are."""
        with suppress(StoreError):
            self._state = _last_state(self._store)

    def _advance(self) -> bool:
        """Take one step of whatever is due; False when nothing is."""
        self._collect()
        now = self._event_time()
        if now is None:
            return False
        closed = [day for day in log.closed_days(self._service.outcomes) if day > self._state.day]
        if closed:
            self._take(closed[0], now)
            return True
        return self._close_next(now)

    def _close_next(self, now: EventTime) -> bool:
        delay = self._service.spec.label_delay_ms
        done = set(log.closed_days(self._service.outcomes))
        for day in journal.days(self._service.journals, journal.DECISIONS):
            if day not in done:
                if (day + 1) * DAY_MS + delay > now:
                    return False
                log.close_day(self._service.journals, self._service.outcomes, Day(day), delay)
                return True
        return False

    def _take(self, day: Day, now: EventTime) -> None:
        """One cohort: the pure step, one SQL transaction, and only then the world."""
        cohort = log.load_cohort(log.path_of(self._service.outcomes, day))
        before, rules = self._state, self._service.settings.free_agency
        state, events = step(before, cohort, self._delivered, rules, now, scout=self._scout)
        entries = entries_of(events, state, at=now, recorded_at=_wall_ms(), policy=POLICY)
        with self._store.transaction() as session:
            Ledger(session).append(entries)
            Rewards(session).add(rewards_of(events, before.lineup))
        self._state, self._delivered = state, []
        if state.lineup != before.lineup:
            self._push(state.lineup)
        self._order([e for e in events if isinstance(e, TrainingRequested)])
        self._publish()

    def _push(self, lineup: Lineup) -> None:
        """The file first, for lanes that start; then every lane that lives, without waiting for any."""
        path = self._service.lineup_file
        with self._store.transaction() as session:
            refs = tuple(_ref(Agents(session).get(agent)) for agent in lineup.agents)
        plan = Plan(lineup=lineup, refs=refs)
        if not path.exists() or read_plan(path) != plan:
            write_plan(plan, path)
        for lane in self._lanes:
            lane.set_plan.remote(plan)
        logger().info("lineup_sent", epoch=lineup.epoch, agents=len(refs))

    def _event_time(self) -> EventTime | None:
        """How far every lane has come; None while one is away."""
        times = [status.event_time if status else None for status in map(_status, self._lanes)]
        known = [time for time in times if time is not None]
        return EventTime(min(known)) if len(known) == len(times) else None

    def _order_again(self) -> None:
        """Trainings that the ledger has as open died with the last manager."""
        for request in self._state.requests:
            slot = next(s.id for s in self._state.slots if request in s.requests)
            self._waiting.append((slot, request))
        self._submit_next()

    def _order(self, events: Sequence[TrainingRequested]) -> None:
        for event in events:
            wanted = Request(id=event.request, family=event.family, genome_of=event.genome_of, day=event.day)
            self._waiting.append((event.slot, wanted))
        self._submit_next()

    def _submit_next(self) -> None:
        """As many trainings as are allowed at once."""
        while self._waiting and len(self._orders) < self._service.settings.trainers.concurrent_max:
            self._submit(*self._waiting.popleft())

    def _submit(self, slot: SlotId, request: Request) -> None:
        with self._store.transaction() as session:
            incumbent = next(s.incumbent for s in self._state.slots if s.id == slot)
            ref = _ref(Agents(session).get(incumbent))
            genome = self._genome(session_agents=Agents(session), request=request)
        days = window(log.closed_days(self._service.outcomes), self._service.settings.trainers.window_days)
        order = Order(
            request=request.id,
            slot=slot,
            family=request.family,
            genome=genome,
            incumbent=ref,
            days=tuple(days),
        )
        self._orders[train_candidate.remote(self._service, order)] = request
        logger().info("training_ordered", slot=slot, family=request.family, rows=len(days))

    def _genome(self, *, session_agents: Agents, request: Request) -> Genome:
        if request.genome_of:
            return msgspec.json.decode(session_agents.get(request.genome_of).genome, type=Genome)
        return self._service.settings.genomes[request.family]

    def _collect(self) -> None:
        """Take in what the trainers have finished; a trainer that died is a failed training."""
        done, _ = ray.wait(list(self._orders), num_returns=len(self._orders), timeout=0) if self._orders else ([], [])
        for reference in done:
            candidate = self._keep(self._delivery(reference))
            del self._orders[reference]
            self._delivered.append(candidate)
            self._submit_next()
            logger().info("training_ended", slot=candidate.slot, agent=candidate.agent, error=candidate.error)

    def _delivery(self, reference: ray.ObjectRef[Delivery]) -> Delivery:
        request = self._orders[reference]
        try:
            return ray.get(reference)
        except RayTaskError as error:
            slot = SlotId(request.id.split("/")[0])
            failed = Candidate(slot=slot, family=request.family, request=request.id, error=str(error.cause))
            return Delivery(candidate=failed)

    def _keep(self, delivery: Delivery) -> Candidate:
        """Record the agent; one whose id is taken by other weights is a failed training."""
        candidate, ref = delivery.candidate, delivery.ref
        if ref is None:
            return candidate
        with self._store.reading() as session:
            there = {agent.id: agent.checksum for agent in Agents(session).all()}
        if there.get(ref.id, ref.checksum) != ref.checksum:
            return replace(candidate, agent=AgentId(""), error=f"{ref.id} is there already, with other weights")
        with self._store.transaction() as session:
            Agents(session).add(stored(ref, candidate.family, _wall_ms()))
        return candidate

    def _publish(self) -> None:
        with self._store.transaction() as session:
            entries = Ledger(session).read(self._outbox.seq)
        self._outbox.send(self._service, entries)


def _ref(agent: StoredAgent) -> AgentRef:
    return AgentRef(id=agent.id, folder=agent.uri, checksum=agent.checksum)


def _last_state(store: Store) -> ManagerState:
    with store.reading() as session:
        state = Ledger(session).last_state()
    if state is None:
        raise StoreError("ledger", "no entry", "the first lineup, which `rlfa train` writes")
    return state


def _status(lane: ActorHandle) -> LaneStatus | None:
    try:
        found: LaneStatus | None = ray.get(lane.status.remote(), timeout=LANE_WAIT_S)
    except (RayActorError, GetTimeoutError):
        return None
    return found


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000

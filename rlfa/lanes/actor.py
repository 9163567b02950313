"""Ray: a lane as an actor that Ray starts again when it dies."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

import ray
import torch
from ray.actor import ActorHandle

from rlfa.config import Service
from rlfa.hosts.actor import RemoteHostClient, SplitHost
from rlfa.hosts.scoring import Host, HostError, InlineHost
from rlfa.lanes.clients import connect
from rlfa.lanes.intake import intake_of
from rlfa.lanes.session import LaneStatus, Session, held, turns
from rlfa.lanes.watchdog import Watchdog
from rlfa.lineup.plan import Plan, read_plan
from rlfa.lineup.slots import AgentId
from rlfa.metrics.lane import HostCall, LaneMeter
from rlfa.metrics.process import process_report
from rlfa.metrics.reports import LaneReport
from rlfa.metrics.traces import tracer_of
from rlfa.outcomes.journal import Journal
from rlfa.shards.actor import shared_windows
from rlfa.shards.windows import ShardError
from rlfa.telemetry import configure_logs, logger
from streams.errors import StreamsError
from streams.features.snapshot import SnapshotError

RECONNECT_S = 1.0
LOOK_S = 1.0  # an idle lane sees so often whether a shard has lost what it told it


@ray.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0, max_concurrency=8)
class LaneActor:
    """One lane: `run` is its life, the rest are short questions answered beside it.

    Args:
        service: settings and paths.
        lane: its number, 0 to count - 1.
        remote: a `RemoteHost` for the slots that live there, or None.
    """

    def __init__(self, service: Service, lane: int, remote: ActorHandle | None) -> None:
        configure_logs(service.settings.log_level, relay=True)
        torch.set_num_threads(service.settings.lanes.threads)
        self._service, self._lane = service, lane
        self._meter = LaneMeter()
        names = service.settings
        self._tracer = tracer_of(names.traces, names.name, lane, names.topics.transactions)
        self._host = _host(service, intake_of(service).feature_names, remote, self._meter.asked)
        self._plans: SimpleQueue[Plan] = SimpleQueue()
        self._plan = read_plan(service.lineup_file)
        _load(self._host, service, self._plan, self._plan)
        self._stop = threading.Event()
        self._session: Session | None = None
        self._was_hung = self._marker.exists()
        self._marker.unlink(missing_ok=True)
        self._watchdog = Watchdog(service.settings.lanes.turn_limit_s, self._hung)

    def run(self) -> None:
        """Decide until `stop`; after each trouble with the broker, connect and recover anew.

        Raises:
            RlfaError: the state and the broker don't belong together, or a journal can't be written.
            SnapshotError: the snapshot is damaged, or made with another spec.
        """
        while not self._stop.is_set():
            try:
                self._live()
            except SnapshotError:
                raise  # a file that is wrong stays wrong: its line says what to do
            except (StreamsError, HostError, ShardError) as error:
                self._meter.reconnects[type(error).__name__] += 1
                logger().warning("lane_reconnects", lane=self._lane, error=str(error))
                self._stop.wait(RECONNECT_S)
        if self._tracer:
            self._tracer.close()

    def stop(self) -> None:
        """Finish the turn in hand, write a snapshot, and let `run` return."""
        self._stop.set()

    def set_plan(self, plan: Plan) -> None:
        """Load a new lineup's agents now, and play by it from the next batch on."""
        _load(self._host, self._service, plan, self._plan)
        self._plans.put(plan)

    def status(self) -> LaneStatus | None:
        """Counts and event time; None while the lane recovers."""
        session = self._session
        return session.status() if session else None

    def report(self) -> LaneReport:
        """All that is counted here, whatever the lane does at the moment."""
        session = self._session
        status = session.status() if session else None
        raised = session.ration.raised if session else {}
        return LaneReport(
            lane=self._lane,
            process=process_report(status.state_bytes if status else 0),
            counts=self._meter.counts(),
            turn_s=self._watchdog.turn_s,
            status=status,
            reached=session.reached() if session else {},
            alerts_raised=raised[max(raised)] if raised else 0,
            was_hung=self._was_hung,
        )

    def pid(self) -> int:
        """For tests that kill it."""
        return os.getpid()

    def _live(self) -> None:
        self._watchdog.feed()
        clients = connect(self._service, self._lane, self._tracer)
        session = Session(
            service=self._service,
            lane=self._lane,
            intake=intake_of(self._service, shared_windows(self._service)),
            host=self._host,
            journal=Journal(self._service.journals / f"lane-{self._lane}"),
            plan=self._plan,
            clients=clients,
            wall_ms=lambda: time.time_ns() // 1_000_000,
            meter=self._meter,
            tracer=self._tracer,
        )
        try:
            session.recover(self._watchdog.feed)
            _spare_the_collector()
            if self._tracer:
                self._tracer.contexts.clear()  # of what was only replayed
            self._session = session
            turns(session, stopped=self._stop.is_set, between=self._between(session))
            session.snapshot()
            logger().info("lane_stopped", lane=self._lane, decided=session.decided)
        finally:
            self._watchdog.feed()  # a client may hang in its last call as well
            self._session = None
            session.writer.finish()  # the next session's would write to the same file
            session.journal.close()
            clients.close()
            self._watchdog.rest()

    @property
    def _marker(self) -> Path:
        """A file that the watchdog leaves for the next process to tell of."""
        return self._service.state / f"lane-{self._lane}.hung"

    def _between(self, session: Session) -> Callable[[int], None]:
        """After each turn: feed the watchdog, take a new lineup, write a snapshot when it is time."""
        every = self._service.settings.lanes.snapshot_every_s
        last = looked = time.monotonic()

        def between(records: int) -> None:
            nonlocal last, looked
            self._watchdog.feed()
            self._take_newest_plan(session)
            if session.intake.shared and not records and time.monotonic() - looked >= LOOK_S:
                session.intake.shared.look()
                looked = time.monotonic()
            if time.monotonic() - last >= every:
                session.snapshot(beside=True)
                last = time.monotonic()

        return between

    def _take_newest_plan(self, session: Session) -> None:
        try:
            while True:
                self._plan = self._plans.get_nowait()
        except Empty:
            pass
        if self._plan != session.plan:
            if isinstance(self._host, SplitHost):
                self._host.remote_agents = _remote_agents(self._service, self._plan)
            session.use(self._plan)

    def _hung(self) -> None:
        """The watchdog ends the process now; Ray starts it again, and it recovers."""
        logger().error("lane_hung", lane=self._lane, limit_s=self._service.settings.lanes.turn_limit_s)
        self._marker.touch()


def _host(
    service: Service,
    feature_names: tuple[str, ...],
    remote: ActorHandle | None,
    called: Callable[[HostCall], object],
) -> Host:
    inline = InlineHost(feature_names, service.settings.hosts.seal_rules)
    if remote is None:
        return inline
    return SplitHost(inline, RemoteHostClient(remote, service.settings.hosts.wait_s, called))


def _spare_the_collector() -> None:
    """What there is now stays: neither it nor labels that wait for days are worth a walk in the middle of a turn."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def _load(host: Host, service: Service, plan: Plan, current: Plan) -> None:
    """Hold the agents of the plan in force and of the one to come."""
    if isinstance(host, SplitHost):
        host.remote_agents = _remote_agents(service, current) | _remote_agents(service, plan)
    host.load(held(current, plan))


def _remote_agents(service: Service, plan: Plan) -> frozenset[AgentId]:
    """The agents, probationers included, of the slots that the settings place on the remote host."""
    slots = service.settings.hosts.remote_slots
    places = plan.lineup.places
    return frozenset(plan.lineup.version_of(agent) for slot, agent in places if "*" in slots or slot in slots)

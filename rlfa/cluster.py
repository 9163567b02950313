"""Ray: start a local one, or join the cluster that the environment names."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADDRESS = "RAY_ADDRESS"
if ADDRESS not in os.environ:
    # Ray's native library reads these once, when it is imported: a local Ray's settings have to be there before.
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's own switch for "this machine only", on by default elsewhere than on Linux: ports bind to 127.0.0.1.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_worker_niceness": "0",  # lanes come first; trainers lower themselves
    }

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from rlfa.config import Service
from rlfa.errors import RlfaError
from rlfa.free_agency.actor import ManagerActor, ManagerStatus
from rlfa.hosts.actor import REMOTE, RemoteHost
from rlfa.lanes.actor import LaneActor
from rlfa.lanes.intake import intake_of
from rlfa.lanes.session import LaneStatus
from rlfa.metrics.reports import Reports
from rlfa.shards.actor import ShardActor, shard_names
from rlfa.telemetry import logger
from streams.spec import refuse_tables_only

OBJECT_STORE_BYTES = 128 * 2**20  # batches pass through it only on their way to a remote host
LOGICAL_CPUS = 64  # Ray's CPUs are tickets, not cores: lanes, hosts and trainers bound their own threads
LOGICAL_MEMORY_BYTES = 2**45  # tickets too: on one machine a trainer's own bound holds, and nobody waits for memory


class ClusterError(RlfaError):
    """Ray can't be started or joined."""


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Ray for the time of the block: the cluster that `RAY_ADDRESS` names, or a local one that ends with the block.

    A local Ray listens on loopback only, has no dashboard (its job API would run anyone's code), and asks everybody for
    a token that only this process and its children know.

    Raises:
        ClusterError: Ray doesn't start, or the cluster doesn't answer.
    """
    address = os.environ.get(ADDRESS)
    try:
        _join(address) if address else _start(folder)
    except (RuntimeError, ConnectionError, ValueError, OSError) as error:
        raise ClusterError(f"Ray at {address or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _join(address: str) -> None:
    ray.init(address=address, log_to_driver=False, configure_logging=False, namespace="rlfa")
    logger().info("ray_joined", url=address)


def _start(folder: Path) -> None:
    ray.init(
        address="local",
        namespace="rlfa",
        include_dashboard=False,
        num_cpus=LOGICAL_CPUS,
        _memory=LOGICAL_MEMORY_BYTES,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        configure_logging=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
        _temp_dir=_temp_dir(folder),
    )
    logger().info("ray_started", folder=str(folder))


def _temp_dir(folder: Path) -> str:
    """Ray's sockets live there, and a socket's path may have 107 bytes: a deep folder doesn't do."""
    wanted = folder.resolve() / "ray"
    if len(str(wanted)) < 40:
        return str(wanted)
    return tempfile.mkdtemp(prefix="rlfa-ray-")


@dataclass(slots=True)
class RunningService:
    """A started service: handles of its actors.

    Attributes:
        lanes: a `LaneActor` each.
        shards: a `ShardActor` each.
        manager: the `ManagerActor`.
        host: the `RemoteHost`, where some slot lives remotely.
        lives: of each lane, the reference that is ready when its `run` has returned or failed for good.
        managing: the same of the manager.
    """

    lanes: list[ActorHandle]
    shards: list[ActorHandle]
    manager: ActorHandle
    host: ActorHandle | None
    lives: list[ray.ObjectRef[None]]
    managing: ray.ObjectRef[None]

    def statuses(self, wait_s: float = 5.0) -> list[LaneStatus | None]:
        """Of each lane, None while it starts or recovers."""
        return [_ask(lane.status, wait_s) for lane in self.lanes]

    def manager_status(self, wait_s: float = 5.0) -> ManagerStatus | None:
        """None while the manager is away."""
        found: ManagerStatus | None = _ask(self.manager.status, wait_s)
        return found

    def failure(self) -> str | None:
        """Why a lane has ended although nobody stopped it, in one line."""
        ended, _ = ray.wait(self.lives, num_returns=1, timeout=0)
        if not ended:
            return None
        try:
            ray.get(ended[0])
        except RayTaskError as error:
            return str(error.cause)
        return "a lane has ended"

    def reports(self, wait_s: float = 2.0) -> Reports:
        """Everybody's, asked at once; None of who doesn't answer in time."""
        others = {f"shard-{i}": shard for i, shard in enumerate(self.shards)}
        others |= {REMOTE: self.host} if self.host else {}
        asked = [actor.report.remote() for actor in (*self.lanes, self.manager, *others.values())]
        ready, _ = ray.wait(asked, num_returns=len(asked), timeout=wait_s)
        answers = [_answer(reference) if reference in ready else None for reference in asked]
        count = len(self.lanes)
        return Reports(
            lanes=dict(enumerate(answers[:count])),
            manager=answers[count],
            others=dict(zip(others, answers[count + 1 :], strict=True)),
        )

    def stop(self, wait_s: float = 20.0) -> None:
        """Drain, then end."""
        self.drain(wait_s)
        self.end()

    def drain(self, wait_s: float) -> bool:
        """Let the manager finish its cohort and each lane commit what it has in hand.

        Returns:
            Whether all of them have within the time; who hasn't goes on from its last commit next time.
        """
        for actor in (self.manager, *self.lanes):
            actor.stop.remote()
        lives, began = [*self.lives, self.managing], time.monotonic()
        ended, _ = ray.wait(lives, num_returns=len(lives), timeout=wait_s)
        left = max(wait_s - (time.monotonic() - began), 1.0)
        kept = [shard.keep.remote() for shard in self.shards]
        if kept:
            ray.wait(kept, num_returns=len(kept), timeout=left)
        return len(ended) == len(lives)

    def end(self) -> None:
        """End every actor's process: what is left of them holds names and memory, and nothing else."""
        for actor in (*self.lanes, *self.shards, self.manager, *([self.host] if self.host else [])):
            ray.kill(actor)


def start_service(service: Service) -> RunningService:
    """Start hosts, lanes and the manager on the Ray that `cluster` has started or joined.

    Raises:
        RlfaError: an actor can't be constructed: no lineup yet, an agent's weights are wrong, a folder isn't writable.
        streams.errors.SpecError: a spec that only a table can be read with.
    """
    settings = service.settings
    refuse_tables_only(service.spec, settings.stream)
    host = None
    if settings.hosts.remote_slots:
        options = RemoteHost.options(num_gpus=settings.hosts.gpus)  # type: ignore[attr-defined]  # made by Ray's decorator
        host = options.remote(
            intake_of(service).feature_names, settings.lanes.threads, settings.hosts.seal_rules, settings.log_level
        )
    names = tuple(f"{settings.name}-lane-{i}" for i in range(settings.lanes.count))
    shards = [ShardActor.options(name=name).remote(service, i) for i, name in enumerate(shard_names(service))]  # type: ignore[attr-defined]  # made by Ray's decorator
    lanes = [LaneActor.options(name=name).remote(service, i, host) for i, name in enumerate(names)]  # type: ignore[attr-defined]  # made by Ray's decorator
    try:
        ray.get([shard.pid.remote() for shard in shards])
        ray.get([lane.pid.remote() for lane in lanes])
        manager = ManagerActor.remote(service, names)  # type: ignore[attr-defined]  # made by Ray's decorator
        ray.get(manager.pid.remote())
    except RayActorError as error:
        raise ClusterError(_cause(error)) from error
    lives = [lane.run.remote() for lane in lanes]
    managing = manager.run.remote()
    logger().info("service_started", lanes=len(lanes))
    if settings.free_agency.exploration.is_blind:
        logger().warning(
            "agents_are_not_judged",
            why="free_agency.exploration: declined payments have no labels and none passes; set share, or "
            "declined_labels = 'all' where their truth comes back",
        )
    return RunningService(lanes, shards, manager, host, lives, managing)


def _ask(method: Any, wait_s: float) -> Any:  # Ray's methods are untyped
    """An actor's answer, or None where it is away or slow: nobody waits for a single actor."""
    return _answer(method.remote(), wait_s)


def _answer(reference: Any, wait_s: float = 0.0) -> Any:
    try:
        return ray.get(reference, timeout=wait_s)
    except (RayActorError, GetTimeoutError):
        return None


def _cause(error: RayActorError) -> str:
    """The line of our own error at the bottom of Ray's report."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "an actor could not be started"

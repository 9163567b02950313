"""`rlfa serve`: the service, in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rlfa.cluster import cluster, start_service
from rlfa.config import Service, load_service
from rlfa.errors import RlfaError
from rlfa.metrics.watching import watching
from rlfa.telemetry import configure_logs, logger

CHECK_S = 0.5
CLUSTERS = "free_agency.probation.cluster_entities"
Config = Annotated[Path, typer.Option("--config", "-c", help="The service's settings.")]


def serve(config: Config = Path("rlfa.toml")) -> None:
    """Decide on transactions until told to stop; then commit what is in hand, within `drain_s`.

    Example: rlfa serve --config rlfa.toml
    """
    service = load_service(config)
    configure_logs(service.settings.log_level)
    if warning := cluster_warning(service):
        typer.echo(warning, err=True)
    stopped = threading.Event()
    _set_on_signals(stopped)
    with watching(service) as watch, cluster(service.state):
        _set_on_signals(stopped)  # Ray has put its own in their place, which abort
        running = start_service(service)
        failure = None
        ask = partial(running.reports, service.settings.metrics.answer_s)
        with watch.running(ask, partial(typer.echo, err=True)):
            while failure is None and not stopped.wait(CHECK_S):
                watch.beat()
                failure = running.failure()
            watch.stops()
            is_drained = running.drain(service.settings.drain_s)
        running.end()
    if failure:
        raise RlfaError(failure)
    if not is_drained:
        logger().warning("drain_cut_short", limit_s=service.settings.drain_s)
    logger().info("service_stopped")


def _set_on_signals(stopped: threading.Event) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stopped.set())


def cluster_warning(service: Service) -> str:
    """What the test's error bound rests on, where nobody said what fraud takes over; else empty."""
    if service.settings.free_agency.probation.cluster_entities:
        return ""
    return f"{CLUSTERS}: none is named, so all count ({', '.join(service.spec.entities)}); name what fraud takes over"

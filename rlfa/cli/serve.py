"""`rlfa serve`: the service, in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from rlfa.cluster import cluster, start_service
from rlfa.config import load_service
from rlfa.errors import RlfaError
from rlfa.telemetry import configure_logs, logger

CHECK_S = 0.5
Config = Annotated[Path, typer.Option("--config", "-c", help="The service's settings.")]


def serve(config: Config = Path("rlfa.toml")) -> None:
    """Decide on transactions until told to stop.

    Example: rlfa serve --config rlfa.toml
    """
    service = load_service(config)
    configure_logs(service.settings.log_level)
    stopped = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stopped.set())
    with cluster(service.state):
        running = start_service(service)
        failure = None
        while failure is None and not stopped.wait(CHECK_S):
            failure = running.failure()
        running.stop()
    if failure:
        raise RlfaError(failure)
    logger().info("service_stopped")

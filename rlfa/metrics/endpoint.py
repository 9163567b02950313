"""HTTP: `/metrics` for Prometheus, `/livez` and `/readyz` for probes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rlfa.errors import ConfigError
from rlfa.metrics.exposition import Sample, registry, samples_of
from rlfa.metrics.health import Health
from rlfa.metrics.settings import MetricsSettings
from rlfa.telemetry import logger

REQUEST_S = 10.0  # a client that takes longer to send its request is hung up on
CHECK_S = 0.1  # whether it shall end
TEXT = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Endpoint:
    """What listens; it answers only within `serving`.

    Args:
        settings: where.
        health: what it tells.
        alert_budget: of the settings, alerts a day.

    Raises:
        ConfigError: the address can't be listened on.
    """

    settings: MetricsSettings
    health: Health
    alert_budget: int
    _server: _Server = field(init=False)

    def __post_init__(self) -> None:
        host, port = self.settings.host, self.settings.port
        try:
            self._server = _Server(host, port, registry(self._samples), self.health)
        except OSError as error:
            raise ConfigError("metrics.host, port", f"{host}:{port} ({error.strerror})", "a free address") from error

    @property
    def url(self) -> str:
        """Of what it serves, without a path."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer for the time of the block."""
        threading.Thread(target=self._server.serve_forever, args=(CHECK_S,), name="endpoint", daemon=True).start()
        logger().info("metrics_served", url=f"{self.url}/metrics")
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _samples(self) -> Iterator[Sample]:
        is_ready = not self.health.not_ready(time.monotonic())
        return samples_of(self.health.seen, alert_budget=self.alert_budget, is_ready=is_ready)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, scraped: CollectorRegistry, health: Health) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.scraped = scraped
        self.probes: dict[str, Callable[[float], str]] = {"/livez": health.not_live, "/readyz": health.not_ready}
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without asking the name service for the address's name, as the base class does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_S

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, kind, encode(self.server.scraped))
        elif path in self.server.probes:
            reason = self.server.probes[path](time.monotonic())
            status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
            self._answer(status, TEXT, f"{reason or 'ok'}\n".encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, TEXT, b"found nothing here, allowed: /metrics, /livez, /readyz\n")

    def log_message(self, *_: object) -> None:
        """A line per scrape is no event."""

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

"""An OpenTelemetry collector, as far as an exporter can tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What it was sent so far."""

    url: str
    requests: list[ExportTraceServiceRequest] = field(default_factory=list, repr=False)

    @property
    def services(self) -> set[str]:
        """Who sent it."""
        attributes = [a for r in self.requests for resource in r.resource_spans for a in resource.resource.attributes]
        return {a.value.string_value for a in attributes if a.key == "service.name"}

    @property
    def names(self) -> list[str]:
        """Of all spans."""
        scopes = [scope for r in self.requests for resource in r.resource_spans for scope in resource.scope_spans]
        return [span.name for scope in scopes for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen on loopback for the time of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_port}/v1/traces")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()

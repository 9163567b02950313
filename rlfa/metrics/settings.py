"""How the service shows itself: metrics and traces."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class MetricsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The endpoint of `rlfa serve` and `rlfa demo`: `/metrics`, `/livez`, `/readyz`."""

    enabled: bool = True
    """Whether there is one; the looks of `every_s` bring actors' log lines too, and go on without it."""
    host: str = "127.0.0.1"
    """Address that it listens on; anything but loopback shows it to others, without a login."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 9464
    """Port; 0 takes a free one, and the log says which."""
    every_s: Annotated[float, Meta(ge=0.1, le=60)] = 2.0
    """Seconds between two looks at lanes, manager, hosts and the broker's offsets."""
    answer_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """How long a look waits for their answers; who is late is missing from it."""
    ready_turn_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    """The service is ready while no lane takes longer than this for a batch."""
    ready_lag_s: Annotated[float, Meta(gt=0, le=604_800)] = 60.0
    """And while no partition of transactions has been behind for longer than this."""
    live_s: Annotated[float, Meta(gt=1, le=3600)] = 30.0
    """The service is live while its main loop was there within this time, and ready while it was looked at."""


class TraceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """OpenTelemetry traces, extra `otel`: a span per batch, a child for each of its stages."""

    enabled: bool = False
    """Whether lanes make them."""
    endpoint: str = ""
    """OTLP over HTTP, e.g. `http://127.0.0.1:4318/v1/traces`; empty: OpenTelemetry's own environment variables."""
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Of the batches that are traced, by chance."""

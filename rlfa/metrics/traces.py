"""OpenTelemetry traces: a span per batch, with a child for each stage and links to whoever sent its transactions.

A batch that isn't committed leaves no span: it is decided again, in another one.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlfa.errors import ConfigError
from rlfa.metrics.batches import BatchLog

if TYPE_CHECKING:  # an extra: without it nothing here is ever called
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link, Span

    from rlfa.metrics.settings import TraceSettings

TRACEPARENT = "traceparent"  # W3C Trace Context, in Kafka's headers as in HTTP's
LINKS_MAX = 128  # OpenTelemetry's own default for a span


@dataclass(slots=True)
class BatchTracer:
    """Spans of one lane; without it a lane pays for nothing here.

    Args:
        provider: makes spans and sends them.
        lane: its number.
        topic: that it reads.
    """

    provider: TracerProvider
    lane: int
    topic: str
    contexts: deque[bytes] = field(default_factory=lambda: deque(maxlen=LINKS_MAX))
    """Where the lane's reader puts the `traceparent` of each record."""
    _span: Span | None = None

    def begin(self, batch: BatchLog) -> None:
        """A batch was read."""
        from opentelemetry.trace import SpanKind

        self._span = self.provider.get_tracer("rlfa").start_span(
            f"process {self.topic}",
            kind=SpanKind.CONSUMER,
            links=self._links(),
            start_time=_wall_ns(batch, batch.began),
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": self.topic,
                "rlfa.lane": self.lane,
            },
        )
        self.contexts.clear()

    def headers(self) -> list[tuple[str, bytes]]:
        """What the batch's decisions carry, so that who reads them can link to it."""
        from opentelemetry.trace import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = dict[str, str]()
        if self._span is not None:
            TraceContextTextMapPropagator().inject(carrier, set_span_in_context(self._span))
        return [(TRACEPARENT, carrier[TRACEPARENT].encode())] if TRACEPARENT in carrier else []

    def end(self, batch: BatchLog, records: int) -> None:
        """The batch is committed: its stages become spans."""
        from opentelemetry.trace import set_span_in_context

        span, self._span = self._span, None
        if span is None:
            return
        tracer, parent = self.provider.get_tracer("rlfa"), set_span_in_context(span)
        before = batch.began
        for stage, end in batch.ends:
            child = tracer.start_span(stage, parent, start_time=_wall_ns(batch, before))
            child.end(_wall_ns(batch, end))
            before = end
        span.set_attribute("messaging.batch.message_count", records)
        if batch.rows is not None:
            span.set_attribute("rlfa.epoch", batch.rows.epoch)
            span.set_attribute("rlfa.degraded", bool(batch.rows.degraded.any()))
        span.end(_wall_ns(batch, before))

    def close(self) -> None:
        """Send what waits."""
        self.provider.shutdown()

    def _links(self) -> list[Link]:
        """To the spans that the records came with, each once."""
        from opentelemetry.trace import Link, get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        read = TraceContextTextMapPropagator()
        texts = dict.fromkeys(context.decode("ascii", "replace") for context in self.contexts)
        found = [get_current_span(read.extract({TRACEPARENT: text})).get_span_context() for text in texts]
        return [Link(context) for context in found if context.is_valid]


def tracer_of(settings: TraceSettings, service: str, lane: int, topic: str) -> BatchTracer | None:
    """A lane's tracer, None where the settings want none.

    Args:
        settings: where to, and how many.
        service: its name.
        lane: its number.
        topic: that it reads.
    """
    if not settings.enabled:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

    provider = TracerProvider(
        sampler=TraceIdRatioBased(settings.share),
        resource=Resource.create({"service.name": service}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.endpoint or None)))
    return BatchTracer(provider, lane, topic)


def refuse_without_library(settings: TraceSettings, where: str) -> None:
    """Refuse settings that want traces from an installation that can't make them.

    Raises:
        ConfigError: the extra isn't installed.
    """
    if not settings.enabled:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401  # what `tracer_of` will import
    except ImportError as error:
        allowed = "false without the extra: pip install 'rlfa[otel]'"
        raise ConfigError(f"{where} traces.enabled", True, allowed) from error


def _wall_ns(batch: BatchLog, at: float) -> int:
    """A moment of the batch's clock as Unix time: the clock only counts from some moment on."""
    return time.time_ns() - round((batch.clock() - at) * 1e9)

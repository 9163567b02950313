"""A span per committed batch, its stages as children, W3C contexts in from the records and out with the decisions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from rlfa.errors import ConfigError
from rlfa.metrics.batches import STAGES, BatchLog
from rlfa.metrics.settings import TraceSettings
from rlfa.metrics.traces import TRACEPARENT, BatchTracer, refuse_without_library, tracer_of
from streams.kafka.admin import Admin, TopicInfo
from streams.kafka.confluent import ConfluentSource, ConfluentTransactionalSink
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import Message
from tests.rlfa.metrics.collector import Collector, collecting

SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # the example of the W3C's recommendation


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> BatchTracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return BatchTracer(provider, lane=3, topic="transactions")


def traced(tracer: BatchTracer) -> None:
    batch = BatchLog()
    batch("consume")
    tracer.begin(batch)
    for stage in STAGES[1:]:
        batch(stage)
    tracer.end(batch, 5)


def spans(exported: InMemorySpanExporter) -> tuple[ReadableSpan, list[ReadableSpan]]:
    *children, root = exported.get_finished_spans()
    return root, children


def test_a_batch_is_a_span_and_its_stages_follow_one_another_within_it(
    tracer: BatchTracer, exported: InMemorySpanExporter
) -> None:
    traced(tracer)
    root, children = spans(exported)
    assert (root.name, root.kind, root.parent) == ("process transactions", SpanKind.CONSUMER, None)
    assert root.attributes is not None
    assert (root.attributes["rlfa.lane"], root.attributes["messaging.batch.message_count"]) == (3, 5)
    assert [child.name for child in children] == list(STAGES)
    assert {child.parent.span_id for child in children if child.parent} == {root.context.span_id}
    for before, after in pairwise(children):
        assert before.start_time is not None
        assert after.end_time is not None
        assert before.start_time <= after.end_time


def test_a_batch_links_once_to_each_span_that_its_records_came_with(
    tracer: BatchTracer, exported: InMemorySpanExporter
) -> None:
    tracer.contexts.extend([SENDER.encode(), SENDER.encode(), b"nonsense", b"\xff"])
    traced(tracer)
    traced(tracer)
    first, second = (s for s in exported.get_finished_spans() if s.parent is None)
    assert [f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in first.links] == [SENDER[3:-3]]
    assert second.links == ()


def test_decisions_carry_the_context_of_their_batch(tracer: BatchTracer, exported: InMemorySpanExporter) -> None:
    assert tracer.headers() == []
    batch = BatchLog()
    tracer.begin(batch)
    headers = tracer.headers()
    tracer.end(batch, 0)
    root, _ = spans(exported)
    ((name, value),) = headers
    version, trace, parent, _flags = value.decode().split("-")
    assert (name, version) == (TRACEPARENT, "00")
    assert (trace, parent) == (f"{root.context.trace_id:032x}", f"{root.context.span_id:016x}")


def test_a_batch_that_is_never_committed_leaves_no_span(tracer: BatchTracer, exported: InMemorySpanExporter) -> None:
    tracer.begin(BatchLog())
    traced(tracer)
    assert len([s for s in exported.get_finished_spans() if s.parent is None]) == 1


def test_contexts_pass_through_the_broker_in_headers(noida: EmbeddedBroker, tracer: BatchTracer) -> None:
    kafka = KafkaSettings(bootstrap_servers=noida.bootstrap_servers)
    admin = Admin(kafka)
    admin.create([TopicInfo("traced", 1, 1)])
    admin.close()
    source = ConfluentSource(kafka, "traced", tracer.contexts)
    sink = ConfluentTransactionalSink(kafka, "traced", 10.0, lambda: [(TRACEPARENT, SENDER.encode())])
    sink.commit([Message("traced", b"k", b"v")] * 2, {}, source)
    source.assign({("traced", 0): 0})
    read = 0
    while read < 2:
        read += len(source.consume(10, 1.0))
    assert list(tracer.contexts) == [SENDER.encode()] * 2
    sink.close()
    source.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def test_spans_reach_a_collector_by_the_time_that_the_lane_has_stopped(collector: Collector) -> None:
    tracer = tracer_of(TraceSettings(enabled=True, endpoint=collector.url), "shop", 0, "transactions")
    assert tracer is not None
    traced(tracer)
    tracer.close()
    assert collector.services == {"shop"}
    assert sorted(collector.names) == sorted(["process transactions", *STAGES])


def test_without_traces_there_is_no_tracer() -> None:
    assert tracer_of(TraceSettings(), "shop", 0, "transactions") is None


def test_traces_without_their_library_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    refuse_without_library(TraceSettings(), "rlfa.toml")
    with pytest.raises(ConfigError, match=r"rlfa.toml traces.enabled: found True, allowed: false without the extra"):
        refuse_without_library(TraceSettings(enabled=True), "rlfa.toml")

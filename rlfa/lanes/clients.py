"""A lane's Kafka clients, made in the order that exactness needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlfa.config import Service
from rlfa.lanes.session import Clients
from rlfa.metrics.traces import BatchTracer
from streams.kafka.at_least_once import AtLeastOnceSink
from streams.kafka.confluent import ConfluentSource, ConfluentTransactionalSink
from streams.kafka.sink import Headers, Sink


def group_of(service: Service) -> str:
    """The consumer group whose committed offsets all lanes of a service share."""
    return f"{service.settings.name}-lanes"


def connect(service: Service, lane: int, tracer: BatchTracer | None = None) -> Clients:
    """Fence every older producer of this lane, and only then make the clients that read committed offsets.

    Args:
        service: settings.
        lane: its number.
        tracer: is told what records come with, and tells what decisions go with.

    Raises:
        streams.errors.StreamsError: the broker doesn't answer in time, or refuses.
    """
    kafka, group = service.settings.kafka, group_of(service)
    producers = _producers(service, lane, tracer.headers if tracer else list)
    transactions = ConfluentSource(kafka, group, tracer.contexts if tracer else None)
    return Clients(transactions, ConfluentSource(kafka, group), producers)


def _producers(service: Service, lane: int, headers: Callable[[], Headers]) -> Sequence[Sink]:
    kafka, settings = service.settings.kafka, service.settings.lanes
    if settings.delivery == "at-least-once":
        return [AtLeastOnceSink(kafka, settings.commit_interval_ms / 1000, settings.commit_timeout_s, headers)]
    return [
        ConfluentTransactionalSink(
            kafka, f"{service.settings.name}-lane-{lane}-{i}", settings.commit_timeout_s, headers
        )
        for i in range(settings.producers)
    ]

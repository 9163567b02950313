"""A lane's Kafka clients, made in the order that exactness needs."""

from __future__ import annotations

from rlfa.config import Service
from rlfa.lanes.session import Clients
from streams.kafka.confluent import ConfluentSource, ConfluentTransactionalSink


def group_of(service: Service) -> str:
    """The consumer group whose committed offsets all lanes of a service share."""
    return f"{service.settings.name}-lanes"


def connect(service: Service, lane: int) -> Clients:
    """Fence every older producer of this lane, and only then make the clients that read committed offsets.

    Raises:
        streams.errors.StreamsError: the broker doesn't answer in time, or refuses.
    """
    kafka, settings = service.settings.kafka, service.settings.lanes
    producers = [
        ConfluentTransactionalSink(kafka, f"{service.settings.name}-lane-{lane}-{i}", settings.commit_timeout_s)
        for i in range(settings.producers)
    ]
    group = group_of(service)
    return Clients(ConfluentSource(kafka, group), ConfluentSource(kafka, group), producers)

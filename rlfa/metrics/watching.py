"""Endpoint, health and observer around a service, from before it starts until after it has stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rlfa.config import Service
from rlfa.lanes.clients import group_of
from rlfa.metrics.endpoint import Endpoint
from rlfa.metrics.health import Health
from rlfa.metrics.observer import Observer, Seen
from rlfa.metrics.reports import Reports
from streams.kafka.offsets import OffsetReader


@dataclass(slots=True)
class Watching:
    """The service's side of its endpoint.

    Attributes:
        url: of the endpoint, without a path; empty where there is none.
        health: what probes are told.
    """

    service: Service
    url: str
    health: Health

    def beat(self) -> None:
        """The main loop is there."""
        self.health.beat = time.monotonic()

    def stops(self) -> None:
        """It is no longer ready; looks go on."""
        self.health.phase = "stops"

    @contextmanager
    def running(self, ask: Callable[[], Reports], heard: Callable[[str], object] = bool) -> Iterator[None]:
        """The service has started; it has stopped by the end of the block.

        Args:
            ask: everybody for a report, within `answer_s`.
            heard: told each line that an actor has logged.
        """

        def see(seen: Seen) -> None:
            self.health.seen = seen
            for process in seen.reports.processes.values():
                for line in process.log if process else ():
                    heard(line)

        settings, topics = self.service.settings, self.service.settings.topics
        reader = OffsetReader(settings.kafka, group_of(self.service), settings.metrics.answer_s)
        wanted = (topics.transactions, topics.labels)
        observer = Observer(ask, lambda: reader.look(wanted), see, settings.metrics.every_s)
        self.beat()
        self.health.phase = "runs"
        observer.start()
        try:
            yield
        finally:
            self.stops()
            observer.stop()


@contextmanager
def watching(service: Service) -> Iterator[Watching]:
    """Serve `/metrics`, `/livez` and `/readyz` for the time of the block, where the settings want it.

    Raises:
        ConfigError: the address can't be listened on.
    """
    settings = service.settings
    health = Health(settings.metrics, settings.topics.transactions)
    if not settings.metrics.enabled:
        yield Watching(service, "", health)
        return
    endpoint = Endpoint(settings.metrics, health, settings.free_agency.costs.alert_budget_per_day)
    with endpoint.serving():
        yield Watching(service, endpoint.url, health)

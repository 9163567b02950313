"""`rlfa demo`: the whole loop on embedded parts, from a month of history to a swap."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rlfa.cli.demo_screen import Screen
from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.cluster import RunningService, cluster, start_service
from rlfa.config import Service, load_service
from rlfa.errors import RlfaError
from rlfa.metrics.watching import Watching, watching
from rlfa.telemetry import configure_logs
from streams.kafka.audit import Audit, audit_decisions
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.producer import Producer
from streams.replay import Stretch, Topics, in_event_time_order, publish
from streams.synthetic import DEMO_DAYS, DEMO_HISTORY_DAYS, Simulator, demo_scenario
from streams.synthetic.messages import chunks

FILES = Path(__file__).parent / "demo_files"
DAY_LIMIT_S = 120.0
TRAININGS_LIMIT_S = 900.0  # several, one after the other, beside everything else on a busy machine
POLL_S = 0.05
WARM_UP_DAYS = DEMO_HISTORY_DAYS


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo works; made anew.")] = Path(".rlfa/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated portfolio.")] = 0,
    days: Annotated[int, typer.Option(min=31, max=DEMO_DAYS, help="Days of event time, history included.")] = DEMO_DAYS,
) -> None:
    """Watch fraud change, the incumbents slip, and free agents win their slots.

    Example: rlfa demo
    """
    configure_logs("error")
    console = Console()
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    simulator = Simulator(demo_scenario(), seed)
    with EmbeddedBroker() as broker:
        console.print(f"broker: noida-db at {broker.bootstrap_servers}, in memory")
        service = _configured(folder, broker.bootstrap_servers)
        create_topics(service)
        plan = learn(service, chunks(simulator, 0, WARM_UP_DAYS), console)
        with watching(service) as watch, cluster(service.state):
            console.print("ray: local, on loopback, with token authentication, no dashboard")
            console.print(f"metrics: {watch.url}/metrics, health at /livez and /readyz")
            running = start_service(service)
            screen = Screen(console, service, plan)
            try:
                with watch.running(running.reports):
                    published = _stream(service, running, watch, screen, simulator, days)
            finally:
                running.stop()
        found = audit_decisions(service.settings.kafka, service.settings.topics.decisions)
    screen.summary(published, found, time.monotonic() - began)
    _refuse_gaps(published, found)


def _configured(folder: Path, bootstrap_servers: str) -> Service:
    for name in ("rlfa.toml", "stream.toml"):
        text = (FILES / name).read_text().replace("BOOTSTRAP_SERVERS", bootstrap_servers)
        (folder / name).write_text(text)
    return load_service(folder / "rlfa.toml")


def _stream(
    service: Service, running: RunningService, watch: Watching, screen: Screen, simulator: Simulator, days: int
) -> int:
    """Publish day after day; event time waits for the service, and while an agent trains."""
    names = service.settings.topics
    topics = Topics(transactions=names.transactions, labels=names.labels)
    producer = Producer(service.settings.kafka)
    published = 0
    for day in _days(simulator, days):
        began = time.monotonic()
        published += publish([day.stretch], producer, topics).transactions
        _wait_until_decided(running, watch, published)
        screen.day(day.number, day.transactions, time.monotonic() - began)
        _wait_until_judged(service, running, watch, day.number, simulator)
        screen.news()
    producer.close()
    return published


@dataclass(frozen=True, slots=True)
class _Day:
    number: int
    stretch: Stretch
    transactions: int


def _days(simulator: Simulator, days: int) -> Iterator[_Day]:
    stretches = in_event_time_order(chunks(simulator, WARM_UP_DAYS, days))
    for number, stretch in enumerate(stretches, WARM_UP_DAYS):
        transactions = int((~stretch.is_label).sum())
        if transactions:  # what comes after the last transaction is labels that nobody will judge
            yield _Day(number, stretch, transactions)


def _wait_until_decided(running: RunningService, watch: Watching, published: int) -> None:
    deadline = time.monotonic() + DAY_LIMIT_S
    while sum(s.decided for s in running.statuses() if s is not None) < published:
        watch.beat()
        _refuse_trouble(running, deadline, "service that decides")
        time.sleep(POLL_S)


def _wait_until_judged(
    service: Service, running: RunningService, watch: Watching, day: int, simulator: Simulator
) -> None:
    """Until the manager has taken every cohort that is closed by now, and no training is under way."""
    first = simulator.scenario.start_ms // 86_400_000
    due = first + day - 1 - service.spec.label_delay_ms // 86_400_000
    deadline = time.monotonic() + TRAININGS_LIMIT_S
    while True:
        status = running.manager_status()
        if status is not None and status.training == 0 and (status.day >= due or due < first + WARM_UP_DAYS):
            return
        watch.beat()
        _refuse_trouble(running, deadline, "manager that judges and trains")
        time.sleep(POLL_S)


def _refuse_trouble(running: RunningService, deadline: float, wanted: str) -> None:
    failure = running.failure()
    if failure:
        raise RlfaError(failure)
    if time.monotonic() > deadline:
        raise RlfaError(f"demo: found no progress for minutes, allowed: a {wanted}")


def _refuse_gaps(published: int, found: Audit) -> None:
    if found.transactions != published or found.decisions != published:
        raise RlfaError(
            f"demo: found {found.decisions} decisions on {found.transactions} transactions, allowed: one for each of "
            f"{published}"
        )

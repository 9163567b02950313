"""The demo's service, trained once and then begun as often as a benchmark needs it, each time with other settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.cluster import RunningService, start_service
from rlfa.config import Service, load_service
from streams.synthetic import DEMO_HISTORY_DAYS, Simulator, demo_scenario
from streams.synthetic.messages import chunks

DEMO = Path(__file__).parents[2] / "rlfa" / "cli" / "demo_files"
KEY = "customer_id"
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Trained:
    """A service that has learned from history and decided nothing yet.

    Attributes:
        folder: its files; copied for each start.
        samples: transactions of the days after its history, decoded.
        begins_at: event time at which the stream goes on, ms UTC.
    """

    folder: Path
    samples: list[dict[str, object]]
    begins_at: int

    @contextmanager
    def started(
        self,
        name: str,
        servers: str,
        lanes: dict[str, object],
        before: Callable[[Service], None] = lambda _service: None,
    ) -> Iterator[tuple[Service, RunningService]]:
        """The service with a name, topics and lane settings of its own, until the block ends.

        Args:
            name: of the service and its topics.
            servers: of the broker.
            lanes: settings.
            before: called once the topics are there, before the service starts.
        """
        service = self.copied(name, servers, lanes)
        folder = Path(service.root)
        before(service)
        running = start_service(service)
        try:
            yield service, running
        finally:
            running.stop()
            shutil.rmtree(folder)

    def copied(self, name: str, servers: str, lanes: dict[str, object], more: str = "") -> Service:
        """Its files under a name, topics and lane settings of its own, and settings in TOML beside these."""
        folder = self.folder.parent / name
        shutil.copytree(self.folder, folder)
        _configure(folder, servers, name, lanes, more)
        service = load_service(folder / "rlfa.toml")
        create_topics(service)
        return service


def trained(folder: Path, servers: str, seed: int, transactions_per_day: int) -> Trained:
    """Train the demo's lineup on its history, and make two more days of the same stream."""
    folder.mkdir(parents=True)
    shutil.copy(DEMO / "stream.toml", folder)
    _configure(folder, servers, "trained", {})
    simulator = Simulator(demo_scenario().scaled(transactions_per_day), seed)
    learn(load_service(folder / "rlfa.toml"), chunks(simulator, 0, DEMO_HISTORY_DAYS), Console(stderr=True))
    days = chunks(simulator, DEMO_HISTORY_DAYS, DEMO_HISTORY_DAYS + 2)
    samples = [msgspec.json.decode(value) for chunk in days for value in chunk.transactions.value]
    return Trained(folder, samples, simulator.scenario.start_ms + DEMO_HISTORY_DAYS * DAY_MS)


def _configure(folder: Path, servers: str, name: str, lanes: dict[str, object], more: str = "") -> None:
    """The demo's settings with a name of their own, so that one broker serves several services after one another."""
    text = (DEMO / "rlfa.toml").read_text().replace("BOOTSTRAP_SERVERS", servers)
    text = text.replace('name = "demo"', f'name = "{name}"').replace("[lanes]\nsnapshot_every_s = 20\n", _lanes(lanes))
    topics = ("transactions", "labels", "decisions", "dead_letters", "roster_events")
    text += "\n[topics]\n" + "".join(f'{topic} = "{name}-{topic}"\n' for topic in topics)
    text += more
    (folder / "rlfa.toml").write_text(text)


def _lanes(settings: dict[str, object]) -> str:
    """A section of TOML: its numbers and texts are written as in JSON."""
    return "[lanes]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())

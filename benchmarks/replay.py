"""Real input through the whole service: the handbook's transactions by event time, labels a week late.

History warms the windows and trains the first lineup; then every following transaction goes through the broker. It
needs no other service: it starts a broker, Ray and the lanes, and stops them.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
from rich.console import Console

from agents.metrics import average_precision, card_precision
from benchmarks.harness import Report, arguments, need_data
from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.cluster import RunningService, cluster, start_service
from rlfa.config import Service, load_service
from rlfa.outcomes import log
from rlfa.telemetry import configure_logs
from streams.durations import parse_duration
from streams.kafka.audit import audit_decisions
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.producer import Producer
from streams.recordings import HANDBOOK_SPEC, Recording, read_recording
from streams.replay import Topics, in_event_time_order, publish

DAY_MS = 86_400_000
START = dt.date(2018, 4, 1)
WARM_UP_DAYS = 42  # 30 of windows and 7 of delay before the first row that an agent learns from is whole
CONFIG = """
name = "replay"
stream = "stream.toml"
log_level = "error"
[kafka]
bootstrap_servers = "{servers}"
[slots]
a = "periodic"
b = "piecewise"
c = "logistic"
[genomes.periodic]
encoder = "periodic"
[genomes.piecewise]
[genomes.logistic]
expert = "logistic"
[trainers]
window_days = 21
[free_agency.probation]
cluster_entities = ["customer", "terminal"]
"""


class PeakMemory(threading.Thread):
    """The most resident memory of this process and its children together, in MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mib = 0.0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.5):
            total = 0
            for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.mib = max(self.mib, total / 2**20)


def main() -> None:
    parser = arguments("replay", __doc__ or "")
    parser.add_argument("--days", type=int, default=60, help="days through the broker")
    args = parser.parse_args()
    configure_logs("error")
    folder = need_data(args, "handbook")
    report = Report("replay", args, ("week", "transactions", "frauds", "AP", "CP@100"))
    report.uses(folder / "transactions.parquet")
    recording = read_recording(folder, parse_duration("7d"))
    memory = PeakMemory()
    memory.start()
    with tempfile.TemporaryDirectory() as work, EmbeddedBroker() as broker:
        service = _configured(Path(work), broker.bootstrap_servers)
        create_topics(service)
        learn(service, recording.between(START, WARM_UP_DAYS).chunks(), Console(stderr=True))
        with cluster(service.state):
            running = start_service(service)
            published, seconds = _stream(service, running, recording, args.days)
            _wait_until_judged(service, running, args.days)
            swaps = (running.manager_status() or 0).epoch - 1  # type: ignore[union-attr]
            running.stop()
        found = audit_decisions(service.settings.kafka, service.settings.topics.decisions)
        _weeks(report, service, args.days)
    memory.done.set()
    report.notes |= {"transactions in": published, "decisions out": found.decisions, "swaps": swaps}
    report.notes["peak memory MiB, all processes"] = memory.mib
    report.claim("decisions out less transactions in", found.decisions - published, "== 0")
    report.claim("transactions with more than one decision", found.decisions - found.transactions, "== 0")
    report.claim("sustained transactions a second", published / seconds, ">= 5000")
    report.claim("days through the broker", args.days, ">= 60")
    report.finish()


def _configured(work: Path, servers: str) -> Service:
    (work / "rlfa.toml").write_text(CONFIG.format(servers=servers))
    (work / "stream.toml").write_text(HANDBOOK_SPEC.read_text())
    return load_service(work / "rlfa.toml")


def _stream(
    service: Service, running: RunningService, recording: Recording, days: int, warm_up: int = WARM_UP_DAYS
) -> tuple[int, float]:
    """Publish as fast as possible, and wait for the last decision."""
    topics = service.settings.topics
    names = Topics(transactions=topics.transactions, labels=topics.labels)
    first = START + dt.timedelta(days=warm_up)
    producer = Producer(service.settings.kafka)
    begin = time.perf_counter()
    chunks = recording.between(first, days).chunks()
    published = publish(in_event_time_order(chunks), producer, names).transactions
    producer.close()
    while sum(s.decided for s in running.statuses() if s) < published:
        failure = running.failure()
        if failure:
            raise RuntimeError(failure)
        time.sleep(0.1)
    return published, time.perf_counter() - begin


def _wait_until_judged(service: Service, running: RunningService, days: int, warm_up: int = WARM_UP_DAYS) -> None:
    """Until the manager has taken every cohort that the stream has closed."""
    first = (START - dt.date(1970, 1, 1)).days + warm_up
    due = first + days - 2 - service.spec.label_delay_ms // DAY_MS
    while (status := running.manager_status()) is None or status.day < due or status.training:
        time.sleep(0.2)


def _weeks(report: Report, service: Service, days: int) -> None:
    first = (START - dt.date(1970, 1, 1)).days + WARM_UP_DAYS
    closed = [d for d in log.closed_days(service.outcomes) if first <= d < first + days]
    for begin in range(0, len(closed), 7):
        tables = [pq.read_table(log.path_of(service.outcomes, d)) for d in closed[begin : begin + 7]]
        fraud = np.concatenate([t["label"].to_numpy(zero_copy_only=False) for t in tables]).astype(bool)
        score = np.concatenate([t["score"].to_numpy() for t in tables]).astype(float)
        customer = np.concatenate([t["entity:customer"].to_numpy() for t in tables])
        day = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
        report.row(
            week=str(np.datetime64(int(closed[begin]), "D")),
            transactions=len(fraud),
            frauds=int(fraud.sum()),
            **{"AP": average_precision(fraud, score), "CP@100": card_precision(fraud, score, day, customer)},
        )


if __name__ == "__main__":
    main()

"""Open-loop load: a generator that waits for no answer, and a reader that notes when each decision came.

Times are the wall clock's: the record's timestamp as the broker has it, and the moment at which the reader held the
decision.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.client import Job, ends, timestamps
from streams.kafka.settings import KafkaSettings

ROOT = Path(__file__).parents[2]
SILENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Load:
    """So many transactions a second for so long, on an event clock of its own.

    Attributes:
        first_time: event time of the first, ms UTC.
        jumps_ms: by how much event time jumps ahead, at each place in the stretch (0 to 1).
    """

    name: str
    rate: int
    seconds: float
    first_time: int
    jumps_ms: tuple[tuple[float, int], ...] = ()

    @property
    def count(self) -> int:
        return int(self.rate * self.seconds)

    @property
    def last_time(self) -> int:
        """After the last, ms UTC."""
        return int(self.event_times()[-1]) + 1 if self.count else self.first_time

    def event_times(self) -> NDArray[np.int64]:
        """int64[count], as fast as the clock of the wall, and the jumps."""
        times = self.first_time + np.arange(self.count) * 1000 // self.rate
        for place, jump in self.jumps_ms:
            times[int(place * self.count) :] += jump
        return times


@dataclass(frozen=True, slots=True)
class Heard:
    """Latency in ms of every decision that came, float64[n], and how many transactions were sent."""

    latency_ms: NDArray[np.float64]
    sent: int

    @property
    def decisions(self) -> int:
        return len(self.latency_ms)

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.latency_ms, q)) if self.decisions else float("nan")


def records(samples: Sequence[dict[str, object]], load: Load, key: str) -> list[tuple[bytes, bytes]]:
    """Keys and values of a load: the samples again and again, with ids and event times of their own."""
    encode = msgspec.json.Encoder().encode
    found = []
    for i, when in enumerate(load.event_times().tolist()):
        sample = samples[i % len(samples)]
        found.append((str(sample[key]).encode(), encode(sample | {"tx_id": f"{load.name}-{i}", "event_time": when})))
    return found


def offer(
    kafka: KafkaSettings,
    topics: tuple[str, str],
    load: Load,
    messages: list[tuple[bytes, bytes]],
    meanwhile: Callable[[], None] = lambda: None,
) -> Heard:
    """Send a load, do something meanwhile, and say how long each decision took.

    Args:
        kafka: of the cluster.
        topics: of transactions and of decisions.
        load: how fast.
        messages: of `records`.
        meanwhile: called once the load has begun; returns before its end or after.
    """
    before = ends(kafka, topics[0])
    with TemporaryDirectory() as folder:
        sends, arrivals = Path(folder) / "messages", Path(folder) / "arrivals"
        sends.write_bytes(msgspec.msgpack.encode(messages))
        job = Job(
            kafka=kafka,
            topic=topics[1],
            rate=load.rate,
            count=load.count,
            messages=str(sends),
            arrivals=str(arrivals),
            silence_s=SILENCE_S,
        )
        clients = [
            _client("read", job, Path(folder)),
            _client("send", msgspec.structs.replace(job, topic=topics[0]), Path(folder)),
        ]
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        meanwhile()
        for client in clients:
            client.wait()
        arrived = msgspec.msgpack.decode(arrivals.read_bytes(), type=list[tuple[str, float]])
    written = timestamps(kafka, before)
    return Heard(np.array([at - written[tx] for tx, at in arrived if tx in written]), load.count)


def _client(does: str, job: Job, folder: Path) -> subprocess.Popen[str]:
    """A client that is ready to begin."""
    path = folder / f"{does}.json"
    path.write_bytes(msgspec.json.encode(job))
    command = [sys.executable, "-m", "benchmarks.serving.client", does, str(path)]
    client = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    return client

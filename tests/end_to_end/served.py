"""`rlfa serve` as a process of its own, asked over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

WAIT_S = 120.0


@dataclass(frozen=True)
class Served:
    """A running `rlfa serve`."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of an answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def answers(self, path: str) -> tuple[int, str]:
        """The same; 0 while nobody listens."""
        try:
            return self.get(path)
        except urllib.error.URLError:
            return 0, ""

    def samples(self) -> dict[str, float]:
        """Every sample by name and labels, as a query would name it."""
        _, text = self.get("/metrics")
        return {
            f"{s.name}{{{','.join(f'{k}={v}' for k, v in sorted(s.labels.items()))}}}": s.value
            for family in text_string_to_metric_families(text)
            for s in family.samples
        }

    def total(self, name: str) -> float:
        """A name's samples added up."""
        return sum(value for key, value in self.samples().items() if key.startswith(name + "{"))

    def wait_until(self, done: Callable[[], bool], what: str) -> None:
        """Poll another process, with an end."""
        deadline = time.monotonic() + WAIT_S
        while not done():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{what}: {self.answers('/readyz')} {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def terminate(self, within_s: float) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)


@contextmanager
def serve(config: Path) -> Iterator[Served]:
    """Start it; killed with the block where it hasn't ended by itself. Its port is in `[metrics]`."""
    log = config.parent / "serve.log"
    with log.open("ab") as out:
        command = [sys.executable, "-m", "rlfa", "serve", "--config", str(config)]
        process = subprocess.Popen(command, cwd=config.parent, stdout=out, stderr=out, env={**os.environ})
    try:
        yield Served(process, log, _url(config))
    finally:
        process.kill()
        process.wait()


def _url(config: Path) -> str:
    metrics = tomllib.loads(config.read_text())["metrics"]
    return f"http://127.0.0.1:{metrics['port']}"

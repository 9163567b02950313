"""`rlfa serve` in a process of its own, to be watched and killed from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from streams.kafka.embedded import spawn

STOP_WAIT_S = 120.0


class ServiceFailedError(Exception):
    """The service has ended although nobody stopped it."""


@dataclass(slots=True)
class ServiceProcess:
    """A service with its Ray, its actors found by the names that Ray gives their processes.

    Args:
        config: `rlfa.toml`.
        log: where its output goes.
    """

    config: Path
    log: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; it is up when it decides."""
        self._process = spawn([sys.executable, "-m", "rlfa", "serve", "--config", str(self.config)], self.log)
        return self

    def tree(self) -> list[psutil.Process]:
        """The process and everything that it has started."""
        assert self._process is not None
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def actors(self, kind: str) -> list[psutil.Process]:
        """The processes of its actors of a class, oldest first."""
        found = [p for p in self.tree() if _title(p).startswith(f"ray::{kind}")]
        return sorted(found, key=lambda p: p.create_time())

    def refuse_failed(self) -> None:
        """Check that it still runs.

        Raises:
            ServiceFailedError: with what it said last.
        """
        if self._process is not None and self._process.poll() is not None:
            raise ServiceFailedError(f"exit {self._process.returncode}: {last_lines(self.log)}")

    def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(STOP_WAIT_S)

    def kill(self) -> None:
        """End all of it at once, as a power cut would; returns when nothing of it is left."""
        processes = self.tree()
        _kill_all(processes)
        psutil.wait_procs(processes, STOP_WAIT_S)
        self._forget()

    def stop(self) -> None:
        """Ask it to finish what it has in hand, and wait."""
        if self._process is None:
            return
        processes = self.tree()
        self._process.send_signal(signal.SIGTERM)
        psutil.wait_procs(processes, STOP_WAIT_S)
        _kill_all(processes)
        self._forget()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _forget(self) -> None:
        assert self._process is not None
        self._process.wait()
        self._process = None


def owner_of(port: int, among: Sequence[psutil.Process]) -> psutil.Process | None:
    """Who of these holds the near end of a local connection."""
    pids = {c.pid for c in psutil.net_connections("tcp4") if c.laddr and c.laddr.port == port}
    return next((p for p in among if p.pid in pids), None)


def last_lines(log: Path, most: int = 5) -> str:
    """The end of a log."""
    return " | ".join(log.read_text(errors="replace").splitlines()[-most:])


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _kill_all(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue

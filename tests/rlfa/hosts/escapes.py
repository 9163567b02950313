"""A sealed process whose scoring tries to get out: 1 where it could, -1 where the kernel refused."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlfa.hosts.seal import seal
from rlfa.hosts.sealed_child import DONE, answer, serve

"localhost".encode("idna")  # connecting loads this codec, which a sealed process no longer can
TARGET = sys.argv[2] if len(sys.argv) > 2 else ""


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _signal_parent() -> None:
    os.kill(os.getppid(), 0)


def _raw_open() -> None:
    """As machine code in the weights would: no Python in between, and the old 32-bit numbering."""
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = [2, 257, 0x40000002]  # open, openat, open of the x32 numbering
    if all(libc.syscall(n, b"/etc/passwd", b"/etc/passwd", 0) < 0 for n in numbers):
        raise PermissionError


def _thread() -> None:
    threading.Thread(target=lambda: None).start()


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a file": lambda: Path(TARGET).read_bytes(),
    "write a file": lambda: Path(TARGET).write_bytes(b"x"),
    "list a folder": lambda: os.listdir("/"),
    "open without python": _raw_open,
    "connect": lambda: socket.create_connection(("127.0.0.1", int(TARGET)), 1),
    "make a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "make a unix socket": lambda: socket.socket(socket.AF_UNIX),
    "spawn": lambda: subprocess.run(["/bin/true"], check=True),
    "exec": lambda: os.execv("/bin/true", ["/bin/true"]),
    "fork": _fork,
    "start a thread": _thread,
    "signal another process": _signal_parent,
    "read another's memory": lambda: Path(f"/proc/{os.getppid()}/mem").read_bytes(),
}


class Escape:
    def __init__(self, attempt: str) -> None:
        self.attempt = attempt

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.attempt == "die":
            os._exit(3)
        if self.attempt == "hang":
            time.sleep(3600)
        if self.attempt == "lie":
            return np.zeros(len(x) + 1, np.float32)
        if self.attempt == "score":
            return np.asarray(x.sum(axis=1), np.float32)
        try:
            ATTEMPTS[self.attempt]()
        except (OSError, RuntimeError):
            return np.full(len(x), -1.0, np.float32)
        return np.full(len(x), 1.0, np.float32)

    def contributions(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x


if __name__ == "__main__":
    if "--unsealed" not in sys.argv:
        seal()
    answer(1, DONE, b"")
    serve(Escape(sys.argv[1]), 0, 1)

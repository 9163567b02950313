"""The host's side of a sealed agent: features into a pipe, numbers out of another, and no waiting past the limit."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from rlfa.hosts.seal import refuse_unavailable
from rlfa.hosts.sealed_child import ANSWER, CONTRIBUTIONS, DONE, REQUEST, SCORE
from rlfa.telemetry import logger

START_WAIT_S = 60.0  # the libraries alone take seconds on a busy machine
RESTART_S = 5.0  # between two starts of a process that dies or hangs
ERROR_BYTES_MAX = 4096
Array = NDArray[np.float32]


class SealRules(msgspec.Struct, frozen=True, kw_only=True):
    """How agents from outside are held."""

    timeout_s: float = 0.5
    """For one batch; then the agent gives no score for it."""
    memory_max_mib: int = 1024
    """That it may take on top of what its process starts with."""
    unsealed: bool = False
    """Go without the kernel's seal where it has none: still a process of its own."""


def offline_seal(rules: SealRules) -> SealRules:
    """The same seal with the patience of a training: days at once instead of a batch."""
    return msgspec.structs.replace(rules, timeout_s=START_WAIT_S)


class _AwayError(Exception):
    """The process has died, hangs, or answers what nobody asked."""


@dataclass(slots=True)
class SealedAgent:
    """An agent in a sealed process of its own; NaN while that is away.

    Args:
        name: of the agent, for the log.
        command: that starts the process, its arguments included.
        timeout_s: for one batch.

    Raises:
        SealError: from `start`, where the kernel has no seal.
    """

    name: str
    command: tuple[str, ...]
    timeout_s: float
    _process: subprocess.Popen[bytes] | None = None
    _is_ready: bool = False
    _start_after: float = 0.0
    _is_closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, name: str, folder: str, checksum: str, rules: SealRules) -> SealedAgent:
        """Start the process of an agent from its folder and wait until it is sealed.

        Raises:
            SealError: the kernel has no seal, and the rules don't do without.
        """
        if not rules.unsealed:
            refuse_unavailable()
        mode = "unsealed" if rules.unsealed else "sealed"
        limit = str(rules.memory_max_mib)
        command = (sys.executable, "-m", "rlfa.hosts.sealed_child", folder, checksum, mode, limit)
        agent = cls(name, command, rules.timeout_s)
        agent.wait(START_WAIT_S)
        return agent

    def wait(self, wait_s: float) -> bool:
        """Until the process is ready; False when it isn't by then."""
        with self._lock:
            return self._there(time.monotonic() + wait_s)

    def logits(self, x: Array) -> Array:
        """float32[n] of float32[n, d], NaN where the process gave none in time."""
        found = self._ask(SCORE, x, len(x))
        return np.full(len(x), np.nan, np.float32) if found is None else found

    def contributions(self, x: Array) -> Array:
        """float32[n, d] of float32[n, d], zeros where the process gave none in time."""
        found = self._ask(CONTRIBUTIONS, x, x.size)
        return np.zeros(x.shape, np.float32) if found is None else found.reshape(x.shape)

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._is_closed = True
            self._end()

    def _ask(self, kind: int, x: Array, numbers: int) -> Array | None:
        with self._lock:
            deadline = time.monotonic() + self.timeout_s
            if self._is_closed or not self._there(time.monotonic()):
                return None
            try:
                self._send(REQUEST.pack(kind, *x.shape) + np.ascontiguousarray(x, np.float32).tobytes(), deadline)
                return np.frombuffer(self._receive(4 * numbers, deadline), np.float32).copy()
            except _AwayError as error:
                logger().warning("sealed_agent_away", agent=self.name, reason=str(error))
                self._end()
                return None

    def _there(self, deadline: float) -> bool:
        """Whether the process can be asked; starts it where it isn't running, and hears whether it is ready."""
        if self._process is None:
            if time.monotonic() < self._start_after:
                return False
            self._begin()
        if self._is_ready:
            return True
        if not _is_ready(self._answers, select.POLLIN, deadline):
            return False
        try:
            self._receive(0, max(deadline, time.monotonic() + self.timeout_s))
        except _AwayError as error:
            logger().warning("sealed_agent_away", agent=self.name, reason=str(error))
            self._end()
            return False
        self._is_ready = True
        return True

    def _begin(self) -> None:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._start_after = time.monotonic() + RESTART_S
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**{k: v for k, v in os.environ.items() if k in _PASSED_ON}, **one_thread},
        )
        for pipe in (self._requests, self._answers):
            os.set_blocking(pipe, False)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
        self._process, self._is_ready = None, False

    def _send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            if not _is_ready(self._requests, select.POLLOUT, deadline):
                raise _AwayError("it takes no features in time")
            try:
                left = left[os.write(self._requests, left) :]
            except BrokenPipeError:
                raise _AwayError("it has died") from None

    def _receive(self, size: int, deadline: float) -> bytes:
        status, length = ANSWER.unpack(self._read(ANSWER.size, deadline))
        if status != DONE:
            raise _AwayError(self._read(min(length, ERROR_BYTES_MAX), deadline).decode(errors="replace"))
        if length != size:
            raise _AwayError(f"it answered {length} bytes to a question of {size}")
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not _is_ready(self._answers, select.POLLIN, deadline):
                raise _AwayError("no answer in time")
            part = os.read(self._answers, size - len(parts))
            if not part:
                raise _AwayError("it has died")
            parts += part
        return bytes(parts)

    @property
    def _requests(self) -> int:
        assert self._process is not None and self._process.stdin is not None  # noqa: PT018
        return self._process.stdin.fileno()

    @property
    def _answers(self) -> int:
        assert self._process is not None and self._process.stdout is not None  # noqa: PT018
        return self._process.stdout.fileno()


# No secret of the service's environment reaches the process.
_PASSED_ON = frozenset({"PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "HOME"})


def _is_ready(pipe: int, event: int, deadline: float) -> bool:
    """Whether a pipe can be read or written by then."""
    poll = select.poll()
    poll.register(pipe, event)
    return bool(poll.poll(max(deadline - time.monotonic(), 0.0) * 1000))

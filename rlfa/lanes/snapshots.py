"""Snapshots beside the lane: a forked child writes the state as it was at that moment, while the lane goes on."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

CHILD_LIMIT_S = 300.0  # a child that takes longer is ended: the next snapshot replaces it
POLL_S = 0.01
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class SnapshotWriter:
    """One write at a time, each in a child that shares the lane's memory until one of both changes it.

    The fork takes about a millisecond a GiB of state, and that is all that the lane waits. The child touches nothing
    but arrays and its file: the locks of other threads are as they were when it was made. Where the kernel isn't Linux
    the lane writes itself.
    """

    failed: int = 0
    """Children that ended without their snapshot."""
    _child: int = 0
    _began: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a child still writes; one that has run too long is ended."""
        if self._child and time.monotonic() - self._began > CHILD_LIMIT_S:
            os.kill(self._child, signal.SIGKILL)
        if self._child and self._has_ended():
            self._child = 0
        return bool(self._child)

    def write(self, save: Callable[[], object]) -> None:
        """Begin; `save` runs in a child, with everything as it is now. Not while the writer is busy."""
        assert not self._child
        if sys.platform != "linux":
            save()
            return
        libc, parent = ctypes.CDLL(None), os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: see the class
            pid = os.fork()
        if pid == 0:
            _save_and_exit(save, libc, parent)
        self._child, self._began = pid, time.monotonic()

    def finish(self) -> None:
        """Wait for the child, if there is one."""
        while self.is_busy:
            time.sleep(POLL_S)  # a child that hangs must not hold the lane for ever

    def _has_ended(self) -> bool:
        """Whether the child is gone; counts it where it brought nothing."""
        try:
            pid, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:  # somebody else has asked for it
            return True
        self.failed += pid != 0 and status != 0
        return pid != 0


def _save_and_exit(save: Callable[[], object], libc: ctypes.CDLL, parent: int) -> None:
    """The child's whole life: its parent's sockets closed, no destructor run, ended when the parent is."""
    try:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it was faster
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.nice(5)
        gc.disable()
        save()
        os._exit(0)
    finally:
        os._exit(1)

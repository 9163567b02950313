"""What an actor's process takes of its machine."""

from __future__ import annotations

import msgspec
import psutil


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process, as its operating system counts it."""

    pid: int
    resident_bytes: int
    cpu_seconds: float
    """User and system, since it started."""
    open_files: int
    """File handles, sockets included."""


def process_report() -> ProcessReport:
    """Of this process."""
    process = psutil.Process()
    with process.oneshot():
        cpu = process.cpu_times()
        return ProcessReport(
            pid=process.pid,
            resident_bytes=process.memory_info().rss,
            cpu_seconds=cpu.user + cpu.system,
            open_files=process.num_fds(),
        )

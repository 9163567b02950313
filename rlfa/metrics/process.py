"""What an actor's process takes of its machine."""

from __future__ import annotations

import msgspec
import psutil

from rlfa.telemetry import dropped_keys, relayed_lines


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process, as its operating system counts it."""

    pid: int
    resident_bytes: int
    cpu_seconds: float
    """User and system, since it started."""
    open_files: int
    """File handles, sockets included."""
    state_bytes: int = 0
    """Of the features that it keeps."""
    log: tuple[str, ...] = ()
    """Its lines since the last report."""
    log_keys_dropped: int = 0
    """Keys that were logged without being allowed."""


def process_report(state_bytes: int = 0) -> ProcessReport:
    """Of this process, which keeps features of so many bytes."""
    process = psutil.Process()
    with process.oneshot():
        cpu = process.cpu_times()
        return ProcessReport(
            pid=process.pid,
            resident_bytes=process.memory_info().rss,
            cpu_seconds=cpu.user + cpu.system,
            open_files=process.num_fds(),
            state_bytes=state_bytes,
            log=relayed_lines(),
            log_keys_dropped=sum(dropped_keys().values()),
        )

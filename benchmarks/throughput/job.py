"""What a contestant is told, and how it is measured: it imports nothing of ours, so that any Python can run it."""

from __future__ import annotations

import resource
import sys
import time

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant's task: decide the first `transactions` records of a topic, and write decisions to another."""

    bootstrap_servers: str
    transactions_topic: str
    decisions_topic: str
    group: str
    transactions: int
    warm_up: int
    """Transactions that are decided before the clock starts."""
    batch: int
    folder: str
    """Of its own."""
    model: str = ""
    """File of what a rival scores with."""
    columns: tuple[str, ...] = ()
    """The features in the order in which that was trained."""
    service: str = ""
    """File of our settings."""
    by_stage: bool = False
    """Time each agent."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What it took, warm-up apart."""

    transactions: int
    seconds: float
    cpu_seconds: float
    """Of this process and the children that it has waited for."""
    peak_mib: float
    stages: dict[str, float] = {}
    """Seconds by stage, of ours."""
    alerts: int = 0
    """Of ours, each with its reasons."""


class Meter:
    """Starts after the warm-up and stops after the last decision."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = self._cpu = 0.0
        self._before = -1

    def saw(self, decided: int) -> None:
        """Tell how many transactions have been decided by now."""
        if self._before < 0 and decided >= self._job.warm_up:
            self._before, self._began, self._cpu = decided, time.perf_counter(), _cpu_seconds()

    @property
    def running(self) -> bool:
        """Whether the warm-up is over."""
        return self._before >= 0

    def stop(self, decided: int) -> Measured:
        """Stop the clock.

        Args:
            decided: transactions, the warm-up's included.
        """
        return Measured(
            transactions=decided - self._before,
            seconds=time.perf_counter() - self._began,
            cpu_seconds=_cpu_seconds() - self._cpu,
            peak_mib=_peak_mib(),
        )


def given() -> Job:
    """The job that the command line names."""
    with open(sys.argv[1], "rb") as file:
        return msgspec.json.decode(file.read(), type=Job)


def hand_back(job: Job, measured: Measured) -> None:
    """Leave the result where the benchmark looks for it."""
    with open(f"{job.folder}/measured.json", "wb") as file:
        file.write(msgspec.json.encode(measured))


def _peak_mib() -> float:
    """The kernel's own mark of this program; `getrusage` would count what the process was before it became this one."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def _cpu_seconds() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)

"""A hard bound on the memory of one training: a thread watches its process, which is ended when it takes more.

A kernel's limit would refuse the allocation instead, and libraries that are refused memory in a thread of theirs were
seen to wait for it for ever. The process has this one training and nothing else, so its end is clean.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

MIB = 2**20
POLL_S = 0.02


@contextmanager
def memory_bound(most_mib: int, over: Callable[[], None]) -> Iterator[None]:
    """While the block runs, watch how much memory this process takes on top of what it has.

    Args:
        most_mib: that it may take.
        over: called once, in the watching thread, when it has taken more.
    """
    process = psutil.Process()
    most = process.memory_info().rss + most_mib * MIB
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_S):
            if process.memory_info().rss > most:
                over()
                return

    watcher = threading.Thread(target=watch, name="memory-bound", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()

"""A sealed process's bound on memory, which it can't lift: the kernel refuses what goes beyond.

Its data is bounded, not its address space, most of which are libraries that nobody touches.
"""

from __future__ import annotations

import re
import resource
from pathlib import Path

MIB = 2**20
WORDS = re.compile(r"bad.?alloc|allocat|out of memory", re.IGNORECASE)  # of libraries that are refused memory


def limit_memory(most_mib: int) -> None:
    """Bound what this process may take from now on, for good.

    Args:
        most_mib: on top of what it has.
    """
    found = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, "Linux tells"
    most = int(found[1]) * 1024 + most_mib * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def explain(error: Exception, most_mib: int) -> str:
    """What ended a sealed agent, in a line: its need for memory, or whatever else it was."""
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError) or WORDS.search(said):
        return f"found a need for more than {most_mib} MiB, allowed: hosts.sealed_memory_max_mib"
    return f"{type(error).__name__}: {said[:200]}"

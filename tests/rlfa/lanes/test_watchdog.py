"""A turn that never returns ends its process; one that is slow, but within the limit, doesn't."""

from __future__ import annotations

import subprocess
import sys

from rlfa.lanes.watchdog import EXIT

TURNS = """
import threading
from rlfa.lanes.watchdog import LOOKS, Watchdog
now = 0.0  # the test's own clock: no busy machine can make a turn late
dog = Watchdog(0.2, lambda: print("hung", flush=True), lambda: now)
def pass_time(seconds):
    global now
    now += seconds
    threading.Event().wait(3 * 0.2 / LOOKS)  # the dog looks once at least
{turns}
"""
HANGS = "dog.feed()\npass_time(0.3)\nthreading.Event().wait()"  # as in a C library: no exception reaches it
GOES_ON = "for _ in range(9):\n    dog.feed()\n    pass_time(0.15)\nprint('done')"
RESTS = "dog.feed()\ndog.rest()\npass_time(9.0)\nprint('done', dog.turn_s)"


def run(turns: str) -> tuple[int, str]:
    command = [sys.executable, "-c", TURNS.format(turns=turns)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip()


def test_a_turn_that_never_returns_ends_the_process() -> None:
    assert run(HANGS) == (EXIT, "hung")


def test_turns_within_the_limit_go_on() -> None:
    assert run(GOES_ON) == (0, "done")


def test_a_lane_without_a_turn_is_left_alone() -> None:
    assert run(RESTS) == (0, "done None")

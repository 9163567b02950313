"""Ends a process whose turn never returns: calls of the Kafka client can block past their time-out, for good."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

EXIT = 70
LOOKS = 20  # within the limit


class Watchdog:
    """Sleeps until it is fed for the first time; from then on it has to be fed within the limit, or sent to rest.

    Args:
        limit_s: of one turn.
        bark: called right before the end of the process.
        clock: seconds, never backwards.
    """

    def __init__(self, limit_s: float, bark: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s, self._bark, self._clock = limit_s, bark, clock
        self._fed_at: float | None = None
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @property
    def turn_s(self) -> float | None:
        """How long the present turn has taken; None at rest."""
        fed_at = self._fed_at
        return None if fed_at is None else self._clock() - fed_at

    def feed(self) -> None:
        """A turn begins: from now on it may take as long as the limit."""
        self._fed_at = self._clock()

    def rest(self) -> None:
        """No turn is under way."""
        self._fed_at = None

    def _watch(self) -> None:
        while (turn_s := self.turn_s) is None or turn_s <= self._limit_s:
            time.sleep(self._limit_s / LOOKS)
        self._bark()
        os._exit(EXIT)

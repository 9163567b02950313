"""The token of every card; a compromised card gets a successor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.names import card_tokens
from streams.synthetic.outbreaks import Outbreaks


class Cards:
    """Tokens on a day. Days in order cost least; a day before the last one starts over."""

    def __init__(self, count: int, outbreaks: Outbreaks) -> None:
        self._outbreaks = outbreaks
        self._count = count
        self._day = -1
        self._generation = np.zeros(count, np.int64)
        self._tokens = card_tokens(np.arange(count), self._generation)

    def tokens(self, day: int) -> NDArray[np.uint8]:
        """uint8[cards, letters]: each card's token on a day, not to be written to."""
        if day < self._day:
            self._start_over()
        for passed in range(self._day + 1, day + 1):
            replaced = self._outbreaks.replaced(passed)
            self._generation[replaced] += 1
            self._tokens[replaced] = card_tokens(replaced, self._generation[replaced])
        self._day = day
        return self._tokens

    def _start_over(self) -> None:
        self._day = -1
        self._generation[:] = 0
        self._tokens = card_tokens(np.arange(self._count), self._generation)

"""The frauds of a day, and the cards that are replaced because of them, over all campaigns of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.habits import World
from streams.synthetic.incidents import incidents
from streams.synthetic.payments import Payments
from streams.synthetic.scenario import DAY_MS, Campaign


class Outbreaks:
    """Looks back as far as an incident lasts; keeps what it looked at, so that days in order cost once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lasts = [ceil(_longest(campaign)) for campaign in world.scenario.campaigns]
        self._made: dict[tuple[int, int], Payments] = {}

    def frauds(self, day: int) -> Iterator[Payments]:
        """Payments of that day, by campaign and by the day on which their incidents began."""
        for made in self._begun_before(day, 0):
            rows = (made.time >= day * DAY_MS) & (made.time < (day + 1) * DAY_MS)
            if rows.any():
                yield made.take(rows)

    def replaced(self, day: int) -> NDArray[np.int32]:
        """Cards whose successor is in use from that day on."""
        wait = ceil(self._world.scenario.reissue_days)
        cards = [_ending(made, day - wait) for made in self._begun_before(day, wait)]
        return np.unique(np.concatenate(cards)) if cards else np.empty(0, np.int32)

    def _begun_before(self, day: int, wait: int) -> Iterator[Payments]:
        for number, campaign in enumerate(self._world.scenario.campaigns):
            oldest = max(campaign.start_day, day - wait - self._lasts[number])
            for begin in range(oldest, day + 1):
                yield self._incidents(number, begin)
        self._forget(day)

    def _incidents(self, number: int, begin: int) -> Payments:
        if (number, begin) not in self._made:
            self._made[number, begin] = incidents(self._world, number, begin)
        return self._made[number, begin]

    def _forget(self, day: int) -> None:
        """Drops what neither this day nor a later one looks back to."""
        wait = ceil(self._world.scenario.reissue_days)
        gone = [key for key in self._made if key[1] < day - wait - self._lasts[key[0]] or key[1] > day]
        for key in gone:
            del self._made[key]


def _longest(campaign: Campaign) -> float:
    days = [campaign.start_day, *(change.day for change in campaign.changes)]
    return max(campaign.at(day).lasts_days for day in days)


def _ending(made: Payments, day: int) -> NDArray[np.int32]:
    """Cards whose last fraud in these incidents falls on a day."""
    order = np.lexsort((made.time, made.card))
    card = made.card[order]
    last = np.append(card[1:] != card[:-1], True)[: len(card)]
    ends: NDArray[np.int32] = card[last & (made.time[order] // DAY_MS == day)]
    return ends

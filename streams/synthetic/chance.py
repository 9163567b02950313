"""Random numbers: one stream per purpose, campaign and day, so that no day depends on those before it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

DAYS_BEFORE = 4096  # a spawn key is never negative, a campaign's first day may be


class Purpose(IntEnum):
    """What a stream of random numbers is for."""

    CUSTOMERS = 0
    TERMINALS = 1
    HABITS = 2
    INCIDENTS = 3
    LABELS = 4


def generator(seed: int, purpose: Purpose, day: int = 0, campaign: int = 0) -> np.random.Generator:
    """The stream for a purpose; always the same one for the same arguments."""
    key = (int(purpose), campaign, day + DAYS_BEFORE)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def mixed(number: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection that spreads every bit (Steele, Lea, Flood 2014, figure 16)."""
    z = number + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))

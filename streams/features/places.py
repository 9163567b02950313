"""Compiled loops of an open-addressing table with linear probing: 64-bit keys to slots elsewhere."""

from __future__ import annotations

import numpy as np
from numba import njit

NONE = -1  # no slot

kernel = njit(cache=True, nogil=True, error_model="numpy")


@kernel
def home(key, mask):
    """Where the search for a key begins, in a table of mask + 1 places."""
    mixed = key * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed ^ (mixed >> np.uint64(32))) & mask


@kernel
def find_place(keys, slots, key):
    """Place of a key in an open-addressing table, or the free place where it belongs."""
    mask = len(keys) - 1
    place = home(key, mask)
    while slots[place] != NONE and keys[place] != key:
        place = (place + 1) & mask
    return place


@kernel
def delete_place(keys, slots, place):
    """Empty a place, and move up what had to step past it."""
    mask = len(keys) - 1
    hole, at = place, (place + 1) & mask
    while slots[at] != NONE:
        if ((at - home(keys[at], mask)) & mask) >= ((at - hole) & mask):
            keys[hole], slots[hole] = keys[at], slots[at]
            hole = at
        at = (at + 1) & mask
    slots[hole] = NONE

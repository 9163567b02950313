"""Compiled loops of the fading windows: an open-addressing table with linear probing, arrays in, arrays out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.features.places import home, kernel

# Places of `state`, int64; HAND is the slot at which the search for what has expired goes on.
NEWEST_TIME, LIVE, EXPIRED, EVICTED, HAND = range(5)
SWEPT = 4  # slots looked at for each row: at that pace a whole table is seen in a quarter as many rows as it has slots
LOOKED = 64  # slots among which the one with the oldest entity gives way, where the table is full
NEVER = -(2**62)


class Table(NamedTuple):
    """c slots, a power of two, for w windows."""

    key: NDArray[np.uint64]  # [c], 0 is free
    last: NDArray[np.int64]  # [c], newest event time of the entity
    counts: NDArray[np.float64]  # [c, w], as of `last`
    totals: NDArray[np.float64]  # [c, w], of amounts, as of `last`
    state: NDArray[np.int64]  # [5]


@kernel
def find(keys, key):
    """Slot of a key, or the free one where it belongs."""
    mask = len(keys) - 1
    slot = home(key, mask)
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kernel
def _delete(table, slot):
    """Free a slot, and move up what had to step past it."""
    mask = len(table.key) - 1
    hole, at = slot, (slot + 1) & mask
    while table.key[at] != 0:
        if ((at - home(table.key[at], mask)) & mask) >= ((at - hole) & mask):
            table.key[hole], table.last[hole] = table.key[at], table.last[at]
            for w in range(table.counts.shape[1]):
                table.counts[hole, w], table.totals[hole, w] = table.counts[at, w], table.totals[at, w]
            hole = at
        at = (at + 1) & mask
    table.key[hole] = 0
    table.state[LIVE] -= 1


@kernel
def _sweep(table, ttl):
    """Delete what has expired among the next few slots."""
    state, mask = table.state, len(table.key) - 1
    for _ in range(SWEPT):
        slot = state[HAND]
        if table.key[slot] != 0 and state[NEWEST_TIME] - table.last[slot] > ttl:
            _delete(table, slot)  # another entity may have moved here: look again
            state[EXPIRED] += 1
        else:
            state[HAND] = (slot + 1) & mask


@kernel
def _give_way(table):
    """Delete the oldest entity among those at the hand."""
    state, mask = table.state, len(table.key) - 1
    oldest, seen, slot = np.int64(-1), 0, state[HAND]
    while seen < LOOKED or oldest < 0:
        if table.key[slot] != 0 and (oldest < 0 or table.last[slot] < table.last[oldest]):
            oldest = slot
        slot, seen = (slot + 1) & mask, seen + 1
    state[HAND] = slot
    _delete(table, oldest)
    state[EVICTED] += 1


@kernel
def take(table, tau, ttl, most, keys, times, amounts, features):
    """Take rows in arrival order; see `DecayedState.update`.

    Args:
        table: in force.
        tau: float64[w], ms.
        ttl: ms.
        most: entities held at most.
        keys: uint64[n].
        times: int64[n].
        amounts: float64[n].
        features: float64[n, 3 w + 1], to be filled.
    """
    state, widths = table.state, len(tau)
    for i in range(len(keys)):
        key, t = keys[i], times[i]
        state[NEWEST_TIME] = max(state[NEWEST_TIME], t)
        _sweep(table, ttl)
        if key == 0:
            features[i, :] = np.nan
            continue
        slot = find(table.key, key)
        is_new = table.key[slot] == 0
        if is_new and state[LIVE] >= most:
            _give_way(table)
            slot = find(table.key, key)
        has_expired = not is_new and state[NEWEST_TIME] - table.last[slot] > ttl
        if is_new:
            table.key[slot] = key
            state[LIVE] += 1
        state[EXPIRED] += has_expired
        if is_new or has_expired:
            table.last[slot] = NEVER
            table.counts[slot, :] = 0.0
            table.totals[slot, :] = 0.0
        last = table.last[slot]
        features[i, 3 * widths] = (t - last) / 1000.0 if last != NEVER and t >= last else np.nan
        now = max(last, t)
        for w in range(widths):
            kept = np.exp((last - now) / tau[w]) if last != NEVER else 0.0
            own = np.exp((t - now) / tau[w])
            count = table.counts[slot, w] * kept + own
            total = table.totals[slot, w] * kept + own * amounts[i]
            table.counts[slot, w], table.totals[slot, w] = count, total
            features[i, w], features[i, widths + w], features[i, 2 * widths + w] = count, total, total / count
        table.last[slot] = now


@kernel
def fill(table, keys, lasts, counts, totals):
    """Put packed entities into an empty table."""
    for i in range(len(keys)):
        slot = find(table.key, keys[i])
        table.key[slot], table.last[slot] = keys[i], lasts[i]
        for w in range(counts.shape[1]):
            table.counts[slot, w], table.totals[slot, w] = counts[i, w], totals[i, w]

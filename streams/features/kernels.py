"""Compiled loops of the windows: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit

NONE = -1
NEVER = np.int64(2**62)


@njit(cache=True, nogil=True)
def find_slot(table_key, table_value, key):
    """Slot of a key in an open-addressing table, or of the free place where it belongs."""
    mask = np.uint64(len(table_key) - 1)
    mixed = key * np.uint64(0x9E3779B97F4A7C15)
    slot = (mixed ^ (mixed >> np.uint64(32))) & mask
    while table_value[slot] != NONE and table_key[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def rehash(old_key, old_value, new_key, new_value):
    """Move every entry into a larger table."""
    for i in range(len(old_key)):
        if old_value[i] != NONE:
            slot = find_slot(new_key, new_value, old_key[i])
            new_key[slot] = old_key[i]
            new_value[slot] = old_value[i]


@njit(cache=True, nogil=True)
def insert_keys(table_key, table_value, keys, start):
    """Dense index of each key, new ones numbered from `start`; 0 is no key. Returns the indices and the next number."""
    out = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        if keys[i] == 0:
            out[i] = NONE
            continue
        slot = find_slot(table_key, table_value, keys[i])
        if table_value[slot] == NONE:
            table_key[slot] = keys[i]
            table_value[slot] = start
            start += 1
        out[i] = table_value[slot]
    return out, start


@njit(cache=True, nogil=True)
def append_events(
    new_hash, new_time, new_amount, new_keys, tx_hash, event_time, amount, keys, table_key, table_value, count
):  # fmt: skip
    """Add events that aren't there yet; status 1 for those that are."""
    status = np.zeros(len(new_hash), np.uint8)
    for i in range(len(new_hash)):
        slot = find_slot(table_key, table_value, new_hash[i])
        if table_value[slot] != NONE:
            status[i] = 1
            continue
        table_key[slot], table_value[slot] = new_hash[i], count
        tx_hash[count], event_time[count], amount[count] = new_hash[i], new_time[i], new_amount[i]
        for j in range(new_keys.shape[1]):
            keys[count, j] = new_keys[i, j]
        count += 1
    return status, count


@njit(cache=True, nogil=True)
def look_up(table_key, table_value, keys):
    """Place of each key, NONE where it isn't there."""
    out = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        out[i] = table_value[find_slot(table_key, table_value, keys[i])]
    return out


@njit(cache=True, nogil=True)
def _link(event, newest, oldest, entity, prev, next_, event_time):
    """Put an event in its entity's time order, after those of the same time; returns the one before it."""
    after = newest[entity]
    while after != NONE and event_time[after] > event_time[event]:
        after = prev[after]
    before = next_[after] if after != NONE else oldest[entity]
    prev[event], next_[event] = after, before
    if after != NONE:
        next_[after] = event
    else:
        oldest[entity] = event
    if before != NONE:
        prev[before] = event
    else:
        newest[entity] = event
    return after


@njit(cache=True, nogil=True)
def _link_pair(event, pair_key, pair_last, pair, same_prev, same_next, event_time):
    """The same for the events of one entity with one counterpart."""
    slot = find_slot(pair_key, pair_last, pair)
    after, before = pair_last[slot], NONE
    while after != NONE and event_time[after] > event_time[event]:
        before, after = after, same_prev[after]
    same_prev[event], same_next[event] = after, before
    if after != NONE:
        same_next[after] = event
    if before != NONE:
        same_prev[before] = event
    else:
        pair_key[slot], pair_last[slot] = pair, event


@njit(cache=True, nogil=True)
def _read_late(event, prev, same_next, event_time, amount, has_pair, t, width):
    """Count, sum and distinct counterparts of (t - width, t] by a scan backwards from a late event."""
    count, total, distinct = 0, np.int64(0), 0
    at = event
    while at != NONE and event_time[at] > t - width:
        count += 1
        total += amount[at]
        if has_pair[at] and (same_next[at] == NONE or event_time[same_next[at]] > t):
            distinct += 1
        at = prev[at]
    return count, total, distinct


@njit(cache=True, nogil=True)
def _scan_count(at, prev, event_time, low):
    """Events from `at` backwards that are later than `low`."""
    count = 0
    while at != NONE and event_time[at] > low:
        count += 1
        at = prev[at]
    return count


@njit(cache=True, nogil=True)
def advance(
    first, entity, counterpart, event_time, amount, known, prev, next_, same_prev, same_next, has_pair, pair_key,
    pair_last, newest, oldest, tail, count, total, distinct, delayed_head, delayed_tail, delayed_count, fraud_head,
    fraud_next, windows, delay, out_count, out_total, out_distinct, out_since, out_delayed, out_frauds,
):  # fmt: skip
    """Take events in arrival order into one kind of entity's windows, and read each event's own values.

    Per entity the state stands at the time of its newest event: `tail[e, w]` is the oldest event within window w,
    `count`, `total` and `distinct` are over the events from there on; the delayed windows end at `delayed_head`. A late
    event reads its values by a scan, and then joins the aggregates of the windows that it lies in.
    """
    for i in range(len(entity)):
        e = entity[i]
        if e == NONE:
            continue
        event = first + i
        t = event_time[event]
        late = newest[e] != NONE and t < event_time[newest[e]]
        if not late:
            for w in range(len(windows)):
                while tail[e, w] != NONE and event_time[tail[e, w]] <= t - windows[w]:
                    gone = tail[e, w]
                    count[e, w] -= 1
                    total[e, w] -= amount[gone]
                    if has_pair[gone] and same_next[gone] == NONE:
                        distinct[e, w] -= 1
                    tail[e, w] = next_[gone]
        before = _link(event, newest, oldest, e, prev, next_, event_time)
        out_since[i] = np.nan if before == NONE else (t - event_time[before]) / 1000.0
        has_pair[event] = counterpart[i] != NONE
        if has_pair[event]:
            pair = (np.uint64(e) << np.uint64(32)) + np.uint64(counterpart[i])
            _link_pair(event, pair_key, pair_last, pair, same_prev, same_next, event_time)
        now = event_time[newest[e]]
        for w in range(len(windows)):
            low = now - windows[w]
            if t > low:
                count[e, w] += 1
                total[e, w] += amount[event]
                seen = same_prev[event] != NONE and event_time[same_prev[event]] > low
                if has_pair[event] and not seen and same_next[event] == NONE:
                    distinct[e, w] += 1
                if tail[e, w] == NONE or next_[event] == tail[e, w]:
                    tail[e, w] = event
            if late:
                c, s, d = _read_late(event, prev, same_next, event_time, amount, has_pair, t, windows[w])
                out_count[i, w], out_total[i, w], out_distinct[i, w] = c, s, d
            else:
                out_count[i, w], out_total[i, w], out_distinct[i, w] = (
                    count[e, w],
                    total[e, w],
                    distinct[e, w],
                )
        high = t - delay
        if late:
            at = event
            while at != NONE and event_time[at] > high:
                at = prev[at]
            for w in range(len(windows)):
                out_delayed[i, w] = _scan_count(at, prev, event_time, high - windows[w])
            if t <= now - delay:
                for w in range(len(windows)):
                    if t > now - delay - windows[w]:
                        delayed_count[e, w] += 1
                        if delayed_tail[e, w] == NONE or next_[event] == delayed_tail[e, w]:
                            delayed_tail[e, w] = event
                if prev[event] == delayed_head[e]:
                    delayed_head[e] = event
        else:
            at = delayed_head[e]
            following = next_[at] if at != NONE else oldest[e]
            while following != NONE and event_time[following] <= high:
                at = following
                for w in range(len(windows)):
                    delayed_count[e, w] += 1
                    if delayed_tail[e, w] == NONE:
                        delayed_tail[e, w] = at
                following = next_[at]
            delayed_head[e] = at
            for w in range(len(windows)):
                while delayed_count[e, w] > 0 and event_time[delayed_tail[e, w]] <= high - windows[w]:
                    delayed_count[e, w] -= 1
                    delayed_tail[e, w] = next_[delayed_tail[e, w]] if delayed_count[e, w] > 0 else NONE
                out_delayed[i, w] = delayed_count[e, w]
        # Frauds are few: each transaction goes through its entity's own.
        fraud = fraud_head[e]
        while fraud != NONE:
            if known[fraud] <= t and event_time[fraud] <= high:
                for w in range(len(windows)):
                    if event_time[fraud] > high - windows[w]:
                        out_frauds[i, w] += 1
            fraud = fraud_next[fraud]

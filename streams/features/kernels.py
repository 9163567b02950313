"""Compiled loops of the windows: arrays in, arrays out.

An event is a row of a ring in arrival order; `link[s, j]` chains the events of its entity of kind j by event time. The
aggregates of an entity stand at its own `NOW`, the newest event time it has had. An event that is late for its entity
reads its values as a difference from there, at the cost of the events in between, and then joins the aggregates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.features.places import NONE, delete_place, find_place, kernel

UNPAIRED = -2  # in SAME_*: no counterpart, or nobody asks for distinct ones
NEVER = 2**62
LIMB_BITS = 31  # an amount is high * 2^31 + low: sums of 2^31 of them stay exact
LIMB = 2**LIMB_BITS
MICRO = 1e6

# Columns of `event`, int64: HASH is the bits of the uint64; KNOWN is since when it is known as fraud, or NEVER.
HASH, TIME, AMOUNT, KNOWN, LABELLED = range(5)
# Columns of `link`, int32, slots of events except ENTITY; ACTIVE: known as fraud at the entity's NOW.
ENTITY, PREV, NEXT, SAME_PREV, SAME_NEXT, FRAUD_PREV, FRAUD_NEXT, ACTIVE = range(8)
# Columns of `entity`, int64; HEAD is the newest event up to NOW - delay. The frauds not yet ACTIVE come first.
KEY, SIZE, NOW, NEWEST, OLDEST, HEAD, FRAUD_FIRST, FRAUD_LAST = range(8)
# Columns of `window`, int64; TAIL is the oldest event inside.
COUNT, HIGH, LOW, DISTINCT, TAIL, DELAYED, FRAUDS, DELAYED_TAIL = range(8)
# Places of `state`, int64; USED is how many rows of `entity` have ever been used, FREE the first free one among them.
FIRST, LIVE, NEWEST_TIME, EVICTED, STALE, USED, ENTITIES, FREE = range(8)
# What is read of one window, in the order of `columns.AGGREGATES`.
R_COUNT, R_SUM, R_MEAN, R_DISTINCT, R_SINCE, R_DELAYED, R_SHARE = range(7)
# Parts that a kind of entity keeps.
KEEPS_WINDOWS, KEEPS_DISTINCT, KEEPS_DELAYED = 1, 2, 4


class Store(NamedTuple):
    """All of a state's arrays, c events, k kinds, e entities, w windows; tables have a power of two places."""

    event: NDArray[np.int64]  # [c, 5]
    link: NDArray[np.int32]  # [c, k, 8]
    entity: NDArray[np.int64]  # [e, 8]
    window: NDArray[np.int64]  # [e, w, 8]
    state: NDArray[np.int64]  # [8]
    tx_key: NDArray[np.uint64]  # [t]
    tx_slot: NDArray[np.int32]  # [t]
    entity_key: NDArray[np.uint64]  # [k, u]
    entity_slot: NDArray[np.int32]  # [k, u]
    pair_key: NDArray[np.uint64]  # [p], entity * 2^32 + counterpart
    pair_slot: NDArray[np.int32]  # [p], the newest event of the two


class Rules(NamedTuple):
    """What doesn't change: widths[w], delay, retention and slack in ms; parts[k]; counterpart[k], a kind or NONE."""

    widths: NDArray[np.int64]
    parts: NDArray[np.int64]
    counterpart: NDArray[np.int64]
    delay: int
    retention: int
    slack: int
    max_events: int


@kernel
def _pair_of(e, other):
    return (np.uint64(e) << np.uint64(32)) | np.uint64(other)


@kernel
def _link(store, s, e, j):
    """Put an event in its entity's time order, after those of the same time."""
    event, link, entity = store.event, store.link, store.entity
    before, after = entity[e, NEWEST], np.int64(NONE)
    while before != NONE and event[before, TIME] > event[s, TIME]:
        before, after = np.int64(link[before, j, PREV]), before
    link[s, j, PREV], link[s, j, NEXT] = before, after
    if before == NONE:
        entity[e, OLDEST] = s
    else:
        link[before, j, NEXT] = s
    if after == NONE:
        entity[e, NEWEST] = s
    else:
        link[after, j, PREV] = s
    entity[e, SIZE] += 1


@kernel
def _unlink(store, s, e, j):
    link, entity = store.link, store.entity
    before, after = link[s, j, PREV], link[s, j, NEXT]
    if entity[e, HEAD] == s:
        entity[e, HEAD] = before
    if before == NONE:
        entity[e, OLDEST] = after
    else:
        link[before, j, NEXT] = after
    if after == NONE:
        entity[e, NEWEST] = before
    else:
        link[after, j, PREV] = before
    entity[e, SIZE] -= 1


@kernel
def _link_pair(store, s, e, j, other):
    """Put an event in the time order of those that its entity had with this counterpart."""
    event, link = store.event, store.link
    pair = _pair_of(e, other)
    place = find_place(store.pair_key, store.pair_slot, pair)
    before, after = np.int64(store.pair_slot[place]), np.int64(NONE)
    while before != NONE and event[before, TIME] > event[s, TIME]:
        before, after = np.int64(link[before, j, SAME_PREV]), before
    link[s, j, SAME_PREV], link[s, j, SAME_NEXT] = before, after
    if before != NONE:
        link[before, j, SAME_NEXT] = s
    if after == NONE:
        store.pair_key[place], store.pair_slot[place] = pair, s
    else:
        link[after, j, SAME_PREV] = s


@kernel
def _unlink_pair(store, s, e, j, other):
    link = store.link
    before, after = link[s, j, SAME_PREV], link[s, j, SAME_NEXT]
    if before != NONE:
        link[before, j, SAME_NEXT] = after
    if after != NONE:
        link[after, j, SAME_PREV] = before
        return
    place = find_place(store.pair_key, store.pair_slot, _pair_of(e, other))
    if before == NONE:
        delete_place(store.pair_key, store.pair_slot, place)
    else:
        store.pair_slot[place] = before


@kernel
def _link_fraud(store, s, e, j, active):
    """Put a fraud among its entity's: at the front while it waits to become known, at the back from then on."""
    link, entity = store.link, store.entity
    link[s, j, ACTIVE] = active
    before = entity[e, FRAUD_LAST] if active else np.int64(NONE)
    after = np.int64(NONE) if active else entity[e, FRAUD_FIRST]
    link[s, j, FRAUD_PREV], link[s, j, FRAUD_NEXT] = before, after
    if before == NONE:
        entity[e, FRAUD_FIRST] = s
    else:
        link[before, j, FRAUD_NEXT] = s
    if after == NONE:
        entity[e, FRAUD_LAST] = s
    else:
        link[after, j, FRAUD_PREV] = s


@kernel
def _unlink_fraud(store, s, e, j):
    link, entity = store.link, store.entity
    before, after = link[s, j, FRAUD_PREV], link[s, j, FRAUD_NEXT]
    if before == NONE:
        entity[e, FRAUD_FIRST] = after
    else:
        link[before, j, FRAUD_NEXT] = after
    if after == NONE:
        entity[e, FRAUD_LAST] = before
    else:
        link[after, j, FRAUD_PREV] = before
    link[s, j, ACTIVE] = 0


@kernel
def _count_fraud(store, rules, s, e, sign):
    """Add an ACTIVE fraud to the delayed windows that it lies in, or take it off."""
    t, high = store.event[s, TIME], store.entity[e, NOW] - rules.delay
    if t <= high:
        for w in range(len(rules.widths)):
            if t > high - rules.widths[w]:
                store.window[e, w, FRAUDS] += sign


@kernel
def _add_amount(window, e, w, amount, sign):
    window[e, w, COUNT] += sign
    window[e, w, HIGH] += sign * (amount >> LIMB_BITS)
    window[e, w, LOW] += sign * (amount & (LIMB - 1))


@kernel
def _is_only(event, link, s, j, low):
    """Whether the windows beginning at `low` lose or win a counterpart with this event: no later, no earlier inside."""
    before = link[s, j, SAME_PREV]
    return link[s, j, SAME_NEXT] == NONE and (before == NONE or event[before, TIME] <= low)


@kernel
def _join(store, rules, s, e, j):
    """Add a linked event to its entity's aggregates as of NOW."""
    event, link, window = store.event, store.link, store.window
    t, now = event[s, TIME], store.entity[e, NOW]
    if rules.parts[j] & KEEPS_WINDOWS:
        for w in range(len(rules.widths)):
            if t > now - rules.widths[w]:
                _add_amount(window, e, w, event[s, AMOUNT], 1)
                window[e, w, DISTINCT] += _is_only(event, link, s, j, now - rules.widths[w])
                if window[e, w, TAIL] == NONE or window[e, w, TAIL] == link[s, j, NEXT]:
                    window[e, w, TAIL] = s
    high = now - rules.delay
    if rules.parts[j] & KEEPS_DELAYED and t <= high:
        if link[s, j, PREV] == store.entity[e, HEAD]:
            store.entity[e, HEAD] = s
        for w in range(len(rules.widths)):
            if t > high - rules.widths[w]:
                window[e, w, DELAYED] += 1
                if window[e, w, DELAYED_TAIL] == NONE or window[e, w, DELAYED_TAIL] == link[s, j, NEXT]:
                    window[e, w, DELAYED_TAIL] = s


@kernel
def _leave(store, rules, s, e, j):
    """Take an event off its entity's aggregates, before it is unlinked."""
    event, link, window = store.event, store.link, store.window
    t, now = event[s, TIME], store.entity[e, NOW]
    if rules.parts[j] & KEEPS_WINDOWS:
        for w in range(len(rules.widths)):
            if t > now - rules.widths[w]:
                _add_amount(window, e, w, event[s, AMOUNT], -1)
                window[e, w, DISTINCT] -= _is_only(event, link, s, j, now - rules.widths[w])
                if window[e, w, TAIL] == s:
                    window[e, w, TAIL] = link[s, j, NEXT]
    high = now - rules.delay
    if rules.parts[j] & KEEPS_DELAYED and t <= high:
        for w in range(len(rules.widths)):
            if t > high - rules.widths[w]:
                window[e, w, DELAYED] -= 1
                if window[e, w, DELAYED_TAIL] == s:
                    window[e, w, DELAYED_TAIL] = NONE if store.entity[e, HEAD] == s else link[s, j, NEXT]


@kernel
def _roll_forward(store, rules, e, j, t):
    """Move an entity's aggregates on to a later time."""
    event, link, entity, window = store.event, store.link, store.entity, store.window
    entity[e, NOW] = t
    if rules.parts[j] & KEEPS_WINDOWS:
        for w in range(len(rules.widths)):
            tail = window[e, w, TAIL]
            while tail != NONE and event[tail, TIME] <= t - rules.widths[w]:
                _add_amount(window, e, w, event[tail, AMOUNT], -1)
                window[e, w, DISTINCT] -= link[tail, j, SAME_NEXT] == NONE
                tail = np.int64(link[tail, j, NEXT])
            window[e, w, TAIL] = tail
    if rules.parts[j] & KEEPS_DELAYED:
        _roll_delayed_forward(store, rules, e, j, t)


@kernel
def _roll_delayed_forward(store, rules, e, j, t):
    event, link, entity, window = store.event, store.link, store.entity, store.window
    high = t - rules.delay
    head = entity[e, HEAD]
    following = entity[e, OLDEST] if head == NONE else np.int64(link[head, j, NEXT])
    while following != NONE and event[following, TIME] <= high:
        head = following
        for w in range(len(rules.widths)):
            window[e, w, DELAYED] += 1
            window[e, w, FRAUDS] += link[head, j, ACTIVE]
            if window[e, w, DELAYED_TAIL] == NONE:
                window[e, w, DELAYED_TAIL] = head
        following = np.int64(link[head, j, NEXT])
    entity[e, HEAD] = head
    for w in range(len(rules.widths)):
        tail = window[e, w, DELAYED_TAIL]
        while tail != NONE and event[tail, TIME] <= high - rules.widths[w]:
            window[e, w, DELAYED] -= 1
            window[e, w, FRAUDS] -= link[tail, j, ACTIVE]
            tail = np.int64(NONE) if tail == head else np.int64(link[tail, j, NEXT])
        window[e, w, DELAYED_TAIL] = tail
    fraud = entity[e, FRAUD_FIRST]
    while fraud != NONE and not link[fraud, j, ACTIVE]:
        following = np.int64(link[fraud, j, FRAUD_NEXT])
        if event[fraud, KNOWN] <= t:
            _unlink_fraud(store, fraud, e, j)
            _link_fraud(store, fraud, e, j, 1)
            _count_fraud(store, rules, fraud, e, 1)
        fraud = following


@kernel
def _late_window(store, s, e, j, w, width):
    """Count, amount in limbs and counterparts of (t - width, t] for an event older than its entity's NOW."""
    event, link, window = store.event, store.link, store.window
    t, now = event[s, TIME], store.entity[e, NOW]
    count, high, low, distinct = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    at = s
    if width > now - t:  # it shares events with the window at NOW: take the newer off, then add the older
        count, high, low, distinct = window[e, w, COUNT], window[e, w, HIGH], window[e, w, LOW], window[e, w, DISTINCT]
        newer = store.entity[e, NEWEST]
        while newer != s:
            amount = event[newer, AMOUNT]
            before = link[newer, j, SAME_PREV]
            count, high, low = count - 1, high - (amount >> LIMB_BITS), low - (amount & (LIMB - 1))
            distinct -= before == NONE or (before >= 0 and event[before, TIME] <= now - width)
            newer = np.int64(link[newer, j, PREV])
        at = np.int64(link[window[e, w, TAIL], j, PREV])
    while at != NONE and event[at, TIME] > t - width:
        amount = event[at, AMOUNT]
        after = link[at, j, SAME_NEXT]
        count, high, low = count + 1, high + (amount >> LIMB_BITS), low + (amount & (LIMB - 1))
        distinct += after == NONE or (after >= 0 and event[after, TIME] > t)
        at = np.int64(link[at, j, PREV])
    return count, high, low, distinct


@kernel
def _read_late_delayed(store, rules, s, e, j, row):
    event, link, entity, window = store.event, store.link, store.entity, store.window
    t = event[s, TIME]
    high = t - rules.delay
    head, newer = entity[e, HEAD], 0
    while head != NONE and event[head, TIME] > high:
        head, newer = np.int64(link[head, j, PREV]), newer + 1
    for w in range(len(rules.widths)):
        count, at = np.int64(0), head
        tail = window[e, w, DELAYED_TAIL]
        if rules.widths[w] > entity[e, NOW] - t and tail != NONE:
            count, at = window[e, w, DELAYED] - newer, np.int64(link[tail, j, PREV])
        while at != NONE and event[at, TIME] > high - rules.widths[w]:
            count, at = count + 1, np.int64(link[at, j, PREV])
        frauds, fraud = np.int64(0), entity[e, FRAUD_FIRST]
        while fraud != NONE:
            inside = high - rules.widths[w] < event[fraud, TIME] <= high
            frauds += inside and event[fraud, KNOWN] <= t
            fraud = np.int64(link[fraud, j, FRAUD_NEXT])
        row[w, R_DELAYED] = count
        row[w, R_SHARE] = frauds / count if count else 0.0


@kernel
def _read(store, rules, s, e, j, late, row):
    """An event's own values, over what had arrived before it and itself."""
    window, before = store.window, store.link[s, j, PREV]
    since = np.nan if before == NONE else (store.event[s, TIME] - store.event[before, TIME]) / 1000.0
    for w in range(len(rules.widths)):
        row[w, R_SINCE] = since
        if rules.parts[j] & KEEPS_WINDOWS:
            count, high, low, distinct = (
                window[e, w, COUNT], window[e, w, HIGH], window[e, w, LOW], window[e, w, DISTINCT],
            )  # fmt: skip
            if late:
                count, high, low, distinct = _late_window(store, s, e, j, w, rules.widths[w])
            row[w, R_COUNT], row[w, R_DISTINCT] = count, distinct
            row[w, R_SUM] = (np.float64(high) * LIMB + np.float64(low)) / MICRO
            row[w, R_MEAN] = row[w, R_SUM] / count
        if rules.parts[j] & KEEPS_DELAYED and not late:
            count = window[e, w, DELAYED]
            row[w, R_DELAYED] = count
            row[w, R_SHARE] = window[e, w, FRAUDS] / count if count else 0.0
    if rules.parts[j] & KEEPS_DELAYED and late:
        _read_late_delayed(store, rules, s, e, j, row)


@kernel
def _entity_of(store, j, key):
    """Row of an entity, a fresh one for a new key; NONE for key 0, which is no entity."""
    if key == 0:
        return np.int64(NONE)
    entity, state = store.entity, store.state
    place = find_place(store.entity_key[j], store.entity_slot[j], key)
    if store.entity_slot[j, place] != NONE:
        return np.int64(store.entity_slot[j, place])
    e = state[FREE]
    if e == NONE:
        e = state[USED]
        state[USED] += 1
    else:
        state[FREE] = entity[e, KEY]
    state[ENTITIES] += 1
    store.entity_key[j, place], store.entity_slot[j, place] = key, e
    entity[e] = NONE
    entity[e, KEY], entity[e, SIZE], entity[e, NOW] = np.int64(key), 0, -NEVER
    store.window[e] = 0
    store.window[e, :, TAIL] = NONE
    store.window[e, :, DELAYED_TAIL] = NONE
    return e


@kernel
def _release_entity(store, e, j):
    place = find_place(store.entity_key[j], store.entity_slot[j], np.uint64(store.entity[e, KEY]))
    delete_place(store.entity_key[j], store.entity_slot[j], place)
    store.entity[e, KEY] = store.state[FREE]
    store.state[FREE] = e
    store.state[ENTITIES] -= 1


@kernel
def _remove_first(store, rules):
    """Forget the event that arrived first."""
    event, link, state = store.event, store.link, store.state
    s = state[FIRST]
    for j in range(link.shape[1]):
        e = np.int64(link[s, j, ENTITY])
        if e == NONE:
            continue
        if event[s, KNOWN] != NEVER:
            if link[s, j, ACTIVE]:
                _count_fraud(store, rules, s, e, -1)
            _unlink_fraud(store, s, e, j)
        _leave(store, rules, s, e, j)
        if link[s, j, SAME_NEXT] != UNPAIRED:
            _unlink_pair(store, s, e, j, link[s, rules.counterpart[j], ENTITY])
        _unlink(store, s, e, j)
    for j in range(link.shape[1]):  # after all pairs: they are found by the rows of both
        e = np.int64(link[s, j, ENTITY])
        if e != NONE and store.entity[e, SIZE] == 0:
            _release_entity(store, e, j)
    delete_place(store.tx_key, store.tx_slot, find_place(store.tx_key, store.tx_slot, np.uint64(event[s, HASH])))
    state[FIRST] = (s + 1) & (len(event) - 1)
    state[LIVE] -= 1


@kernel
def _take_label(store, rules, tx_hash, time, fraud):
    """Mark an event, unless a newer label has; False where it isn't held."""
    event, link = store.event, store.link
    s = np.int64(store.tx_slot[find_place(store.tx_key, store.tx_slot, tx_hash)])
    if s == NONE:
        return False
    is_newest, was_fraud = time >= event[s, LABELLED], event[s, KNOWN] != NEVER
    if is_newest:
        event[s, LABELLED] = time
    if not is_newest or fraud == was_fraud:
        return True
    event[s, KNOWN] = time if fraud else NEVER
    for j in range(link.shape[1]):
        e = np.int64(link[s, j, ENTITY])
        if e == NONE:
            continue
        if fraud:
            _link_fraud(store, s, e, j, time <= store.entity[e, NOW])
        if link[s, j, ACTIVE]:
            _count_fraud(store, rules, s, e, 1 if fraud else -1)
        if not fraud:
            _unlink_fraud(store, s, e, j)
    return True


@kernel
def take_labels(store, rules, tx_hash, time, fraud, found):
    """Mark events in the order of the rows."""
    for i in range(len(tx_hash)):
        found[i] = _take_label(store, rules, tx_hash[i], time[i], fraud[i])


@kernel
def _append(store, rules, tx_hash, t, amount, keys):
    """Take an event in as the newest of the ring, forgetting what is too old or too many; returns its slot."""
    event, link, state = store.event, store.link, store.state
    while state[LIVE] > 0 and event[state[FIRST], TIME] <= state[NEWEST_TIME] - rules.retention:
        _remove_first(store, rules)
    while state[LIVE] >= rules.max_events:
        _remove_first(store, rules)
        state[EVICTED] += 1
    s = (state[FIRST] + state[LIVE]) & (len(event) - 1)
    state[LIVE] += 1
    event[s, HASH], event[s, TIME], event[s, AMOUNT] = np.int64(tx_hash), t, amount
    event[s, KNOWN], event[s, LABELLED] = NEVER, -NEVER
    place = find_place(store.tx_key, store.tx_slot, tx_hash)
    store.tx_key[place], store.tx_slot[place] = tx_hash, s
    for j in range(link.shape[1]):
        link[s, j] = NONE
        link[s, j, SAME_PREV] = link[s, j, SAME_NEXT] = UNPAIRED
        link[s, j, ENTITY] = _entity_of(store, j, keys[j])
        link[s, j, ACTIVE] = 0
    return s


@kernel
def take_events(
    store, rules, tx_hash, event_time, amount, keys, label_hash, label_time, label_fraud, label_row, plan, features,
    status, found,
):  # fmt: skip
    """Take rows in arrival order and read each one's features; a label acts before the first row that isn't older.

    `plan[d]` names each column's kind, window and R_ code. Labels come in the order of `label_row`, the first row that
    each may act before.
    """
    link, state = store.link, store.state
    row = np.empty((link.shape[1], len(rules.widths), 7))
    told = 0
    for i in range(len(tx_hash)):
        if store.tx_slot[find_place(store.tx_key, store.tx_slot, tx_hash[i])] != NONE:
            status[i] = 1
            continue
        t = event_time[i]
        state[NEWEST_TIME] = max(state[NEWEST_TIME], t)
        state[STALE] += t < state[NEWEST_TIME] - rules.slack
        while told < len(label_hash) and label_row[told] <= i and label_time[told] <= state[NEWEST_TIME]:
            found[told] = _take_label(store, rules, label_hash[told], label_time[told], label_fraud[told])
            told += 1
        s = _append(store, rules, tx_hash[i], t, amount[i], keys[i])
        row[:] = np.nan
        for j in range(link.shape[1]):
            e = np.int64(link[s, j, ENTITY])
            if e == NONE:
                continue
            late = t < store.entity[e, NOW]
            if not late:
                _roll_forward(store, rules, e, j, t)
            _link(store, s, e, j)
            if rules.parts[j] & KEEPS_DISTINCT and link[s, rules.counterpart[j], ENTITY] != NONE:
                _link_pair(store, s, e, j, link[s, rules.counterpart[j], ENTITY])
            _join(store, rules, s, e, j)
            _read(store, rules, s, e, j, late, row[j])
        for c in range(len(plan)):
            features[i, c] = row[plan[c, 0], plan[c, 1], plan[c, 2]]
    for i in range(told, len(label_hash)):
        found[i] = _take_label(store, rules, label_hash[i], label_time[i], label_fraud[i])


@kernel
def read_events(store, rules, tx_hash, plan, features):
    """Read events that are held once more, over all that has arrived by now; rows of others stay as they are."""
    link = store.link
    row = np.empty((link.shape[1], len(rules.widths), 7))
    for i in range(len(tx_hash)):
        s = np.int64(store.tx_slot[find_place(store.tx_key, store.tx_slot, tx_hash[i])])
        if s == NONE:
            continue
        row[:] = np.nan
        for j in range(link.shape[1]):
            e = np.int64(link[s, j, ENTITY])
            if e != NONE:
                _read(store, rules, s, e, j, store.event[s, TIME] < store.entity[e, NOW], row[j])
        for c in range(len(plan)):
            features[i, c] = row[plan[c, 0], plan[c, 1], plan[c, 2]]


@kernel
def fill_tables(store, rules):
    """Find everything again, after the arrays have moved."""
    event, link = store.event, store.link
    for s in range(store.state[LIVE]):
        tx_hash = np.uint64(event[s, HASH])
        place = find_place(store.tx_key, store.tx_slot, tx_hash)
        store.tx_key[place], store.tx_slot[place] = tx_hash, s
        for j in range(link.shape[1]):
            e = np.int64(link[s, j, ENTITY])
            if e == NONE:
                continue
            key = np.uint64(store.entity[e, KEY])
            place = find_place(store.entity_key[j], store.entity_slot[j], key)
            store.entity_key[j, place], store.entity_slot[j, place] = key, e
            if link[s, j, SAME_NEXT] == NONE:
                pair = _pair_of(e, link[s, rules.counterpart[j], ENTITY])
                place = find_place(store.pair_key, store.pair_slot, pair)
                store.pair_key[place], store.pair_slot[place] = pair, s

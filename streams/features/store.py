"""The arrays behind the windows: made, grown, packed for a snapshot and unpacked again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features import kernels
from streams.features.kernels import Rules, Store
from streams.features.places import NONE

SMALLEST = 1024
SLOTS_OF_LINK = (
    kernels.PREV, kernels.NEXT, kernels.SAME_PREV, kernels.SAME_NEXT, kernels.FRAUD_PREV, kernels.FRAUD_NEXT,
)  # fmt: skip
SLOTS_OF_ENTITY = (kernels.NEWEST, kernels.OLDEST, kernels.HEAD, kernels.FRAUD_FIRST, kernels.FRAUD_LAST)
SLOTS_OF_WINDOW = (kernels.TAIL, kernels.DELAYED_TAIL)


def empty_store(rules: Rules, capacity: int = SMALLEST) -> Store:
    """Room for some events, and nothing in it."""
    state = np.zeros(8, np.int64)
    state[kernels.NEWEST_TIME], state[kernels.FREE] = -kernels.NEVER, NONE
    kinds, widths = len(rules.parts), len(rules.widths)
    packed: dict[str, NDArray[Any]] = {
        "event": np.zeros((0, 5), np.int64),
        "link": np.zeros((0, kinds, 8), np.int32),
        "entity": np.zeros((0, 8), np.int64),
        "window": np.zeros((0, widths, 8), np.int64),
        "state": state,
    }
    return unpack(packed, rules, capacity, 0)


def with_room(store: Store, rules: Rules, rows: int) -> Store:
    """The same store, or a larger one where a batch of new events and entities may not fit."""
    events = min(int(store.state[kernels.LIVE]) + rows, rules.max_events)
    entities = int(store.state[kernels.ENTITIES]) + rows * len(rules.parts)
    if events <= len(store.event) and entities <= len(store.entity):
        return store
    return unpack(pack(store), rules, events, entities)


def memory_bytes(store: Store) -> int:
    """Of all arrays."""
    return sum(array.nbytes for array in store)


def pack(store: Store) -> dict[str, NDArray[Any]]:
    """Copies of what the store holds, events in arrival order from slot 0 on; the tables follow from these."""
    first, live, used = (int(store.state[i]) for i in (kernels.FIRST, kernels.LIVE, kernels.USED))
    capacity = len(store.event)
    rows = (first + np.arange(live)) & (capacity - 1)
    packed = {
        "event": store.event[rows],
        "link": store.link[rows],
        "entity": store.entity[:used].copy(),
        "window": store.window[:used].copy(),
        "state": store.state.copy(),
    }
    for name, columns in (("link", SLOTS_OF_LINK), ("entity", SLOTS_OF_ENTITY), ("window", SLOTS_OF_WINDOW)):
        for column in columns:
            _move(packed[name][..., column], first, capacity)
    packed["state"][kernels.FIRST] = 0
    return packed


def unpack(packed: Mapping[str, NDArray[Any]], rules: Rules, events: int, entities: int) -> Store:
    """A store of its own that holds what was packed, with room for so many events and entities at least."""
    capacity = _power_of_two(max(events, len(packed["event"]), SMALLEST))
    most_entities = _power_of_two(max(entities, len(packed["entity"]), SMALLEST))
    kinds = len(rules.parts)
    pairing = int(np.count_nonzero(rules.parts & kernels.KEEPS_DISTINCT))
    places = 2 * capacity, 2 * most_entities, max(1, 2 * _power_of_two(pairing * capacity))
    store = Store(
        event=_extended(packed["event"], capacity),
        link=_extended(packed["link"], capacity),
        entity=_extended(packed["entity"], most_entities),
        window=_extended(packed["window"], most_entities),
        state=packed["state"].copy(),
        tx_key=np.zeros(places[0], np.uint64),
        tx_slot=np.full(places[0], NONE, np.int32),
        entity_key=np.zeros((kinds, places[1]), np.uint64),
        entity_slot=np.full((kinds, places[1]), NONE, np.int32),
        pair_key=np.zeros(places[2], np.uint64),
        pair_slot=np.full(places[2], NONE, np.int32),
    )
    kernels.fill_tables(store, rules)
    return store


def _move(slots: NDArray[Any], first: int, capacity: int) -> None:
    """Slots of a ring, renumbered in place as if it began at 0."""
    slots[...] = np.where(slots >= 0, (slots - first) & (capacity - 1), slots)


def _extended(array: NDArray[Any], size: int) -> NDArray[Any]:
    longer = np.zeros((size, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()

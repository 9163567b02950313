"""Which windows a lane keeps itself, and which shard keeps the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.features import columns
from streams.features.decayed.beside import FadingState
from streams.features.windows import FeatureState
from streams.spec import StreamSpec

PRIMARY = 0  # the topic's key: all of an entity's rows are in one partition
_MIX = np.uint64(0x9E3779B97F4A7C15)


def every_state(spec: StreamSpec) -> FeatureState:
    """The windows of every kind of entity, in one place."""
    make = FadingState if spec.windows.decayed else FeatureState
    return make(spec.windows, tuple(spec.entities), lateness_ms=_lateness_ms(spec))


def lane_state(spec: StreamSpec) -> FeatureState:
    """The windows of the topic's key."""
    return _state(spec, (PRIMARY,))


def shard_state(spec: StreamSpec) -> FeatureState:
    """The windows of every other kind of entity."""
    return _state(spec, range(PRIMARY + 1, len(spec.entities)))


def used_kinds(state: FeatureState) -> NDArray[np.bool_]:
    """bool[e], of each kind of entity, whether a state needs its keys: for its windows, or as what they count."""
    return np.array(columns.needed(state.spec, state.entities))


def shard_of(keys: NDArray[np.uint64], shards: int) -> NDArray[np.int64]:
    """int64[...], the number of the shard that keeps each key; -1 for key 0, which is no entity."""
    mixed = keys * _MIX
    owner = ((mixed ^ (mixed >> np.uint64(29))) % np.uint64(shards)).astype(np.int64)
    return np.where(keys == 0, -1, owner)


def shard_keys(
    used: NDArray[np.bool_], keys: NDArray[np.uint64], owner: NDArray[np.int64], shard: int
) -> NDArray[np.uint64]:
    """The keys that one shard's windows need, the others 0: its own, and the topic's where it is counted.

    Args:
        used: bool[e], of a shard's state.
        keys: uint64[n, e].
        owner: int64[n, e - 1], of the kinds besides the topic's key.
        shard: its number.
    """
    own = np.column_stack([np.ones(len(keys), np.bool_), owner == shard])
    return np.where(own & used, keys, np.uint64(0))


def _state(spec: StreamSpec, kinds: range | tuple[int, ...]) -> FeatureState:
    entities = tuple(spec.entities)
    windows = columns.only(spec.windows, entities, kinds)
    return FeatureState(windows, entities, lateness_ms=_lateness_ms(spec))


def _lateness_ms(spec: StreamSpec) -> int:
    return spec.lateness_max_ms + spec.ahead_max_ms

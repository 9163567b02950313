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


def lane_keys(spec: StreamSpec, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The keys that a lane's own windows need, the others 0.

    Args:
        spec: of the stream.
        keys: uint64[n, e].
    """
    entities = tuple(spec.entities)
    used = columns.needed(columns.only(spec.windows, entities, (PRIMARY,)), entities)
    return np.where(used, keys, np.uint64(0))


def shard_of(keys: NDArray[np.uint64], shards: int) -> NDArray[np.int64]:
    """int64[...], the number of the shard that keeps each key; -1 for key 0, which is no entity."""
    mixed = keys * _MIX
    owner = ((mixed ^ (mixed >> np.uint64(29))) % np.uint64(shards)).astype(np.int64)
    return np.where(keys == 0, -1, owner)


def shard_keys(spec: StreamSpec, keys: NDArray[np.uint64], owner: NDArray[np.int64], shard: int) -> NDArray[np.uint64]:
    """The keys that one shard's windows need, the others 0: its own, and the topic's where it is counted.

    Args:
        spec: of the stream.
        keys: uint64[n, e].
        owner: int64[n, e - 1], of the kinds besides the topic's key.
        shard: its number.
    """
    entities = tuple(spec.entities)
    used = columns.needed(columns.only(spec.windows, entities, range(PRIMARY + 1, len(entities))), entities)
    out = np.zeros_like(keys)
    out[:, 1:] = np.where(owner == shard, keys[:, 1:], 0)
    if used[PRIMARY]:
        out[:, PRIMARY] = keys[:, PRIMARY]
    return out


def _state(spec: StreamSpec, kinds: range | tuple[int, ...]) -> FeatureState:
    entities = tuple(spec.entities)
    windows = columns.only(spec.windows, entities, kinds)
    return FeatureState(windows, entities, lateness_ms=_lateness_ms(spec))


def _lateness_ms(spec: StreamSpec) -> int:
    return spec.lateness_max_ms + spec.ahead_max_ms

"""Which windows, over which entities."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Aggregate = Literal["count", "sum", "mean", "distinct", "since_last", "delayed_count", "fraud_share"]


class DecayedSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fading windows over event time, of one kind of entity."""

    windows: tuple[str, ...] = ("1h", "1d", "7d", "30d")
    """Time constants: after so long a transaction counts for 1/e."""
    ttl: str = "60d"
    """An entity without a transaction for so long is forgotten."""
    entities_max: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 10_000_000
    """Entities held at most; beyond it one that has long been quiet gives way. Memory for all is set aside at once."""


class WindowSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Windows over event time, per entity."""

    windows: tuple[str, ...] = ("1h", "1d", "7d", "30d")
    """Lengths: (t - w, t], the transaction itself included."""
    label_delay: str = "7d"
    """Delay of `delayed_count` and `fraud_share`: they look at (t - delay - w, t - delay]."""
    entities: dict[str, tuple[Aggregate, ...]] = {}
    """Aggregates per entity; empty: all of them for every entity."""
    decayed: dict[str, DecayedSpec] = {}
    """Fading windows by entity, of a fixed size for each entity of that kind; none when empty. One lane only."""

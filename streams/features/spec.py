"""Which windows, over which entities."""

from __future__ import annotations

from typing import Literal

import msgspec

Aggregate = Literal["count", "sum", "mean", "distinct", "since_last", "delayed_count", "fraud_share"]


class WindowSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Windows over event time, per entity."""

    windows: tuple[str, ...] = ("1h", "1d", "7d", "30d")
    """Lengths: (t - w, t], the transaction itself included."""
    label_delay: str = "7d"
    """Delay of `delayed_count` and `fraud_share`: they look at (t - delay - w, t - delay]."""
    entities: dict[str, tuple[Aggregate, ...]] = {}
    """Aggregates per entity; empty: all of them for every entity."""

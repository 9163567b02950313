"""The past as columns: what a backtest plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.errors import QUOTED, NotAllowedError

UNKNOWN, GENUINE, FRAUD = -1, 0, 1


class HistoryError(NotAllowedError):
    """A table that can't be read as a history: where, found, allowed."""

    template = QUOTED


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """n past transactions in the order of event time.

    Attributes:
        tx_id: n ids.
        tx_hash: uint64[n], `streams.keys.entity_key` of the ids.
        event_time: int64[n], ms UTC, never decreasing.
        amount: float64[n], finite, 0 or more.
        entities: uint64[n, e], in the order of the spec's entities; 0 where there is none.
        raw: float32[n, r], columns as `streams.codec.raw_feature_names`.
        label: int8[n]: `FRAUD`, `GENUINE`, or `UNKNOWN` where nobody will ever know.
        label_time: int64[n], when the label became known, ms UTC; without meaning where it is `UNKNOWN`.
        refused: rows of the table that aren't here, by reason.
    """

    tx_id: list[str]
    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    entities: NDArray[np.uint64]
    raw: NDArray[np.float32]
    label: NDArray[np.int8]
    label_time: NDArray[np.int64]
    refused: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = (self.tx_hash, self.event_time, self.amount, self.entities, self.raw, self.label, self.label_time)
        lengths = {len(c) for c in columns}
        if lengths != {len(self.tx_id)}:
            raise HistoryError("history", sorted(lengths), f"{len(self.tx_id)} rows in every column")
        if (np.diff(self.event_time) < 0).any():
            raise HistoryError("history event_time", "times that go back", "the order of event time")

    def __len__(self) -> int:
        return len(self.tx_id)

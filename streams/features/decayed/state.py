"""Counts, sums and means that fade exponentially, in 16 bytes and 16 a window for each entity, whatever it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streams.durations import parse_duration
from streams.features.decayed import kernels
from streams.features.decayed.kernels import Table
from streams.features.spec import DecayedSpec

COLUMNS = ("key", "last", "counts", "totals")
LOAD = 0.75  # of the slots that may be taken


class DecayedState:
    """For each entity the sums over its transactions i of exp(-(T - t_i) / w), and of that times the amount.

    T is the newest event time that the entity has had: a late transaction counts for what is left of it, and its row
    reads the values at T. Memory doesn't depend on how many transactions an entity has, and is bounded from the start,
    so that no table ever has to be moved while a lane waits.

    Args:
        spec: windows, time-to-live and bound.
        entity: kind of entity, for the names of the features.
    """

    def __init__(self, spec: DecayedSpec, entity: str) -> None:
        self.spec, self.entities = spec, (entity,)
        names = [f"{entity}_decayed_{what}_{w}" for what in ("count", "sum", "mean") for w in spec.windows]
        self.names = (*names, f"{entity}_decayed_since_last")
        self._tau = np.array([parse_duration(w) for w in spec.windows], np.float64)
        self._ttl = parse_duration(spec.ttl)
        self._table = self._empty()

    @property
    def entities_live(self) -> int:
        """Entities held."""
        return int(self._table.state[kernels.LIVE])

    @property
    def expired(self) -> int:
        """Entities forgotten since they were quiet for the time-to-live."""
        return int(self._table.state[kernels.EXPIRED])

    @property
    def evicted(self) -> int:
        """Entities forgotten before their time, for want of room."""
        return int(self._table.state[kernels.EVICTED])

    @property
    def memory_bytes(self) -> int:
        """Of all arrays."""
        return sum(array.nbytes for array in self._table)

    def update(self, event_time: ArrayLike, amount: ArrayLike, key: ArrayLike) -> NDArray[np.float64]:
        """Take transactions in arrival order, and read each one's features.

        Args:
            event_time: int64[n], ms UTC.
            amount: float64[n], finite.
            key: uint64[n]; 0 where there is no entity.

        Returns:
            float64[n, d]; NaN where a row has no entity; time since the last is NaN for the first and for late ones.
        """
        keys = np.asarray(key, np.uint64)
        features = np.empty((len(keys), len(self.names)))
        times, amounts = np.asarray(event_time, np.int64), np.asarray(amount, np.float64)
        most = self.spec.entities_max
        kernels.take(self._table, self._tau, self._ttl, most, keys, times, amounts, features)
        return features

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Copies of everything held, as plain arrays."""
        table = self._table
        used = np.flatnonzero(table.key)
        columns: dict[str, NDArray[Any]] = {name: getattr(table, name)[used] for name in COLUMNS}
        return columns | {"state": table.state.copy()}

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take a snapshot in place of what is held; its values go on bit for bit."""
        self._table = self._empty()
        kernels.fill(self._table, *(arrays[name] for name in COLUMNS))
        self._table.state[:] = arrays["state"]

    def _empty(self) -> Table:
        slots = 1 << int(np.ceil(np.log2(self.spec.entities_max / LOAD + 1)))
        state = np.zeros(5, np.int64)
        state[kernels.NEWEST_TIME] = kernels.NEVER
        windows = len(self._tau)
        return Table(
            key=np.zeros(slots, np.uint64),
            last=np.zeros(slots, np.int64),
            counts=np.zeros((slots, windows)),
            totals=np.zeros((slots, windows)),
            state=state,
        )

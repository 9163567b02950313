"""Exact windows, and beside them fading ones for the kinds of entities that the stream spec names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streams.features.decayed.state import DecayedState
from streams.features.spec import WindowSpec
from streams.features.windows import FeatureState, LabelEvents, Update


class FadingState(FeatureState):
    """A `FeatureState` whose last columns are the fading windows; a duplicate counts in neither.

    Args:
        spec: windows; its `decayed` says which entities fade, and how.
        entities: names, in the order of the columns that `update` gets.
        lateness_ms: see `FeatureState`.

    Raises:
        SpecError: the windows don't fit the entities.
    """

    def __init__(self, spec: WindowSpec, entities: tuple[str, ...], lateness_ms: int) -> None:
        super().__init__(spec, entities, lateness_ms)
        self.fading = {name: DecayedState(decayed, name) for name, decayed in spec.decayed.items()}
        self._exact = len(self.names)
        self.names = (*self.names, *(name for state in self.fading.values() for name in state.names))

    @property
    def memory_bytes(self) -> int:
        """Of all arrays."""
        return super().memory_bytes + sum(state.memory_bytes for state in self.fading.values())

    def update(
        self,
        tx_hash: ArrayLike,
        event_time: ArrayLike,
        amount: ArrayLike,
        entities: ArrayLike,
        labels: LabelEvents | None = None,
    ) -> Update:
        """See `FeatureState.update`."""
        found = super().update(tx_hash, event_time, amount, entities, labels)
        keys = np.asarray(entities, np.uint64).reshape(len(found.status), len(self.entities))
        column = self._exact
        for name, state in self.fading.items():
            mine = np.where(found.status == 0, keys[:, self.entities.index(name)], np.uint64(0))
            found.features[:, column : column + len(state.names)] = state.update(event_time, amount, mine)
            column += len(state.names)
        return found

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Copies of everything held, as plain arrays."""
        arrays = dict(super().snapshot())
        for name, state in self.fading.items():
            arrays |= {f"{name}.{column}": array for column, array in state.snapshot().items()}
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take a snapshot in place of what is held, and go on from it bit for bit."""
        super().restore({name: array for name, array in arrays.items() if "." not in name})
        for name, state in self.fading.items():
            mine = {column: array for column, array in arrays.items() if column.startswith(f"{name}.")}
            state.restore({column.removeprefix(f"{name}."): array for column, array in mine.items()})

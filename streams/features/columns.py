"""Which column is what: the names of the features, and where the kernels find them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import get_args

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from streams.durations import parse_duration
from streams.errors import SpecError, StreamsError
from streams.features import kernels
from streams.features.places import NONE
from streams.features.spec import Aggregate, WindowSpec

AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)  # in the order of the kernels' R_ codes
ONCE: frozenset[Aggregate] = frozenset({"since_last"})  # not per window
PARTS: dict[Aggregate, int] = {
    "count": kernels.KEEPS_WINDOWS,
    "sum": kernels.KEEPS_WINDOWS,
    "mean": kernels.KEEPS_WINDOWS,
    "distinct": kernels.KEEPS_WINDOWS | kernels.KEEPS_DISTINCT,
    "since_last": 0,
    "delayed_count": kernels.KEEPS_DELAYED,
    "fraud_share": kernels.KEEPS_DELAYED,
}


@dataclass(frozen=True, slots=True)
class WindowFeature:
    """What a window feature says.

    Attributes:
        entity: whose window.
        aggregate: of what is in it.
        window: its length, e.g. "7d"; empty where there is none.
        counterpart: the kind of entity that is counted, of `distinct`.
    """

    entity: str
    aggregate: Aggregate
    window: str = ""
    counterpart: str = ""

    @property
    def name(self) -> str:
        """Of its column, e.g. `customer_count_1d`."""
        return "_".join(part for part in (self.entity, self.aggregate, self.window) if part)


def described(spec: WindowSpec, entities: tuple[str, ...]) -> tuple[WindowFeature, ...]:
    """The features in their order."""
    return tuple(
        WindowFeature(
            entity=entities[kind],
            aggregate=aggregate,
            window="" if aggregate in ONCE else spec.windows[window],
            counterpart=entities[counterpart(kind, len(entities))] if aggregate == "distinct" else "",
        )
        for kind, window, aggregate in _cells(spec, entities)
    )


def feature_names(spec: WindowSpec, entities: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the features in their order, e.g. `customer_count_1d`."""
    return tuple(feature.name for feature in described(spec, entities))


def plan(spec: WindowSpec, entities: tuple[str, ...]) -> NDArray[np.int64]:
    """int64[d, 3]: kind, window and aggregate of each feature."""
    cells = [(kind, window, AGGREGATES.index(a)) for kind, window, a in _cells(spec, entities)]
    return np.array(cells, np.int64).reshape(-1, 3)


def counterpart(kind: int, kinds: int) -> int:
    """Whom a kind of entity meets: the first one meets the second, every other one the first; NONE alone."""
    if kinds == 1:
        return NONE
    return 1 if kind == 0 else 0


def rules(spec: WindowSpec, entities: tuple[str, ...], lateness_ms: int, max_events: int) -> kernels.Rules:
    """What the kernels go by."""
    widths = np.array([parse_duration(w) for w in spec.windows], np.int64)
    parts = [_parts(aggregates_of(spec, entities, kind)) for kind in range(len(entities))]
    delay = parse_duration(spec.label_delay)
    return kernels.Rules(
        widths=widths,
        parts=np.array(parts, np.int64),
        counterpart=np.array([counterpart(kind, len(entities)) for kind in range(len(entities))], np.int64),
        delay=delay,
        retention=int(widths.max()) + delay + lateness_ms,
        slack=lateness_ms,
        max_events=max_events,
    )


def aggregates_of(spec: WindowSpec, entities: tuple[str, ...], kind: int) -> tuple[Aggregate, ...]:
    """What is computed for a kind of entity: what the spec names, or all where it names nothing.

    A stream with one kind of entity has no counterparts to count.
    """
    everything = tuple(a for a in AGGREGATES if a != "distinct" or len(entities) > 1)
    return spec.entities.get(entities[kind], everything) if spec.entities else everything


def only(spec: WindowSpec, entities: tuple[str, ...], kinds: Collection[int]) -> WindowSpec:
    """The same windows, of some kinds of entities alone: their columns are the same ones, in the same order."""
    aggregates = {name: aggregates_of(spec, entities, k) if k in kinds else () for k, name in enumerate(entities)}
    return replace(spec, entities=aggregates)


def needed(spec: WindowSpec, entities: tuple[str, ...]) -> tuple[bool, ...]:
    """Of each kind, whether its windows are kept, or it is a counterpart that some windows count."""
    said = [aggregates_of(spec, entities, k) for k in range(len(entities))]
    counted = {counterpart(k, len(entities)) for k, aggregates in enumerate(said) if "distinct" in aggregates}
    return tuple(bool(aggregates) or k in counted for k, aggregates in enumerate(said))


def check(spec: WindowSpec, entities: tuple[str, ...]) -> None:
    """Refuse windows that can't be computed.

    Raises:
        SpecError: with the key, what was found, what is allowed.
    """
    if not spec.windows or len(set(spec.windows)) < len(spec.windows):
        raise SpecError("[windows] windows", spec.windows, "one or more durations, none of them twice")
    for text in (*spec.windows, spec.label_delay):
        try:
            parse_duration(text)
        except StreamsError as error:
            raise SpecError("[windows]", text, "a duration such as 36h or 7d") from error
    _check_decayed(spec, entities)
    for name, aggregates in spec.entities.items():
        if name not in entities:
            raise SpecError("[windows.entities]", name, f"entities of the stream: {', '.join(entities)}")
        if "distinct" in aggregates and len(entities) == 1:
            raise SpecError(f"[windows.entities] {name}", "distinct", "only with a second kind of entity to count")


def _check_decayed(spec: WindowSpec, entities: tuple[str, ...]) -> None:
    for name, decayed in spec.decayed.items():
        if name not in entities:
            raise SpecError("[windows.decayed]", name, f"entities of the stream: {', '.join(entities)}")
        if not decayed.windows or len(set(decayed.windows)) < len(decayed.windows):
            raise SpecError(f"[windows.decayed.{name}] windows", decayed.windows, "one or more durations, none twice")
        for text in (*decayed.windows, decayed.ttl):
            try:
                parse_duration(text)
            except StreamsError as error:
                raise SpecError(f"[windows.decayed.{name}]", text, "a duration such as 36h or 7d") from error


def _cells(spec: WindowSpec, entities: tuple[str, ...]) -> list[tuple[int, int, Aggregate]]:
    """Kind, window and aggregate of each feature, in their order."""
    return [
        (kind, window, aggregate)
        for kind in range(len(entities))
        for aggregate in aggregates_of(spec, entities, kind)
        for window in range(1 if aggregate in ONCE else len(spec.windows))
    ]


def _parts(aggregates: tuple[Aggregate, ...]) -> int:
    parts = 0
    for aggregate in aggregates:
        parts |= PARTS[aggregate]
    return parts

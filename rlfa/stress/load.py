"""Transactions that no customer made: any stream's fields, ids that can be told from everybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np

from streams.event_times import UNITS
from streams.spec import StreamSpec

PREFIX = "rlfa-stress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One record to be sent."""

    tx_id: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Load:
    """An endless sequence of transactions.

    Args:
        spec: of the stream.
        run: tells this run's transactions from those of others.
        entities: different values of each entity.
        seed: of amounts and entities.
    """

    spec: StreamSpec
    run: str
    entities: int
    seed: int = 0

    @property
    def prefix(self) -> str:
        """With which every id of this run begins."""
        return f"{PREFIX}-{self.run}-"

    def transactions(self, begin_ms: int, step_ms: float) -> Iterator[Made]:
        """One after another.

        Args:
            begin_ms: event time of the first, ms UTC.
            step_ms: event time between two.
        """
        rng, spec, encoder = np.random.default_rng(self.seed), self.spec, msgspec.json.Encoder()
        named = (*spec.categorical, *([spec.currency] if spec.currency else []))
        rest: dict[str, object] = {**dict.fromkeys(named, "stress"), **dict.fromkeys(spec.numeric, 1.0)}
        number = 0
        while True:
            amounts = np.minimum(rng.lognormal(3.0, 1.0, 1024), spec.amount_max).round(2).tolist()
            chosen = rng.integers(self.entities, size=(1024, len(spec.entities))).tolist()
            for amount, each in zip(amounts, chosen, strict=True):
                names = [f"{PREFIX}-{name}-{i}" for name, i in zip(spec.entities, each, strict=True)]
                tx_id = f"{self.prefix}{number}"
                record: dict[str, object] = {
                    spec.tx_id: tx_id,
                    spec.event_time: self._time(begin_ms + number * step_ms),
                    **dict(zip(spec.entities.values(), names, strict=True)),
                    **rest,
                }
                if spec.amount:
                    record[spec.amount] = amount * spec.amount_divisor
                yield Made(tx_id=tx_id, key=names[0].encode(), value=encoder.encode(record))
                number += 1

    def _time(self, at_ms: float) -> object:
        unit = self.spec.event_time_unit
        if unit == "iso8601":
            return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
        return int(at_ms / UNITS[unit])

"""The lane's side of the shards: one question to all of them for a batch, and their answers put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rlfa.errors import RlfaError
from rlfa.shards.shard import Arrived, Ask, Order, nothing_arrived
from rlfa.shards.split import PRIMARY, shard_keys, shard_of, shard_state, used_kinds
from streams.features.windows import NO_LABELS, LabelEvents
from streams.kafka.source import Place
from streams.spec import StreamSpec


class ShardError(RlfaError):
    """A shard is away, or isn't the one that the lane began with: connect anew and replay."""


class Standing(NamedTuple):
    """How far a shard has come.

    Attributes:
        life: of its process; another one has lost what wasn't in its newest snapshot.
        reached: per topic and partition the first offset that it hasn't been told of.
        kept: the same, of its newest snapshot.
    """

    life: str
    reached: Mapping[Place, int]
    kept: Mapping[Place, int]


class Answer(NamedTuple):
    """To an ask: float32[n, d] features of its rows, and the standing after it."""

    features: NDArray[np.float32]
    standing: Standing


class Port(Protocol):
    """The way to one shard."""

    def ask(self, life: str, ask: Ask, order: Order | None = None) -> object:
        """Send it, without waiting; a ticket for `answer`. With an order it is taken when its turn has come."""
        ...

    def answer(self, ticket: object) -> Answer:
        """Wait for the answer.

        Raises:
            ShardError: the shard is away, slow, or lives another life.
        """
        ...

    def standing(self) -> Standing:
        """How far it has come.

        Raises:
            ShardError: the shard is away, or slow.
        """
        ...


@dataclass(slots=True)
class SharedWindows:
    """The windows of every kind of entity but the topic's key.

    Args:
        spec: of the stream.
        ports: to the shards, in the order of their numbers.
    """

    spec: StreamSpec
    ports: Sequence[Port]
    names: tuple[str, ...] = field(init=False)
    """Of the features, in the order of the columns."""
    _owners: NDArray[np.int64] = field(init=False)
    _used: NDArray[np.bool_] = field(init=False)
    _standings: list[Standing] = field(default_factory=list)

    def __post_init__(self) -> None:
        kept = shard_state(self.spec)
        self.names = kept.names
        self._owners, self._used = kept.kinds - (PRIMARY + 1), used_kinds(kept)

    def open(self) -> None:
        """Begin with the shards as they are now.

        Raises:
            ShardError: one is away.
        """
        self._standings = [port.standing() for port in self.ports]

    def take(
        self, rows: Arrived, labels: LabelEvents, reached: Mapping[Place, int], order: Order | None = None
    ) -> NDArray[np.float32]:
        """Features float32[n, d] of n rows, after these and before nothing else of this lane.

        Args:
            rows: with all their keys.
            labels: whose transactions the lane holds.
            reached: see `Ask`.
            order: of the rows and labels among those of all lanes; without it they are taken as they come.

        Raises:
            ShardError: connect anew.
        """
        owner = shard_of(rows.keys[:, PRIMARY + 1 :], len(self.ports))
        mine = [np.flatnonzero((owner == shard).any(axis=1)) for shard in range(len(self.ports))]
        tickets = []
        for shard, port in enumerate(self.ports):
            part = rows.at(mine[shard])
            part = part._replace(keys=shard_keys(self._used, part.keys, owner[mine[shard]], shard))
            turn = order._replace(rows=order.rows[mine[shard]]) if order else None
            tickets.append(port.ask(self._standings[shard].life, Ask(part, labels, reached), turn))
        features = np.full((len(rows.offset), len(self.names)), np.nan, np.float32)
        by_column = owner[:, self._owners]
        for shard, (port, ticket) in enumerate(zip(self.ports, tickets, strict=True)):
            answer = port.answer(ticket)
            self._standings[shard] = answer.standing
            at = mine[shard]
            features[at] = np.where(by_column[at] == shard, answer.features, features[at])
        return features

    def note(self, offsets: Mapping[Place, int]) -> None:
        """Tell every shard what a snapshot of this lane stands for, behind all that it was told before.

        Raises:
            ShardError: connect anew.
        """
        self.take(nothing_arrived(len(self.spec.entities)), NO_LABELS, offsets)

    def look(self) -> None:
        """Without rows for a while: see whether the shards are still the same, and what they have kept.

        Raises:
            ShardError: connect anew.
        """
        for shard, port in enumerate(self.ports):
            now = port.standing()
            if now.life != self._standings[shard].life:
                raise ShardError(f"shard {shard} began anew")
            self._standings[shard] = now

    def have(self, offsets: Mapping[Place, int]) -> bool:
        """Whether every shard has been told of all before these offsets: a lane may begin there."""
        return all(s.reached.get(place, 0) >= offset for s in self._standings for place, offset in offsets.items())

    def keep(self, offsets: Mapping[Place, int]) -> bool:
        """Whether that is so after a restart of any shard too."""
        return all(s.kept.get(place, 0) >= offset for s in self._standings for place, offset in offsets.items())

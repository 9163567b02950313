"""A shard in the same process: for history, and wherever one process is enough."""

from __future__ import annotations

from dataclasses import dataclass

from rlfa.shards.shard import Ask, Order, Shard
from rlfa.shards.windows import Answer, Standing


@dataclass(frozen=True, slots=True)
class LocalPort:
    """The way to a shard that can't be away."""

    shard: Shard

    def ask(self, life: str, ask: Ask, order: Order | None = None) -> object:  # noqa: ARG002  # one life, one lane
        """Answered at once."""
        return Answer(self.shard.take(ask), self.standing())

    def answer(self, ticket: object) -> Answer:
        """See `Port`."""
        assert isinstance(ticket, Answer)
        return ticket

    def standing(self) -> Standing:
        """See `Port`; what it has is gone with the process."""
        return Standing("here", dict(self.shard.reached), {})

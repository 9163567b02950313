"""Agents in the database: what each is, and where its weights lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from rlfa.hosts.scoring import AgentRef
from rlfa.lineup.slots import AgentId
from rlfa.store.database import StoreError
from rlfa.store.tables import AgentRow


class StoredAgent(msgspec.Struct, frozen=True, kw_only=True):
    """A trained agent's record; its weights are a file."""

    id: AgentId
    family: str
    genome: str
    """JSON."""
    card: str
    """JSON: what it was trained on."""
    metrics: str
    """JSON: how it did offline."""
    checksum: str
    """SHA-256 of the weights, hex."""
    uri: str
    """The agent's folder."""
    created_at: int
    """Wall clock, ms UTC."""
    origin: Literal["trained", "outside"] = "trained"
    """An agent from outside is sealed wherever it scores."""
    visible: str = "[]"
    """JSON: names of the features that it may see; all when empty."""
    added_by: str = ""
    """Who signed it, where that was a person."""
    why: str = ""


def ref_of(agent: StoredAgent) -> AgentRef:
    """Where a host finds an agent, and how it has to be held."""
    visible = msgspec.json.decode(agent.visible, type=tuple[str, ...])
    is_stranger = agent.origin == "outside"
    return AgentRef(id=agent.id, folder=agent.uri, checksum=agent.checksum, sealed=is_stranger, visible=visible)


@dataclass(frozen=True, slots=True)
class Agents:
    """The agents within one transaction.

    Args:
        session: from `Store.transaction`.
    """

    session: Session

    def add(self, agent: StoredAgent) -> None:
        """Keep an agent; the same again changes nothing.

        Raises:
            StoreError: another agent has its id.
        """
        there = self.session.get(AgentRow, agent.id)
        if there is None:
            self.session.add(AgentRow(**msgspec.structs.asdict(agent)))
            self.session.flush()
        elif there.checksum != agent.checksum:
            raise StoreError(f"agent {agent.id}", f"weights {agent.checksum}", f"weights {there.checksum}")

    def get(self, agent: AgentId) -> StoredAgent:
        """One agent.

        Raises:
            StoreError: it isn't there.
        """
        row = self.session.get(AgentRow, agent)
        if row is None:
            raise StoreError("agents", repr(agent), "an agent that was trained here")
        return _stored(row)

    def all(self) -> Sequence[StoredAgent]:
        """Every agent, oldest first."""
        rows = self.session.scalars(sa.select(AgentRow).order_by(AgentRow.created_at, AgentRow.id))
        return [_stored(r) for r in rows]


def _stored(row: AgentRow) -> StoredAgent:
    return msgspec.convert({f: getattr(row, f) for f in StoredAgent.__struct_fields__}, StoredAgent)

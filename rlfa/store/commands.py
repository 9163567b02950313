"""Commands by hand on their way to the manager: written by the command line, taken once, kept for ever."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from rlfa.free_agency.manual import Command
from rlfa.store.tables import CommandRow


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands within one transaction.

    Args:
        session: from `Store.transaction`.
    """

    session: Session

    def add(self, command: Command, created_at: int) -> int:
        """Keep a command for the manager; returns the number that it gets in place of its own.

        Args:
            command: with a name and a reason.
            created_at: wall clock, ms UTC.
        """
        row = CommandRow(
            verb=command.verb,
            slot=command.slot,
            agent=command.agent,
            rules=command.rules,
            who=command.by,
            why=command.why,
            created_at=created_at,
        )
        self.session.add(row)
        self.session.flush()
        return row.id

    def waiting(self) -> tuple[Command, ...]:
        """Those that the manager hasn't taken, oldest first."""
        rows = self.session.scalars(sa.select(CommandRow).where(CommandRow.taken_at.is_(None)).order_by(CommandRow.id))
        return tuple(_command(row) for row in rows)

    def take(self, command: Command, taken_at: int) -> None:
        """Mark one as taken, in the transaction that writes its entries.

        Args:
            command: one of those that waited.
            taken_at: wall clock, ms UTC.
        """
        self.session.execute(sa.update(CommandRow).where(CommandRow.id == command.id).values(taken_at=taken_at))


def _command(row: CommandRow) -> Command:
    found = {"id": row.id, "verb": row.verb, "by": row.who, "why": row.why, "slot": row.slot, "agent": row.agent}
    return msgspec.convert({**found, "rules": row.rules}, Command)

"""Rule sets in the database: what the ledger's epochs name, kept for ever."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from rlfa.rules.ruleset import NO_RULES, RuleSet
from rlfa.store.database import StoreError
from rlfa.store.tables import RuleSetRow


@dataclass(frozen=True, slots=True)
class RuleSets:
    """The rule sets within one transaction.

    Args:
        session: from `Store.transaction`.
    """

    session: Session

    def add(self, rules: RuleSet, *, by: str, why: str, created_at: int) -> None:
        """Keep a rule set; the same again changes nothing.

        Args:
            rules: the set.
            by: who added it.
            why: for people.
            created_at: wall clock, ms UTC.
        """
        if not self.has(rules.id):
            body = msgspec.json.encode(rules, order="deterministic").decode()
            self.session.add(RuleSetRow(id=rules.id, body=body, added_by=by, why=why, created_at=created_at))
            self.session.flush()

    def has(self, rules: str) -> bool:
        """Whether a set is there."""
        return self.session.scalar(sa.select(RuleSetRow.id).where(RuleSetRow.id == rules)) is not None

    def get(self, rules: str) -> RuleSet:
        """One rule set by its id; the empty id is that of no rules.

        Raises:
            StoreError: it isn't there, or isn't what its id says.
        """
        if not rules:
            return NO_RULES
        row = self.session.get(RuleSetRow, rules)
        if row is None:
            raise StoreError("rule sets", repr(rules), "a set that was added here")
        found = msgspec.json.decode(row.body, type=RuleSet)
        if found.id != rules:
            raise StoreError(f"rule set {rules}", f"the rules of {found.id}", "what its id is a hash of")
        return found

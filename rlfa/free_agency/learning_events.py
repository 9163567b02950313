"""What happens to agents that learn as cohorts close."""

from __future__ import annotations

from rlfa.free_agency.ledger_event import LedgerEvent
from rlfa.lineup.slots import AgentId, Day


class Learned(LedgerEvent, frozen=True, kw_only=True):
    """An agent that learns has learned closed cohorts: its next version plays in its place, wherever that is."""

    version: AgentId
    before: AgentId
    """The version until now."""
    number: int
    checksum: str
    """SHA-256 of the version's weights, hex."""
    since: Day
    """The day that event time had reached."""
    through: Day
    """The newest cohort that it has learned."""
    rows: int
    frauds: int


class LessonFailed(LedgerEvent, frozen=True, kw_only=True):
    """An agent could not learn, or what it made of the cohorts is unfit: its version stays."""

    version: AgentId
    """That plays on."""
    through: Day
    """The newest cohort that it should have learned."""


class LearningHeld(LedgerEvent, frozen=True, kw_only=True):
    """By hand: an agent learns no more, as the version that it is or as an earlier one."""

    version: AgentId
    """That plays from now on."""
    before: AgentId
    since: Day


class LearningResumed(LedgerEvent, frozen=True, kw_only=True):
    """By hand: an agent learns again, from the version that it is."""

    version: AgentId

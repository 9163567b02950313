"""What every move of free agency says in the ledger."""

from __future__ import annotations

import msgspec

from rlfa.lineup.slots import AgentId, Day, Epoch, SlotId


class LedgerEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag=True):
    """What every move has."""

    day: Day
    """The cohort that led to it."""
    epoch: Epoch
    """The lineup after it."""
    slot: SlotId = SlotId("")
    agent: AgentId = AgentId("")
    reason: str
    """For people."""
    by: str = ""
    """A person's name, where it was by hand."""

"""The ledger: every move of free agency, appended once, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from rlfa.free_agency.events import EpochChanged, Event, decode_event, encode_event, kind_of
from rlfa.free_agency.roster import Roster
from rlfa.free_agency.roster import roster as fold
from rlfa.free_agency.state import ManagerState, decode_state, encode_state
from rlfa.lineup.slots import Epoch, EventTime, Lineup
from rlfa.store.database import StoreError
from rlfa.store.tables import LedgerRow


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the ledger."""

    key: str
    kind: str
    epoch: int
    slot: str
    agent: str
    evidence: msgspec.Raw
    """The event as JSON."""
    policy: str
    who: str
    why: str
    event_day: int
    event_at: int
    """Event time that the stream had reached, ms UTC."""
    recorded_at: int
    """Wall clock, ms UTC."""
    state: str | None = None
    """The manager's state after the step, on the step's last entry."""
    seq: int = 0
    """Place in the ledger; 0 before it has one."""

    @property
    def event(self) -> Event:
        """The move itself.

        Raises:
            StoreError: written by a version that this one doesn't understand.
        """
        try:
            return decode_event(bytes(self.evidence).decode())
        except msgspec.ValidationError as error:
            raise StoreError(f"ledger entry {self.seq}", str(error), "an event that this version knows") from error


def entries_of(
    events: Sequence[Event],
    state: ManagerState,
    *,
    at: EventTime,
    recorded_at: int,
    policy: str = "bandit",
    who: str = "manager",
    step: str = "",
) -> tuple[Entry, ...]:
    """What one step adds to the ledger; the state rides on the last entry.

    Args:
        events: of the step, in order.
        state: after the step.
        at: event time that the stream had reached, ms UTC.
        recorded_at: wall clock, ms UTC.
        policy: that chose the moves.
        who: leads; an event by hand has a person's name of its own.
        step: name of a step that is no cohort's, such as a command's.
    """
    last = len(events) - 1
    return tuple(
        Entry(
            key=f"{step or event.day}/{i}/{kind_of(event)}",
            kind=kind_of(event),
            epoch=event.epoch,
            slot=event.slot,
            agent=event.agent,
            evidence=msgspec.Raw(encode_event(event)),
            policy="manual" if event.by else policy,
            who=event.by or who,
            why=event.reason,
            event_day=event.day,
            event_at=at,
            recorded_at=recorded_at,
            state=encode_state(state) if i == last else None,
        )
        for i, event in enumerate(events)
    )


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger within one transaction.

    Args:
        session: from `Store.transaction`.
    """

    session: Session

    def append(self, entries: Sequence[Entry]) -> int:
        """Add entries; those that are there already, from a try before, are left out.

        Returns:
            How many were new.

        Raises:
            StoreError: an entry with the same key says something else: two managers at work.
        """
        keys = [e.key for e in entries]
        there = {
            row.key: row.evidence for row in self.session.scalars(sa.select(LedgerRow).where(LedgerRow.key.in_(keys)))
        }
        new = [e for e in entries if e.key not in there]
        for entry in entries:
            if entry.key in there and there[entry.key] != _text(entry):
                raise StoreError(
                    f"ledger entry {entry.key}", entry.why, "what it said before; is there a second manager?"
                )
        self.session.add_all([_row(e) for e in new])
        self.session.flush()
        return len(new)

    def read(self, after_seq: int = 0, most: int = 1_000_000) -> tuple[Entry, ...]:
        """Entries after a place, in order, without states."""
        columns = [c for c in LedgerRow.__table__.c if c.name != "state"]
        rows = self.session.execute(
            sa.select(*columns).where(LedgerRow.seq > after_seq).order_by(LedgerRow.seq).limit(most)
        )
        return tuple(_entry(dict(r)) for r in rows.mappings())

    def lineup_of(self, epoch: Epoch) -> Lineup:
        """Who decided in an epoch, and with what weights; its shadows as they were when it began.

        Raises:
            StoreError: the ledger has no such epoch.
        """
        where = (LedgerRow.epoch == epoch) & (LedgerRow.kind == EpochChanged.__name__)
        text = self.session.scalar(sa.select(LedgerRow.evidence).where(where).order_by(LedgerRow.seq.desc()).limit(1))
        if text is None:
            raise StoreError("ledger", f"no epoch {epoch}", "an epoch of this service")
        event = decode_event(text)
        assert isinstance(event, EpochChanged)
        return event.lineup

    def last_state(self) -> ManagerState | None:
        """The manager's state after the newest step; None in an empty ledger.

        Raises:
            StoreError: written by a version that this one doesn't understand.
        """
        text = self.session.scalar(
            sa.select(LedgerRow.state).where(LedgerRow.state.is_not(None)).order_by(LedgerRow.seq.desc()).limit(1)
        )
        try:
            return None if text is None else decode_state(text)
        except msgspec.ValidationError as error:
            raise StoreError("ledger's newest state", str(error), "a state that this version knows") from error


def roster(entries: Iterable[Entry]) -> Roster:
    """The roster after these entries, from the first on."""
    return fold(e.event for e in entries)


def _row(entry: Entry) -> LedgerRow:
    fields = {f: getattr(entry, f) for f in entry.__struct_fields__ if f not in {"seq", "evidence"}}
    return LedgerRow(**fields, evidence=_text(entry))


def _entry(row: dict[str, object]) -> Entry:
    return msgspec.convert({**row, "evidence": msgspec.Raw(str(row["evidence"]))}, Entry)


def _text(entry: Entry) -> str:
    return bytes(entry.evidence).decode()

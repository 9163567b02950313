"""The tables; a change of them is a migration."""

from __future__ import annotations

from sqlalchemy import BigInteger, Double, Index, Integer, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite counts up only a column of the type INTEGER.
_Counter = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """Root of the tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class LedgerRow(Base):
    """One move of free agency; never changed, never deleted."""

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_slot_agent", "slot", "agent"),)

    seq: Mapped[int] = mapped_column(_Counter, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    """The same move tried again has the same key."""
    kind: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int] = mapped_column(BigInteger)
    slot: Mapped[str] = mapped_column(String(200))
    agent: Mapped[str] = mapped_column(String(200))
    evidence: Mapped[str] = mapped_column(Text)
    """The event as JSON."""
    policy: Mapped[str] = mapped_column(String(64))
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    event_day: Mapped[int] = mapped_column(BigInteger, index=True)
    """The cohort that led to it, days since 1970-01-01 UTC."""
    event_at: Mapped[int] = mapped_column(BigInteger)
    """Event time that the stream had reached, ms UTC."""
    recorded_at: Mapped[int] = mapped_column(BigInteger)
    """Wall clock, ms UTC."""
    state: Mapped[str | None] = mapped_column(Text)
    """The manager's state after a step, JSON, on the step's last entry."""


class AgentRow(Base):
    """A trained agent: what it is, how good it was, where its weights lie."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    family: Mapped[str] = mapped_column(String(200))
    genome: Mapped[str] = mapped_column(Text)
    card: Mapped[str] = mapped_column(Text)
    metrics: Mapped[str] = mapped_column(Text)
    checksum: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the weights, hex."""
    uri: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Wall clock, ms UTC."""
    origin: Mapped[str] = mapped_column(String(16), server_default="trained")
    """`trained` here, or from `outside`: then it is sealed wherever it scores."""
    visible: Mapped[str] = mapped_column(Text, server_default="[]")
    """JSON: names of the features that it may see; all when empty."""
    added_by: Mapped[str] = mapped_column(String(200), server_default="")
    """Who signed it, where that was a person."""
    why: Mapped[str] = mapped_column(Text, server_default="")


class CommandRow(Base):
    """What a person asked the manager for; `taken_at` is the only thing that changes, once."""

    __tablename__ = "commands"

    id: Mapped[int] = mapped_column(_Counter, primary_key=True, autoincrement=True)
    verb: Mapped[str] = mapped_column(String(64))
    slot: Mapped[str] = mapped_column(String(200))
    agent: Mapped[str] = mapped_column(String(200))
    rules: Mapped[str] = mapped_column(String(64), server_default="")
    """Id of a rule set."""
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Wall clock, ms UTC."""
    taken_at: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """Wall clock, ms UTC, when its entries stood in the ledger."""


class RuleSetRow(Base):
    """A set of the user's rules as it acts: its lists are hashes."""

    __tablename__ = "rule_sets"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A hash of all of it."""
    body: Mapped[str] = mapped_column(Text)
    """JSON."""
    added_by: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Wall clock, ms UTC."""


class RewardRow(Base):
    """What an agent's own decisions earned on one cohort of a slot."""

    __tablename__ = "rewards"
    __table_args__ = (UniqueConstraint("agent", "slot", "day"),)

    id: Mapped[int] = mapped_column(_Counter, primary_key=True, autoincrement=True)
    agent: Mapped[str] = mapped_column(String(200))
    slot: Mapped[str] = mapped_column(String(200))
    day: Mapped[int] = mapped_column(BigInteger, index=True)
    rows: Mapped[int] = mapped_column(BigInteger)
    frauds: Mapped[int] = mapped_column(BigInteger)
    caught: Mapped[int] = mapped_column(BigInteger)
    stopped: Mapped[int] = mapped_column(BigInteger)
    missing: Mapped[int] = mapped_column(BigInteger)
    accuracy: Mapped[float] = mapped_column(Double)
    """Money against approving everything, in the stream's currency."""
    synergy: Mapped[float] = mapped_column(Double, server_default="0")
    """Money that the lineup would lose without the agent."""
    inefficiency: Mapped[float] = mapped_column(Double, server_default="0")
    """Money, for latency and memory over their limits."""
    penalties: Mapped[float] = mapped_column(Double, server_default="0")
    """Money, for rows without a score."""
    weight: Mapped[float] = mapped_column(Double, server_default="0")
    """Rows that the money stands for: each that was seen counts 1/propensity."""
    fraud_weight: Mapped[float] = mapped_column(Double, server_default="0")
    caught_weight: Mapped[float] = mapped_column(Double, server_default="0")

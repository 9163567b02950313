"""What a policy sees of a slot, and what it may answer.

The state machine says what is allowed, the policy chooses among that: it may delay or refuse a swap, never make one
without its evidence. Only the paper's own rule, `threshold`, is let off the evidence, and its entries say so.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

import msgspec

from rlfa.free_agency.state import Standing
from rlfa.lineup.slots import AgentId

Kind = Literal["hold", "scout", "promote", "release", "rollback"]
ROLLBACK_FROM = 20.0
"""The guard's statistic from which a policy may roll back by itself; the alarm that does so anyway is far above."""
REVIEW_DAYS = 30
"""An incumbent that long without a scouting may be challenged whatever its standing: service time is a review."""


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Trial(_Value, frozen=True, kw_only=True):
    """A challenger on probation."""

    agent: AgentId
    log_up: float
    log_down: float
    log_futility: float
    bound: float
    """The e-value that promotes."""
    ready: bool
    """Whether it has its evidence, the minima included."""
    frauds: int
    days: int
    wins: int
    losses: int
    gap: float = 0.0
    """Money per transaction that it would have earned more than the incumbent, discounted, on the same cohorts."""


class Situation(_Value, frozen=True, kw_only=True):
    """One slot on one day, as the manager knows it: matured cohorts, and signals without labels."""

    standing: Standing = "ok"
    reward: float = 0.0
    """Money per transaction, discounted."""
    reward_error: float = 0.0
    detection: float | None = None
    level: float | None = None
    """Detection when the incumbent took the slot."""
    delay_days: int = 0
    """From the newest matured cohort to today."""
    days_held: int = 0
    """Since the slot's last swap, or since the service began."""
    days_quiet: int = 365
    """Since the slot's last scouting or the end of its last probation."""
    review: bool = False
    """Whether the settings ask for a challenger now, however the slot stands."""
    trials: tuple[Trial, ...] = ()
    """The most promising first."""
    training: int = 0
    pooled: int = 0
    log_guard: float | None = None
    """Logarithm of the guard's statistic after a swap; None without an agent on the bench."""
    own: float = 0.0
    """What scouting expects of the incumbent's genome, trained again: posterior mean of the payoff."""
    other: float = 0.0
    """What it expects of the best other family."""
    shift: float = 0.0
    """Largest unlabelled signal over its threshold: 1 is the alarm of one day."""
    drifted: bool = False
    """Whether unlabelled drift has lasted: scouting may start early."""


class Move(_Value, frozen=True, kw_only=True):
    """What a policy wants done with a slot today."""

    kind: Kind = "hold"
    agent: AgentId = AgentId("")
    """Of the challenger that is meant, for promote and release."""
    others: int = 1
    """Genomes to try besides the incumbent's own, for scout."""
    reason: str = ""
    """For people, where the state machine has none of its own."""


HOLD = Move()


def permitted(situation: Situation, *, needs_evidence: bool, may_swap: bool, cooldown_days: int) -> frozenset[Kind]:
    """What the state machine permits, live and in the simulator.

    Args:
        situation: of the slot.
        needs_evidence: whether only a challenger with its e-value may be promoted.
        may_swap: whether no limit on swaps stands against one.
        cooldown_days: that a slot rests between scoutings.
    """
    kinds: set[Kind] = {"hold"}
    busy = situation.trials or situation.training or situation.pooled
    is_weak = situation.standing != "ok" or situation.drifted
    due = is_weak or situation.review or situation.days_quiet >= REVIEW_DAYS
    if not busy and due and situation.days_quiet >= cooldown_days:
        kinds.add("scout")
    if may_swap and any(t.ready if needs_evidence else t.days for t in situation.trials):
        kinds.add("promote")
    if situation.trials:
        kinds.add("release")
    if situation.log_guard is not None and situation.log_guard >= math.log(ROLLBACK_FROM):
        kinds.add("rollback")
    return frozenset(kinds)


class Policy(Protocol):
    """Chooses one move per slot and day; the same situation gives the same move."""

    @property
    def name(self) -> str:
        """As the configuration and the ledger know it."""
        ...

    @property
    def needs_evidence(self) -> bool:
        """Whether it may promote only at `e >= m/alpha`; False for the paper's rule alone."""
        ...

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        """One of the allowed moves; `hold` always is."""
        ...

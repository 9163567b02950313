"""The default: scout when an incumbent fails or the stream has drifted, swap on evidence."""

from __future__ import annotations

from dataclasses import dataclass

from rlfa.free_agency.policies.policy import HOLD, Kind, Move, Situation


@dataclass(frozen=True, slots=True)
class Bandit:
    """E-process and bandit: takes every swap that has its evidence, at once.

    Args:
        others: genomes to try besides the incumbent's own, per scouting.
    """

    others: int = 1
    name: str = "bandit"
    needs_evidence: bool = True

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        """Promote before all else; a rollback is left to the guard's alarm."""
        if "promote" in allowed:
            return Move(kind="promote", agent=next(t.agent for t in situation.trials if t.ready))
        wanted = situation.standing == "under" or situation.drifted or situation.review
        return Move(kind="scout", others=self.others) if wanted and "scout" in allowed else HOLD

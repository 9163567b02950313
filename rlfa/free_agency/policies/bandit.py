"""The default: scout when an incumbent fails or the stream has drifted, swap on evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rlfa.free_agency.policies.policy import HOLD, Kind, Move, Situation, Trial


@dataclass(frozen=True, slots=True)
class Bandit:
    """E-process and bandit: takes every swap that has its evidence, at once.

    Args:
        others: genomes to try besides the incumbent's own, per scouting.
        stalled_days: cohorts with evidence after which a challenger of a weak slot must be on its way.
        wait_days: that it may still need for its evidence, at its pace so far.
    """

    others: int = 1
    stalled_days: int = 14
    wait_days: float = 30.0
    name: str = "bandit"
    needs_evidence: bool = True

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        """Promote before all else; a rollback is left to the guard's alarm.

        While challengers are tried nobody newer is scouted. So one that was trained before the world changed must not
        hold a failing slot until its limit, for 90 days: it is given up for one of the newest window. Whenever a test
        is stopped, its error stays under alpha.
        """
        if "promote" in allowed:
            return Move(kind="promote", agent=next(t.agent for t in situation.trials if t.ready))
        is_weak = situation.standing == "under" or situation.drifted
        if is_weak and "release" in allowed and self._is_stalled(situation.trials[-1]):
            last = situation.trials[-1]
            return Move(kind="release", agent=last.agent, reason="the slot needs somebody newer")
        if (is_weak or situation.review) and "scout" in allowed:
            return Move(kind="scout", others=self.others)
        return HOLD

    def _is_stalled(self, trial: Trial) -> bool:
        if trial.ready or trial.days < self.stalled_days:
            return False
        return trial.log_up <= 0.0 or _days_left(trial) > self.wait_days


def _days_left(trial: Trial) -> float:
    """Cohorts until the evidence is there, at the pace of those before."""
    return (math.log(trial.bound) - trial.log_up) * trial.days / trial.log_up

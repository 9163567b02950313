"""The paper's rule: a probation of fixed length, and the higher reward takes the slot.

It has no control of errors: after so many days the challenger is promoted in about half of the cases in which it is no
better. It is here to be measured against, and for those who want the paper's behaviour.

Source: J.-H. Liu, "Free Agent in Agent-Based Mixture-of-Experts Generative AI Framework", arXiv 2501.17903, as far as
its abstract and its public summaries tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlfa.free_agency.policies.policy import HOLD, Kind, Move, Situation, Trial


@dataclass(frozen=True, slots=True)
class Threshold:
    """Release below a threshold, try the pool's best, compare rewards once.

    Args:
        others: genomes to try besides the incumbent's own, per scouting.
        probation_days: cohorts with evidence after which rewards are compared.
    """

    others: int = 1
    probation_days: int = 14
    name: str = "threshold"
    needs_evidence: bool = False

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        """Compare the challengers whose time is up, then scout for an incumbent below its threshold."""
        done = [t for t in situation.trials if t.days >= self.probation_days]
        better = [t for t in done if t.gap > 0.0]
        if better and "promote" in allowed:
            best = max(better, key=lambda t: (t.gap, t.agent))
            return Move(kind="promote", agent=best.agent, reason=_compared(best))
        worse = [t for t in done if t.gap <= 0.0]
        if worse and "release" in allowed:
            worst = min(worse, key=lambda t: (t.gap, t.agent))
            return Move(kind="release", agent=worst.agent, reason=_compared(worst))
        if situation.standing == "under" and "scout" in allowed:
            return Move(kind="scout", others=self.others)
        return HOLD


def _compared(trial: Trial) -> str:
    return f"threshold rule, without a bound of error: {trial.gap:+.4f} a transaction after {trial.days} days"

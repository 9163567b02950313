"""Several challengers at once: how much evidence each needs so that the error stays bounded.

Source: e-BH after Wang & Ramdas 2022, "False discovery rate control with e-values"; on current e-values, since running
maxima lose the control (Tavyrikov, Goeman, de Heide, arXiv 2501.19360).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from rlfa.free_agency.state import ManagerState, Probation, SlotState


def e_bh_bound(log_e: Sequence[float], m: int, alpha: float) -> float:
    """The smallest e-value that e-BH rejects at: `m/(alpha·k)` for the largest k with `e_(k) >= m/(alpha·k)`.

    Args:
        log_e: natural logarithms of the current e-values; those that are not given count as 0.
        m: hypotheses in all, m >= len(log_e).
        alpha: the false discovery rate.
    """
    ordered = sorted(log_e, reverse=True)
    rejected = [k for k, x in enumerate(ordered, 1) if x >= math.log(m / (alpha * k))]
    return m / (alpha * max(rejected, default=1))


def with_bounds(state: ManagerState) -> ManagerState:
    """Every probation with the e-value that promotes it now."""
    everyone = [p for s in state.slots for p in s.probations]
    hypotheses = sum(_rivals(s.probations) for s in state.slots)
    return replace(state, slots=tuple(_with_bounds(s, everyone, hypotheses) for s in state.slots))


def _with_bounds(slot: SlotState, everyone: Sequence[Probation], hypotheses: int) -> SlotState:
    def bound(p: Probation) -> float:
        match p.rules.error:
            case "slot":
                return p.rivals / p.rules.alpha
            case "slot_fdr":
                return e_bh_bound([q.e.log_up for q in slot.probations], _rivals(slot.probations), p.rules.alpha)
            case "all_fdr":
                return e_bh_bound([q.e.log_up for q in everyone], hypotheses, p.rules.alpha)

    return replace(slot, probations=tuple(replace(p, bound_now=bound(p)) for p in slot.probations))


def _rivals(probations: Sequence[Probation]) -> int:
    """Those that have left meanwhile count too."""
    return max((p.rivals for p in probations), default=0)

"""The agents' weights in the lineup, moved by each closed cohort; lanes get them when they have moved far enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from rlfa.free_agency.events import EpochChanged, Event
from rlfa.free_agency.state import ManagerState, SlotState
from rlfa.free_agency.turn import Turn
from rlfa.lineup.hedge import Hedge, HedgeRules, Holding, has_moved, normalised, seated, spread, update
from rlfa.lineup.slots import AgentId, Epoch
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.paired_loss import as_approval, brier_loss


def take_weights(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """One Hedge update by the cohort, and a new epoch where the lanes' weights are too far from it.

    Agents compete for weight within their segment: losses on different transactions can't be compared. A freeze holds
    the lanes' weights; the losses are taken all the same, and count when it ends.
    """
    rules = turn.rules.hedge
    played = {s.id: s.weight for s in state.slots}
    hedge = seated(state.hedge, {s.id: s.incumbent for s in state.slots}, played)
    for segment in dict.fromkeys(s.segment for s in state.slots):
        slots = [s for s in state.slots if s.segment == segment]
        hedge = _after(hedge, segment, slots, turn, rules)
    state = replace(state, hedge=hedge)
    if turn.rules.swaps.freeze or not has_moved(hedge, played, rules.step_min):
        return state, ()
    return _changed(state, turn)


def mean_losses(
    cohort: Cohort, agents: Sequence[AgentId], missing_share_max: float, genuine_weight: float
) -> NDArray[np.float64]:
    """Mean weighted squared error per agent, on the rows that any of those compared has scored.

    A row that an agent left without a score counts as its approval: silence where it would be wrong must not pay.

    Args:
        cohort: of n rows.
        agents: that share a segment.
        missing_share_max: share of the segment's rows that an agent may have left without a score.
        genuine_weight: of a genuine row; frauds weigh 1.

    Returns:
        float64[k], NaN for an agent that scored too few; the same to the last digit in any order of rows.
    """
    logits = [cohort.logits_of(a) for a in agents]
    scored = [~np.isnan(x) for x in logits]
    rows = np.logical_or.reduce(scored)
    there = [bool(rows.any()) and (rows & ~s).sum() <= missing_share_max * rows.sum() for s in scored]
    weight = np.where(rows, cohort.weight, 0.0)
    total = math.fsum(weight)
    losses = np.full(len(agents), np.nan)
    for k, is_there in enumerate(there):
        if is_there and total > 0:
            loss = brier_loss(cohort.fraud, as_approval(logits[k]), genuine_weight)
            losses[k] = math.fsum(loss * weight) / total
    return losses


def _after(hedge: Hedge, segment: str, slots: Sequence[SlotState], turn: Turn, rules: HedgeRules) -> Hedge:
    """The weights of one segment's slots by one cohort; their sum stays."""
    share_max = turn.rules.probation.missing_share_max
    cohort = turn.cohort.within(segment)
    judged = [_judged(s, cohort, turn) for s in slots]
    losses = mean_losses(cohort, judged, share_max, rules.genuine_weight)
    past = hedge.ranges.get(segment, ())
    before = np.array([hedge.weight(s.id) for s in slots])
    moved = update(before, normalised(losses, past, rules.ranges_min), rules.eta, rules.share).tolist()
    weights = dict(zip((s.id for s in slots), moved, strict=True))
    newest = spread(losses)
    ranges = past if newest is None else (*past, newest)[-rules.ranges_max :]
    holdings = tuple(Holding(slot=h.slot, agent=h.agent, weight=weights.get(h.slot, h.weight)) for h in hedge.holdings)
    return replace(hedge, holdings=holdings, ranges={**hedge.ranges, segment: ranges})


def _judged(slot: SlotState, cohort: Cohort, turn: Turn) -> AgentId:
    """Whose loss moves a slot's weight: with renewals, until the newest has scored a closed day, its predecessor's."""
    share_max = turn.rules.probation.missing_share_max
    if not turn.rules.renewal.every_days or cohort.scored_whole(slot.incumbent, share_max):
        return slot.incumbent
    same = [b.agent for b in slot.bench if b.family == slot.family and cohort.scored_whole(b.agent, share_max)]
    return same[-1] if same else slot.incumbent


def _changed(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """The lanes' weights become those of the state, in a new epoch."""
    total = sum(s.weight for s in state.slots)
    moves = ", ".join(f"{s.incumbent} {s.weight / total:.2f} to {state.hedge.weight(s.id):.2f}" for s in state.slots)
    slots = tuple(replace(s, weight=state.hedge.weight(s.id)) for s in state.slots)
    state = replace(state, epoch=Epoch(state.epoch + 1), slots=slots)
    lineup = state.lineup
    changed = EpochChanged(
        day=turn.cohort.day,
        epoch=state.epoch,
        reason=f"epoch {state.epoch}: weights follow what the agents lost, {moves}",
        slots=lineup.slots,
        shadows=lineup.shadows,
        trials=lineup.trials,
        rules=lineup.rules,
    )
    return state, (changed,)

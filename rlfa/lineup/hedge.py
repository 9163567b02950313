"""Weights of the lineup's agents: Hedge with fixed share over the losses of closed cohorts.

One update per cohort, never per row: with summed row losses the weights collapse within an hour. The losses are mean
losses brought to [0, 1] by the usual spread between agents, so that a quiet day says little and no day says more than
`exp(-eta)`. The fixed share keeps every agent's weight above zero: one that was bad last month can come back.

Source: Herbster & Warmuth 1998, "Tracking the best expert", Machine Learning 32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from rlfa.lineup.slots import AgentId, SlotId

Weights = NDArray[np.float64]  # [k], sum to the mass that the agents share


class HedgeRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the agents' weights follow what they lose."""

    eta: Annotated[float, Meta(ge=0, le=10)] = 0.6
    """Learning rate: the worst agent of a cohort keeps exp(-eta) of its weight; 0 leaves the weights alone."""
    share: Annotated[float, Meta(ge=0, le=1)] = 1 / 30
    """Part of the weight that is dealt out evenly with each cohort: about one over the days between changes of
    the best agent."""
    step_min: Annotated[float, Meta(gt=0, le=1)] = 0.15
    """Distance of an agent's share of the lineup from what the lanes play by, at which they get new weights: each
    time is an epoch."""
    ranges_min: Annotated[int, Meta(ge=1, le=365)] = 7
    """Cohorts to learn from how far agents usually lie apart, before the first loss moves a weight."""
    ranges_max: Annotated[int, Meta(ge=1, le=3650)] = 60
    """Cohorts whose spread between the best and the worst agent is remembered for bringing losses to one scale."""
    genuine_weight: Annotated[float, Meta(gt=0, le=1)] = 0.02
    """Weight of a genuine transaction in the squared error that the weights follow; frauds weigh 1."""


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of the lineup that an agent holds in a slot."""

    slot: SlotId
    agent: AgentId
    weight: float


class Hedge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The weights as of one cohort; they sum to 1 over the slots. Lanes may still play by older ones."""

    holdings: tuple[Holding, ...] = ()
    ranges: dict[str, tuple[float, ...]] = {}
    """Spread of the mean losses on past cohorts, by segment, newest last."""

    def weight(self, slot: SlotId) -> float:
        """The share of a slot's agent."""
        return next(h.weight for h in self.holdings if h.slot == slot)


def update(weights: Weights, losses: NDArray[np.float64], eta: float, share: float) -> Weights:
    """One cohort on: `v_k ∝ w_k·exp(-eta·l_k)`, then `w_k = (1-share)·v_k + share/N`.

    An agent without a loss keeps its weight, and the others share the rest.

    Args:
        weights: float64[k], positive.
        losses: float64[k] in [0, 1], NaN where an agent has none.
        eta: learning rate.
        share: part that is dealt out evenly.

    Returns:
        float64[k] with the same sum.
    """
    there = np.isfinite(losses)
    if not there.any():
        return weights.copy()
    mass = weights[there].sum()
    grown = weights[there] * np.exp(-eta * losses[there])
    after = weights.copy()
    after[there] = (1.0 - share) * mass * grown / grown.sum() + share * mass / there.sum()
    return after


def normalised(mean_losses: NDArray[np.float64], ranges: Sequence[float], ranges_min: int = 1) -> NDArray[np.float64]:
    """Mean losses to [0, 1]: `clip((l_k - min l)/s, 0, 1)`, s the 90 % quantile of past ranges.

    All zero while too few past ranges are known, or none is above 0: nobody knows yet what a large difference is.

    Args:
        mean_losses: float64[k], NaN where an agent has none.
        ranges: of past cohorts.
        ranges_min: so many are enough.

    Returns:
        float64[k], NaN where `mean_losses` is.
    """
    scale = float(np.quantile(ranges, 0.9)) if len(ranges) >= ranges_min else 0.0
    above = mean_losses - np.nanmin(mean_losses) if np.isfinite(mean_losses).any() else mean_losses
    return np.clip(above / scale, 0.0, 1.0) if scale > 0 else above * 0.0


def spread(mean_losses: NDArray[np.float64]) -> float | None:
    """Worst less best; None with fewer than two agents to compare."""
    there = mean_losses[np.isfinite(mean_losses)]
    return float(there.max() - there.min()) if len(there) > 1 else None


def seated(hedge: Hedge, seats: Mapping[SlotId, AgentId], played: Mapping[SlotId, float]) -> Hedge:
    """The weights of those who hold the slots now.

    A newcomer takes over the weight of the agent that it replaced, at most 1/N; what that leaves goes to the others in
    proportion. A slot that is new here begins with the share that the lanes play it by.

    Args:
        hedge: before.
        seats: incumbent of each slot, in the lineup's order.
        played: positive weight of each slot as the lanes have it.
    """
    if {h.slot for h in hedge.holdings} != set(seats):
        total = sum(played.values())
        return msgspec.structs.replace(
            hedge,
            holdings=tuple(Holding(slot=s, agent=a, weight=played[s] / total) for s, a in seats.items()),
        )
    before = {h.slot: h for h in hedge.holdings}
    new = {s for s, agent in seats.items() if before[s].agent != agent}
    if not new:
        return hedge
    most = 1.0 / len(seats)
    weights = {s: min(before[s].weight, most) if s in new else before[s].weight for s in seats}
    taken = sum(weights[s] for s in new)
    others = sum(weights[s] for s in seats if s not in new)
    # Where everybody is new the caps leave nobody to take the rest: all are scaled.
    grow = {s: (1.0 - taken) / others if others else 1.0 / taken for s in seats if s not in new or not others}
    return msgspec.structs.replace(
        hedge,
        holdings=tuple(Holding(slot=s, agent=a, weight=weights[s] * grow.get(s, 1.0)) for s, a in seats.items()),
    )


def has_moved(hedge: Hedge, played: Mapping[SlotId, float], step_min: float) -> bool:
    """Whether some agent's share is so far from what the lanes play by that they should get new weights."""
    total = sum(played.values())
    return any(abs(h.weight - played[h.slot] / total) >= step_min for h in hedge.holdings)

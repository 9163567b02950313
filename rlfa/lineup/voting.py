"""Who votes on each transaction: the slots that play it, each by its incumbent or by a challenger on trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rlfa.lineup.draws import uniform
from rlfa.lineup.segments import Fields, inside
from rlfa.lineup.slots import Lineup, Trial

NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Transactions as a lineup sees them.

    Attributes:
        tx_hash: uint64[n], hashed ids.
        event_time: int64[n], ms UTC.
        amount: float64[n].
        features: float32[n, d].
        fields: names of the features.
        entities: uint64[n] per entity of the stream, for lists; 0 where there is none.
    """

    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    features: NDArray[np.float32]
    fields: Fields
    entities: Mapping[str, NDArray[np.uint64]] = field(default_factory=dict)


def voters(lineup: Lineup, rows: Rows, logits: NDArray[np.float32]) -> NDArray[np.intp]:
    """Who votes for each slot.

    A challenger on trial votes on the rows drawn for it, unless it has no score there: then the incumbent votes, as on
    any other row. Where two challengers of a slot were drawn, the one that began first votes.

    Args:
        lineup: of k agents and s slots.
        rows: n of them.
        logits: float32[n, k], columns as `lineup.agents`.

    Returns:
        intp[n, s], columns of `logits`; `NOBODY` where a row lies outside a slot's segment.
    """
    column = {agent: k for k, agent in enumerate(lineup.agents)}
    chosen = np.tile(np.arange(len(lineup.slots), dtype=np.intp), (len(logits), 1))  # incumbents come first
    for j, slot in enumerate(lineup.slots):
        for trial in reversed([t for t in lineup.trials if t.slot == slot.id]):
            k = column[trial.agent]
            chosen[drawn(trial, rows.tx_hash) & np.isfinite(logits[:, k]), j] = k
        if slot.segment:
            chosen[~inside(slot.segment, rows.features, rows.fields), j] = NOBODY
    return chosen


def drawn(trial: Trial, tx_hash: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """bool[n], the share of the rows uint64[n] that a challenger decides: the same whenever they are drawn again."""
    return uniform(tx_hash, f"trial {trial.slot} {trial.agent}") < trial.share


def votes(logits: NDArray[np.float32], chosen: NDArray[np.intp]) -> NDArray[np.float32]:
    """float32[n, s], the logit that speaks for each slot; NaN where nobody does."""
    taken = np.take_along_axis(logits, np.maximum(chosen, 0), axis=1)
    return np.where(chosen == NOBODY, np.float32(np.nan), taken)


def weights(lineup: Lineup, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """float64[n, s], each slot's weight, 0 where it doesn't play the row."""
    return np.where(chosen == NOBODY, 0.0, np.array([slot.weight for slot in lineup.slots]))


def voted(logits: NDArray[np.float32], chosen: NDArray[np.intp]) -> NDArray[np.bool_]:
    """bool[n, k], whether an agent took part in a row's decision."""
    n, k = logits.shape
    there = np.zeros((n, k + 1), np.bool_)  # NOBODY is the last column
    np.put_along_axis(there, chosen, values=True, axis=1)
    return there[:, :k] & np.isfinite(logits)

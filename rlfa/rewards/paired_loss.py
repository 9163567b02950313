"""Bounded paired losses: one number per independent observation, for the e-value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.money import first_rows, in_event_order, probability


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedLosses:
    """What one cohort says about a challenger against its incumbent.

    Attributes:
        difference: float64[m] in [-1, 1], loss of the incumbent less that of the challenger; positive speaks
            for the challenger. Observations of 0 and with no margin are left out: a bet on them wins and
            loses nothing.
        margin: float64[m], the gain asked for by the futility test.
        rows: scored by either.
        missing: rows without a score of the challenger.
        frauds: compromised entities seen for the first time in this probation.
        wins: compromised entities that only the challenger caught.
        losses: compromised entities that only the incumbent caught.
        gain: wins less losses, each standing for 1/chance, with which it was seen.
        weight: what the newly compromised entities stand for alike.
        compromised: entity keys to remember as counted.
        discordant: entity keys to remember as having spoken.
    """

    difference: NDArray[np.float64]
    margin: NDArray[np.float64]
    rows: int
    missing: int
    frauds: int
    wins: int
    losses: int
    gain: float
    weight: float
    compromised: tuple[int, ...]
    discordant: tuple[int, ...]


def count_loss(fraud: NDArray[np.bool_], stopped: NDArray[np.bool_], kappa: float) -> NDArray[np.float64]:
    """float64[n] in [0, 1]: 1 for a fraud missed, kappa for a genuine transaction stopped, else 0."""
    return np.where(fraud, ~stopped, kappa * stopped).astype(np.float64)


def brier_loss(fraud: NDArray[np.bool_], logits: NDArray[np.float32], genuine_weight: float) -> NDArray[np.float64]:
    """The weighted squared error `w·(y - s_w)²`; `s_w = s/(s + w0·(1-s))` keeps it proper.

    Args:
        fraud: bool[n].
        logits: float32[n]; -inf is the probability 0.
        genuine_weight: w0 in (0, 1]; frauds weigh 1.

    Returns:
        float64[n] in [0, 1].
    """
    s = probability(logits)
    shifted = s / (s + genuine_weight * (1.0 - s))
    return np.where(fraud, 1.0, genuine_weight) * (fraud - shifted) ** 2


def as_approval(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[n] with -inf, the probability 0, where there is no score: a proper loss then pays nobody for silence."""
    return np.where(np.isnan(logits), np.float32(-np.inf), logits)


def pair(
    cohort: Cohort,
    incumbent: NDArray[np.float64],
    challenger: NDArray[np.float64],
    *,
    scored: NDArray[np.bool_],
    missing: int,
    clusters: Sequence[str],
    compromised: frozenset[int],
    discordant: frozenset[int],
    gain_min: float,
    dense: bool,
    chance_min: float = 1.0,
) -> PairedLosses:
    """One observation per compromised entity and probation, one per genuine customer and cohort.

    Rows of a stolen card are won and lost together; counting each of them breaks the test's error bound. A
    fraud row speaks only if none of its entities has spoken before, a genuine one if it is its customer's
    first that disagrees; for a dense loss the customer's mean speaks.

    An agent that gives no score for a row approves it. Dropping such rows for both, as the reference's §3.4 does, lets
    an agent leave out the rows just under its threshold, which it would lose, and win by what is left.

    The futility test asks for `gain_min` at each newly compromised entity and 0 elsewhere. Its mean over rows
    is the gain times the true rate of such entities, so that no rate has to be guessed.

    Where declines hide the truth, a row that was seen with probability p speaks with `d·p_min/p`: its mean over that
    chance is `p_min·d` whoever declined it, and it stays in [-1, 1]. One that wasn't seen takes its entity's turn all
    the same and says nothing. Otherwise a card that is declined five times would have five chances to speak, one that
    is approved a single one, and whoever agrees with the lineup would win. The margin is asked for only at frauds that
    were let through anyway, which asks for less and drops nobody that is good.

    Args:
        cohort: n rows.
        incumbent: float64[n], losses in [0, 1]; where the truth wasn't seen, as if the row were a fraud.
        challenger: float64[n], likewise.
        scored: bool[n], rows with a score of either; the others are dropped.
        missing: rows without a score of the challenger.
        clusters: names of the entities that get compromised; empty means all of the stream's.
        compromised: entity keys that have counted as fraud in this probation.
        discordant: entity keys that have spoken in this probation.
        gain_min: in loss per compromised entity.
        dense: the loss is a number for every row, not only where decisions differ.
        chance_min: p_min, fixed before the test began.
    """
    scale, unseen = cohort.scaled(chance_min), scored & cohort.hidden
    seen = scored & (scale > 0)
    apart = np.where(scored, incumbent - challenger, 0.0)
    d = scale * apart
    frauds = in_event_order(cohort, np.flatnonzero((seen & cohort.fraud) | (unseen & (apart != 0))))
    keys = _entity_keys(cohort, frauds, clusters)
    counted, new_compromised = _first_of_entities(keys, np.flatnonzero(seen[frauds]).tolist(), compromised)
    spoken, new_discordant = _first_of_entities(keys, np.flatnonzero(apart[frauds]).tolist(), discordant)
    fraud_d = np.zeros(len(frauds))
    fraud_d[spoken] = d[frauds[spoken]]
    margin = np.zeros(len(frauds))
    margin[counted] = gain_min * chance_min * (scale[frauds[counted]] == chance_min)
    speaks = (fraud_d != 0) | (margin != 0)
    others = (seen | unseen) & ~cohort.fraud
    genuine_d = _means(cohort, d, others) if dense else d[first_rows(cohort, others & (apart != 0))]
    genuine_d = genuine_d[genuine_d != 0]
    return PairedLosses(
        difference=np.concatenate([fraud_d[speaks], genuine_d]),
        margin=np.concatenate([margin[speaks], np.zeros(len(genuine_d))]),
        rows=int(seen.sum()),
        missing=missing,
        frauds=len(counted),
        wins=int((fraud_d > 0).sum()),
        losses=int((fraud_d < 0).sum()),
        gain=float((np.sign(fraud_d) * scale[frauds]).sum() / chance_min),
        weight=float(scale[frauds[counted]].sum() / chance_min),
        compromised=new_compromised,
        discordant=new_discordant,
    )


def _means(cohort: Cohort, d: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean difference per customer; a row whose truth isn't known is one of 0."""
    rows = in_event_order(cohort, np.flatnonzero(where))
    if not cohort.entities:
        return d[rows]
    customer = next(iter(cohort.entities.values()))[rows]
    _, group = np.unique(customer, return_inverse=True)
    return np.bincount(group, d[rows]) / np.maximum(np.bincount(group), 1)


def _entity_keys(cohort: Cohort, rows: NDArray[np.intp], clusters: Sequence[str]) -> list[tuple[int, ...]]:
    """Keys of each row's entities; the name goes in, since customer 7 and terminal 7 have the same hash."""
    names = [n for n in cohort.entities if not clusters or n in clusters]
    salted = [
        [h ^ xxhash.xxh3_64_intdigest(name.encode()) if h else 0 for h in cohort.entities[name][rows].tolist()]
        for name in names
    ]
    return [tuple(k for k in row if k) for row in zip(*salted, strict=True)] if names else [()] * len(rows)


def _first_of_entities(
    keys: list[tuple[int, ...]], rows: Iterable[int], seen: frozenset[int]
) -> tuple[list[int], tuple[int, ...]]:
    """Rows none of whose entities were seen before, in order, and the keys that they add."""
    known, first, added = set(seen), list[int](), list[int]()
    for row in rows:
        if known.isdisjoint(keys[row]):
            first.append(row)
            known.update(keys[row])
            added.extend(keys[row])
    return first, tuple(added)

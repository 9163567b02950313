"""Drift without labels: how far a day's scores and features are from a reference, on days whose truth nobody knows yet.

It may start scouting early and it removes nobody: a change in what fraud looks like moves none of these signals, and a
change of the calendar moves all of them. So a day is compared with the reference's days of the same weekday, and it
has to be further from these than the reference's own days are from each other, on three days of four.

Source: `PSI ~ (1/n + 1/m) chi2(B-1)` without a shift, Yurdakul & Naranjo 2020; Kolmogorov & Smirnov's bound;
Benjamini & Hochberg 1995. Floors and the rule of days are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from rlfa.free_agency.rules import DriftRules
from rlfa.lineup.slots import AgentId, Day, date_of
from rlfa.outcomes.summaries import DaySummary, Histogram, merged

LEVELS = (*np.arange(0.1, 0.95, 0.1).tolist(), 0.99, 0.995, 0.999)
"""Deciles, and the tail that makes the alerts, which deciles hide."""
EMPTY_SHARE = 1e-4
SHOWN = 5  # features named in an event
WEEK = 7
SAME_WEEKDAY_MIN = 2  # days of the reference; with fewer, the weekday is compared with all of them


class FeatureShift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far one feature is from the reference."""

    name: str
    distance: float
    """Of Kolmogorov and Smirnov."""


class DriftSign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the newest days say of one slot."""

    through: Day
    """The newest day looked at; its labels may be weeks away."""
    shift: float
    """Largest signal of that day over its limit; above 1 it is an alarm."""
    alarms: int
    """Days with an alarm among the last few."""
    lasted: bool
    """Whether these are enough."""
    psi: float | None
    """Of the incumbent's scores; None where it didn't score the day."""
    psi_limit: float
    features: tuple[FeatureShift, ...]
    """Those that moved most, the furthest first."""
    reference_from: Day
    reference_to: Day


@dataclass(frozen=True, slots=True)
class Look:
    """One day beside the reference.

    Attributes:
        day: it is.
        psi: of the scores; None without scores on both sides.
        psi_limit: what noise and the floor explain.
        distances: per feature, those that noise alone explains too.
        significant: features that noise doesn't explain, by Benjamini and Hochberg.
    """

    day: Day
    psi: float | None
    psi_limit: float
    distances: Mapping[str, float]
    significant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reference:
    """The days that others are compared with, and how far these are from each other.

    Attributes:
        agent: whose scores.
        days: ascending.
        distances: per feature, the distance that counts as 1: the median among its own days, or the floor.
        psi_share: what the scores' index is divided by, as a multiple of its limit: the median likewise, at least 1.
        unit: the largest of the two signals among its own days, at least 1. One limit for both, so that a day like
            the others passes it in one of `len(days) + 1` cases, whatever days are like.
    """

    agent: AgentId
    days: tuple[DaySummary, ...]
    distances: Mapping[str, float]
    psi_share: float
    unit: float


def psi(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Population stability index of shares float64[b] against the reference's; an empty bin counts as 1e-4."""
    p, q = np.maximum(p, EMPTY_SHARE), np.maximum(q, EMPTY_SHARE)
    return float(((p - q) * np.log(p / q)).sum())


def psi_noise(n: int, m: int, bins: int, level: float) -> float:
    """The index that n rows against m reach with probability `level` without any shift."""
    return float((1.0 / n + 1.0 / m) * chdtri(max(bins - 1, 1), level))


def score_psi(day: Histogram, reference: Histogram, level: float) -> tuple[float, float]:
    """Index and noise of two histograms, in the reference's deciles and its tail."""
    shares = np.cumsum(reference.counts) / reference.rows
    cuts = np.unique(reference.codes[np.searchsorted(shares, np.array(LEVELS) - 1e-12)])
    cuts = cuts[cuts < reference.codes[-1]]
    bins = len(cuts) + 1
    p, q = (_binned(h, cuts, bins) / h.rows for h in (day, reference))
    return psi(p, q), psi_noise(day.rows, reference.rows, bins, level)


def ks(day: Histogram, reference: Histogram) -> float:
    """Largest distance between the two cumulative shares, Kolmogorov and Smirnov's D."""
    codes = np.union1d(day.codes, reference.codes)
    difference = np.zeros(len(codes))
    difference[np.searchsorted(codes, day.codes)] += day.counts / day.rows
    difference[np.searchsorted(codes, reference.codes)] -= reference.counts / reference.rows
    return float(np.abs(np.cumsum(difference)).max())


def ks_chance(distance: float, n: int, m: int) -> float:
    """The level at which `D > sqrt(-ln(level/2)/2) sqrt((n+m)/(n m))`; rows in bins make it larger, never smaller."""
    return min(1.0, 2.0 * float(np.exp(-2.0 * distance * distance * n * m / (n + m))))


def discoveries(chances: Mapping[str, float], level: float) -> frozenset[str]:
    """Names that Benjamini and Hochberg's rule picks at a false discovery rate."""
    ordered = sorted(chances, key=lambda name: (chances[name], name))
    passed = [k for k, name in enumerate(ordered, 1) if chances[name] <= level * k / len(ordered)]
    return frozenset(ordered[: max(passed, default=0)])


def look(days: Sequence[DaySummary], day: DaySummary, agent: AgentId, rules: DriftRules) -> Look:
    """One day against some others.

    Args:
        days: of the reference, without `day`.
        day: to be looked at.
        agent: whose scores.
        rules: of the user.
    """
    same = [d for d in days if d.day % WEEK == day.day % WEEK]
    days = same if len(same) >= SAME_WEEKDAY_MIN else days
    found = _score(days, day, agent, rules)
    distances, chances = dict[str, float](), dict[str, float]()
    for name in sorted(set(day.features).intersection(*(d.features for d in days))):
        reference = merged(d.features[name] for d in days)
        distances[name] = ks(day.features[name], reference)
        chances[name] = ks_chance(distances[name], day.rows, reference.rows)
    significant = frozenset(n for n in discoveries(chances, rules.feature_level) if distances[n] > rules.ks_min)
    return Look(day.day, *found, distances, significant)


def reference_of(days: Sequence[DaySummary], agent: AgentId, rules: DriftRules) -> Reference:
    """The reference that some days make.

    Args:
        days: at least two.
        agent: whose scores.
        rules: of the user.
    """
    own = [look([d for d in days if d is not day], day, agent, rules) for day in days]
    names = set(own[0].distances).intersection(*(one.distances for one in own))
    distances = {n: max(rules.ks_min, float(np.median([one.distances[n] for one in own]))) for n in sorted(names)}
    psi_share = max(1.0, float(np.median([_psi_share(one) for one in own])))
    blank = Reference(agent=agent, days=tuple(days), distances=distances, psi_share=psi_share, unit=1.0)
    return replace(blank, unit=max(1.0, *(shift_of(one, blank, rules) for one in own)))


def shift_of(one: Look, reference: Reference, rules: DriftRules) -> float:
    """The larger of a day's two signals over their limit."""
    return max(_psi_share(one) / reference.psi_share, _feature_share(one, reference, rules)) / reference.unit


def read_sign(reference: Reference, looks: Sequence[Look], rules: DriftRules) -> DriftSign:
    """What the newest days say together.

    Args:
        reference: they were compared with.
        looks: of the last `days_alarm + 1` days, the newest last; at least one.
        rules: of the user.
    """
    shifts = [shift_of(one, reference, rules) for one in looks]
    newest, alarms = looks[-1], sum(s > 1.0 for s in shifts)
    furthest = sorted(newest.significant, key=lambda n: (-newest.distances[n], n))[:SHOWN]
    return DriftSign(
        through=newest.day,
        shift=shifts[-1],
        alarms=alarms,
        lasted=alarms >= rules.days_alarm,
        psi=newest.psi,
        psi_limit=newest.psi_limit * reference.psi_share * reference.unit,
        features=tuple(FeatureShift(name=n, distance=newest.distances[n]) for n in furthest),
        reference_from=reference.days[0].day,
        reference_to=reference.days[-1].day,
    )


def explain(sign: DriftSign) -> str:
    """A sign in a sentence."""
    parts = [] if sign.psi is None else [f"scores PSI {sign.psi:.3f} (limit {sign.psi_limit:.3f})"]
    parts += [f"{f.name} KS {f.distance:.2f}" for f in sign.features]
    days = f"{sign.alarms} of the last days up to {date_of(sign.through)}"
    return f"{', '.join(parts) or 'no single feature'}: {sign.shift:.1f} times the limit, an alarm on {days}"


def _score(
    days: Sequence[DaySummary], day: DaySummary, agent: AgentId, rules: DriftRules
) -> tuple[float | None, float]:
    scored = [d.logits[agent] for d in days if _is_whole(d, agent, rules)]
    if not scored or not _is_whole(day, agent, rules):
        return None, rules.psi_min
    found, noise = score_psi(day.logits[agent], merged(scored), rules.score_level)
    return found, max(rules.psi_min, noise)


def _is_whole(day: DaySummary, agent: AgentId, rules: DriftRules) -> bool:
    return agent in day.logits and day.logits[agent].rows >= (1.0 - rules.missing_share_max) * day.rows


def _psi_share(one: Look) -> float:
    return 0.0 if one.psi is None else one.psi / one.psi_limit


def _feature_share(one: Look, reference: Reference, rules: DriftRules) -> float:
    """What so many features reach as make an alarm, over their distances: one alone may be a broken sensor."""
    known = reference.distances
    shares = sorted((one.distances[n] / known[n] for n in one.significant if n in known), reverse=True)
    return shares[rules.features_min - 1] if len(shares) >= rules.features_min else 0.0


def _binned(histogram: Histogram, cuts: NDArray[np.int16], bins: int) -> NDArray[np.float64]:
    place = np.searchsorted(cuts, histogram.codes, side="left")
    return np.bincount(place, histogram.counts, bins).astype(np.float64)

"""The test where declined payments never show what they were, but for the share that exploration lets through.

The lineup declines what the incumbent stops: what only the challenger catches is seen, what only the incumbent catches
is seen with the chance of exploration. Frauds are compromised cards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.rule import KAPPA, log_e
from benchmarks.evidence.service import COSTS, NEW, NO_EARLY_END, OLD, cohorts
from benchmarks.evidence.shares import Share
from rlfa.free_agency.evalue import BETS, WEIGHTS
from rlfa.free_agency.probation import advance, verdict
from rlfa.free_agency.state import Probation
from rlfa.lineup.slots import Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.sight import Sight
from rlfa.rewards.budget import daily_threshold, ranking, stops, threshold

ALPHA, BOUND = 0.05, 20.0
COHORTS = 100
METHODS = ("weighted", "seen only", "declined taken for genuine")
_PER_DAY = 0.6  # cards a day that one of the two agents alone catches: 3e-4 of 2,000 transactions
_ALARMS = 10.0  # false alarms a day of one agent alone


@dataclass(frozen=True, slots=True)
class Null:
    """A challenger that isn't better, with what the two agents alone catch and stop on a mean day."""

    name: str
    won: float
    lost: float
    alarms_incumbent: float
    alarms_challenger: float


NULLS = (
    Null("as many won as lost", _PER_DAY, _PER_DAY, _ALARMS, _ALARMS),
    Null("three times as many won, false alarms that cost it", 3 * _PER_DAY, _PER_DAY, 0.0, 2 * _PER_DAY / KAPPA),
    Null("a third as many won, fewer false alarms", _PER_DAY / 2, 3 * _PER_DAY / 2, _PER_DAY / KAPPA, 0.0),
)


def false_promotions(null: Null, chance: float, streams: int, rng: np.random.Generator) -> dict[str, Share]:
    """Each method's share of false promotions, looked at after every cohort; all see the same streams."""
    size = (streams, COHORTS)
    won, lost = rng.poisson(null.won, size), rng.poisson(null.lost, size)
    ours, theirs = rng.poisson(null.alarms_challenger, size), rng.poisson(null.alarms_incumbent, size)
    lost_seen, theirs_seen = rng.binomial(lost, chance), rng.binomial(theirs, chance)
    seen = np.stack([won, lost_seen, theirs_seen, ours], axis=-1).cumsum(axis=1)
    unseen = (lost - lost_seen + theirs - theirs_seen).cumsum(axis=1)
    values = np.array([1.0, -1.0, KAPPA, -KAPPA])
    p = np.array([1.0, chance, chance, 1.0])
    e_values = {
        METHODS[0]: log_e(seen, values * chance / p),
        METHODS[1]: log_e(seen, values),
        METHODS[2]: log_e(np.concatenate([seen, unseen[..., None]], axis=-1), np.append(values, KAPPA)),
    }
    return {m: Share(int((e >= np.log(BOUND)).any(axis=1).sum()), streams) for m, e in e_values.items()}


def frauds_until_promoted(
    chance: float, won: float, lost: float, streams: int, rng: np.random.Generator, chunk: int = 50
) -> NDArray[np.float64]:
    """float64[s], compromised cards until e >= 20, looked at after each; infinite where 300/chance are not enough.

    Args:
        chance: with which a declined card is seen.
        won: share of cards that only the challenger catches.
        lost: share that only the incumbent catches.
        streams: s.
        rng: of the streams.
        chunk: streams at a time.
    """
    most = int(300 / chance)
    bets, log_weights = np.array(BETS), np.log(WEIGHTS)
    gain = np.log1p(np.array([0.0, chance, -1.0])[:, None] * bets)  # nothing, won, lost and seen
    found = []
    for begin in range(0, streams, chunk):
        u = rng.random((min(chunk, streams - begin), most))
        kind = np.where(u < won, 1, np.where(u < won + lost * chance, 2, 0))
        logs = gain[kind].cumsum(axis=1) + log_weights
        crossed = np.logaddexp.reduce(logs, axis=-1) >= np.log(BOUND)
        found.append(np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1.0, np.inf))
    return np.concatenate(found)


def promoted_by_the_service(
    rng: np.random.Generator, days: int, lineup: str, chance: float, *, takes_turns: bool = True
) -> bool:
    """One probation of equals through the service's own code: five rows a card, thresholds of earlier days.

    Args:
        rng: of the cohorts and of what exploration lets through.
        days: at most.
        lineup: whose stops are declined: `incumbent`, `challenger`, or `neither` (a coin for each card).
        chance: of a decline to pass.
        takes_turns: an unseen row takes its card's turn; without it every decline of a card is a chance to speak.
    """
    state = Probation(
        challenger=NEW, family="moe", incumbent=OLD, first_full_day=Day(0), rules=NO_EARLY_END, costs=COSTS,
        chance_min=chance,
    )  # fmt: skip
    limits = {OLD: (), NEW: ()}
    for cohort in cohorts(rng, days, (2.0, 2.0)):
        seen = _hide(cohort, limits, lineup, chance, rng, takes_turns=takes_turns)
        state, _ = advance(state, seen, limits)
        for agent in limits:
            today = daily_threshold(cohort.day, ranking(cohort, agent, COSTS), COSTS)
            limits[agent] = (*limits[agent], today)[-NO_EARLY_END.threshold_days :]
        if verdict(state) == "promote":
            return True
    return False


def _hide(
    cohort: Cohort, limits: dict, lineup: str, chance: float, rng: np.random.Generator, *, takes_turns: bool
) -> Cohort:
    if lineup == "neither":
        card = next(iter(cohort.entities.values()))
        declined = (card * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(62) == 0
    else:
        agent = OLD if lineup == "incumbent" else NEW
        limit = threshold(limits[agent], COSTS)
        declined = stops(ranking(cohort, agent, COSTS), np.inf if limit is None else limit)
    seen = ~declined | (rng.random(len(cohort)) < chance)
    chances = np.where(declined, chance, 1.0)
    sight = Sight(seen, chances if takes_turns else np.where(seen, chances, 0.0))
    return replace(cohort, fraud=cohort.fraud & seen, sight=sight)

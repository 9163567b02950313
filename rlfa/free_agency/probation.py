"""Probation: whole closed cohorts of paired losses in, promote, release or wait out."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from rlfa.free_agency.evalue import bet
from rlfa.free_agency.state import Probation
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.budget import DailyThreshold, common_thresholds, ranking, stops
from rlfa.rewards.paired_loss import PairedLosses, as_approval, brier_loss, count_loss, pair

Verdict = Literal["wait", "promote", "worse", "futile", "limit", "unsafe"]
Thresholds = dict[AgentId, tuple[DailyThreshold, ...]]


def advance(probation: Probation, cohort: Cohort, thresholds: Thresholds) -> tuple[Probation, PairedLosses | None]:
    """One closed cohort on.

    A challenger starts at the first cohort that it scored whole and for which both agents have thresholds
    from the same earlier days. Once started, a cohort that it failed to score makes it unsafe. A single row without an
    agent's score counts as approved by it.

    Returns:
        The probation after it, and its losses; None where the cohort gave no evidence.
    """
    share_max, costs = probation.rules.missing_share_max, probation.costs
    whole = cohort.scored_whole(probation.challenger, share_max)
    if not whole and len(cohort) and _must_have_scored(probation, cohort.day):
        missing = cohort.missing(probation.challenger)
        return replace(probation, unsafe=True, missing=probation.missing + missing), None
    if not cohort.is_measured or cohort.least_chance < probation.chance_min:
        return probation, None  # decided without exploration, or with less of it than the bets allow for
    limits = common_thresholds(thresholds.get(probation.incumbent, ()), thresholds.get(probation.challenger, ()), costs)
    if not whole or limits is None or cohort.day < probation.first_full_day:
        return probation, None
    stopped = [
        stops(ranking(cohort, agent, costs), limit)
        for agent, limit in zip((probation.incumbent, probation.challenger), limits, strict=True)
    ]
    paired = _pair(probation, cohort, stopped[0], stopped[1])
    return _with(probation, paired, cohort, stopped[0], stopped[1]), paired


def verdict(probation: Probation) -> Verdict:
    """What the evidence so far asks for.

    Minimums only delay, futility and limits only stop early: none of them raises the error. The limit of frauds waits
    for the minimums too: on a busy stream it would else end every probation before the days that a promotion needs.
    """
    rules = probation.rules
    if probation.unsafe:
        return "unsafe"
    enough = (
        probation.frauds >= rules.frauds_min and probation.rows >= rules.rows_min and probation.days >= rules.days_min
    )
    if enough and probation.e.log_up >= math.log(probation.bound):
        return "promote"
    if enough and probation.e.log_down >= math.log(rules.worse_at):
        return "worse"
    if enough and probation.e.log_futility >= math.log(rules.futile_at):
        return "futile"
    if (enough and probation.frauds >= rules.frauds_max) or probation.days >= rules.days_max:
        return "limit"
    return "wait"


def explain(probation: Probation, what: Verdict) -> str:
    """A verdict in a sentence."""
    seen = f"after {probation.frauds} frauds in {probation.days} days"
    recall = recalls(probation)
    match what:
        case "promote":
            return f"e-value {_e(probation.e.log_up)} >= {probation.bound:g} {seen}: {recall}"
        case "worse":
            e = _e(probation.e.log_down)
            return f"e-value for worse {e} >= {probation.rules.worse_at:g} {seen}: {recall}"
        case "futile":
            gain = f"e-value against a gain of {probation.rules.gain_min:g} a fraud"
            return f"{gain} {_e(probation.e.log_futility)} >= {probation.rules.futile_at:g} {seen}: {recall}"
        case "limit":
            return f"no verdict {seen}: e-value {_e(probation.e.log_up)} of {probation.bound:g}, {recall}"
        case "unsafe":
            allowed = f"more than {probation.rules.missing_share_max:.0%} of a day"
            return f"{probation.missing} transactions without a score, {allowed}"
        case "wait":
            return f"e-value {_e(probation.e.log_up)} of {probation.bound:g} {seen}: {recall}"


def recalls(probation: Probation, *, challenger_first: bool = True) -> str:
    """What both caught within the budget, in words."""
    shares = [_share(c, probation.fraud_rows) for c in (probation.caught_challenger, probation.caught_incumbent)]
    first, second = shares if challenger_first else reversed(shares)
    return f"recall at {probation.costs.alert_budget_per_day} alerts a day {first} against {second}"


def _must_have_scored(probation: Probation, day: Day) -> bool:
    joining_is_over = day >= probation.first_full_day + probation.rules.joining_days_max
    return probation.started is not None or joining_is_over


def _pair(
    probation: Probation,
    cohort: Cohort,
    incumbent: NDArray[np.bool_],
    challenger: NDArray[np.bool_],
) -> PairedLosses:
    logits = [cohort.logits_of(probation.incumbent), cohort.logits_of(probation.challenger)]
    fraud = cohort.fraud | cohort.hidden
    if probation.rules.loss == "count":
        losses = [count_loss(fraud, stopped, probation.costs.kappa) for stopped in (incumbent, challenger)]
    else:
        losses = [brier_loss(fraud, as_approval(x), probation.rules.brier_genuine_weight) for x in logits]
    return pair(
        cohort,
        losses[0],
        losses[1],
        scored=~np.isnan(logits[0]) | ~np.isnan(logits[1]),
        missing=int(np.isnan(logits[1]).sum()),
        clusters=probation.rules.cluster_entities,
        compromised=frozenset(probation.compromised),
        discordant=frozenset(probation.discordant),
        gain_min=probation.rules.gain_min,
        dense=probation.rules.loss == "brier",
        chance_min=probation.chance_min,
    )


def _with(
    before: Probation,
    paired: PairedLosses,
    cohort: Cohort,
    incumbent: NDArray[np.bool_],
    challenger: NDArray[np.bool_],
) -> Probation:
    e = bet(before.e, paired.difference, paired.margin)
    frauds = cohort.weight * cohort.fraud  # a recall for people: how many frauds each stands for
    return replace(
        before,
        started=cohort.day if before.started is None else before.started,
        e=e,
        log_up_max=max(before.log_up_max, e.log_up),
        rows=before.rows + paired.rows,
        frauds=before.frauds + paired.frauds,
        days=before.days + 1,
        wins=before.wins + paired.wins,
        losses=before.losses + paired.losses,
        gain=before.gain + paired.gain,
        weight=before.weight + paired.weight,
        missing=before.missing + paired.missing,
        fraud_rows=before.fraud_rows + round(frauds.sum()),
        caught_challenger=before.caught_challenger + round((frauds * challenger).sum()),
        caught_incumbent=before.caught_incumbent + round((frauds * incumbent).sum()),
        compromised=(*before.compromised, *paired.compromised),
        discordant=(*before.discordant, *paired.discordant),
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}".removeprefix("0") if whole else "undefined"


def _e(log_e: float) -> str:
    return f"{math.exp(log_e):.1f}" if log_e < 14 else f"10^{log_e / math.log(10):.0f}"

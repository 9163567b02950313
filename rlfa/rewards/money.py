"""Money: what the user's costs are, and what an agent's own decisions earned."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from rlfa.outcomes.cohorts import Cohort


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What fraud and its prevention cost the user."""

    prevented_share: Annotated[float, Meta(ge=0, le=1)] = 0.9
    """Share (rho) of a fraud's amount that is saved when it is stopped."""
    false_positive: Annotated[float, Meta(ge=0, le=1e6)] = 5.0
    """Cost of stopping a genuine transaction, in the stream's currency."""
    review: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
    """Cost of one review by an analyst, in the stream's currency."""
    review_catch_rate: Annotated[float, Meta(ge=0, le=1)] = 0.9
    """Share of the frauds under review that analysts recognise."""
    alert_budget_per_day: Annotated[int, Meta(ge=1, le=10_000_000)] = 100
    """Alerts a day: about so many the lineup raises (see `alerts`), and so many each agent may raise when its own
    decisions are judged."""
    kappa: Annotated[float, Meta(ge=0, le=1)] = 0.02
    """Weight (kappa) of a genuine transaction stopped against a fraud missed, in the count loss:
    false-positive cost over the mean loss prevented."""
    violation: Annotated[float, Meta(ge=0, le=1e6)] = 250.0
    """Penalty for each transaction that an agent gave no score for (not a number, or none in time), in the stream's
    currency: one in 10,000 should cost as much as one average fraud missed."""
    rank_by: Literal["probability", "net_gain"] = "probability"
    """What an agent spends its alert budget on: the most probable frauds, which needs no trust in calibration
    and is what the count loss counts, or the largest expected gain in money."""


def net_gain(logits: NDArray[np.float32], amount: NDArray[np.float64], costs: Costs) -> NDArray[np.float64]:
    """Expected gain of stopping against approving, `s·rho·amount - (1-s)·fp - review`.

    Args:
        logits: float32[n], calibrated; NaN stays NaN.
        amount: float64[n].
        costs: of the user.

    Returns:
        float64[n], in the stream's currency.

    Source: expected-cost rule after Bahnsen et al. 2013, "Cost sensitive credit card fraud detection using
    Bayes minimum risk".
    """
    s = probability(logits)
    return s * costs.prevented_share * np.maximum(amount, 0.0) - (1.0 - s) * costs.false_positive - costs.review


def mistake_costs(fraud: NDArray[np.bool_], amount: NDArray[np.float64], costs: Costs) -> NDArray[np.float64]:
    """What it costs to miss each fraud, `rho·amount - review`, and to stop each genuine row, `fp + review`.

    Args:
        fraud: bool[n].
        amount: float64[n].
        costs: of the user.

    Returns:
        float64[n], in the stream's currency, at least 0: for training by what mistakes cost.
    """
    missed = np.maximum(costs.prevented_share * np.maximum(amount, 0.0) - costs.review, 0.0)
    return np.where(fraud, missed, costs.false_positive + costs.review)


def probability(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """float32[n] logits to float64[n] probabilities; NaN stays NaN."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))


def earned(cohort: Cohort, stopped: NDArray[np.bool_], costs: Costs) -> NDArray[np.float64]:
    """The accuracy part of the reward, row by row, against approving everything.

    A fraud stopped saves `rho·amount - review`, a genuine transaction stopped costs `fp + review`, the rest
    is 0. A compromised customer's loss is prevented once a day, by the first of its frauds that is stopped:
    the card is blocked by then, and a thief who tries ten times must not pay ten times. Where declines hide the truth,
    a stopped payment that nobody knows counts as such a first one for those after it: the weight of a later one stands
    for later ones only.

    Args:
        cohort: n rows.
        stopped: bool[n], the agent's own decisions.
        costs: of the user.

    Returns:
        float64[n], in the stream's currency, to be summed with the cohort's weights.
    """
    saved = costs.prevented_share * np.maximum(cohort.amount, 0.0) - costs.review
    first = np.zeros(len(cohort), np.bool_)
    first[first_rows(cohort, stopped & (cohort.fraud | ~cohort.seen))] = True
    first &= cohort.fraud
    lost = -(costs.false_positive + costs.review)
    return np.where(first, saved, np.where(stopped & ~cohort.fraud, lost, 0.0))


def first_rows(cohort: Cohort, where: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Of the rows in bool[n] `where`, the earliest of each customer (the primary entity)."""
    rows = in_event_order(cohort, np.flatnonzero(where))
    if not cohort.entities:
        return rows
    customer = next(iter(cohort.entities.values()))[rows]
    _, first = np.unique(customer, return_index=True)
    # Rows without a customer can't be told apart: each stands for itself.
    return rows[np.union1d(first, np.flatnonzero(customer == 0))]


def in_event_order(cohort: Cohort, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Row numbers by event time, equal times by id: the same whatever the order of the cohort's rows."""
    return rows[np.lexsort((cohort.tx_hash[rows], cohort.event_time[rows]))]

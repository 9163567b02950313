"""Figures of a ranking: average precision, AUC, card precision, recall within an alert budget, calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Scores = NDArray[np.float64]  # [n]
Truth = NDArray[np.bool_]  # [n]


def average_precision(fraud: Truth, score: Scores) -> float:
    """Area under the precision-recall steps; NaN without a fraud."""
    return float(average_precision_score(fraud, score)) if fraud.any() else float("nan")


def auc(fraud: Truth, score: Scores) -> float:
    """Probability that a fraud outranks a genuine transaction; NaN where one of the two is missing."""
    return float(roc_auc_score(fraud, score)) if fraud.any() and not fraud.all() else float("nan")


def recall_at_budget(fraud: Truth, score: Scores, day: NDArray[np.integer], budget: int) -> float:
    """Share of the frauds that lie among each day's `budget` highest scores; NaN without a fraud.

    Args:
        fraud: bool[n].
        score: float64[n].
        day: int[n].
        budget: alerts a day.
    """
    if not fraud.any():
        return float("nan")
    order = np.lexsort((-score, day))
    ordered_day = day[order]
    starts = np.searchsorted(ordered_day, ordered_day)
    rank = np.arange(len(order)) - starts
    return float(fraud[order][rank < budget].sum() / fraud.sum())


def card_precision(
    fraud: Truth, score: Scores, day: NDArray[np.integer], customer: NDArray[np.integer], k: int = 100
) -> float:
    """Mean over days of the share of compromised customers among the k with the day's highest scores.

    Customers found compromised on a day are left out of the days after it, as an investigator would.

    Args:
        fraud: bool[n].
        score: float64[n].
        day: int[n].
        customer: int[n].
        k: customers looked at a day.

    Source: Fraud Detection Handbook, "Card precision top-k".
    """
    known: set[int] = set()
    precisions = []
    for d in np.unique(day):
        rows = np.flatnonzero((day == d) & ~np.isin(customer, list(known)))
        if not len(rows):
            continue
        customers, inverse = np.unique(customer[rows], return_inverse=True)
        best = np.full(len(customers), -np.inf)
        np.maximum.at(best, inverse, score[rows])
        compromised = np.zeros(len(customers), np.bool_)
        np.logical_or.at(compromised, inverse, fraud[rows])
        top = np.argsort(-best, kind="stable")[:k]
        precisions.append(compromised[top].sum() / k)
        known.update(customers[top][compromised[top]].tolist())
    return float(np.mean(precisions)) if precisions else float("nan")


def calibration_error(fraud: Truth, probability: Scores, bins: int = 10) -> float:
    """ECE: mean distance of predicted and seen share of fraud, over bins of equally many rows."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(probability[p].mean() - fraud[p].mean()) * len(p) for p in parts]
    return float(np.sum(gaps) / len(fraud))


def figures(logits: NDArray[np.floating], fraud: NDArray[np.bool_]) -> dict[str, float]:
    """Average precision, AUC and calibration error of n rows; none where one class is missing.

    Args:
        logits: float[n], log odds.
        fraud: bool[n].
    """
    if not fraud.any() or fraud.all():
        return {}
    score = 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))
    return {
        "average_precision": average_precision(fraud, score),
        "auc": auc(fraud, score),
        "calibration_error": calibration_error(fraud, score),
    }


def figures_by_task(
    tasks: NDArray[np.floating], logits: NDArray[np.floating], fraud: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Rows, frauds and `figures` of each task, by its code; rows without one count nowhere.

    Args:
        tasks: float[n], codes, NaN where missing.
        logits: float[n], log odds.
        fraud: bool[n].
    """
    found = {}
    for code in np.unique(tasks[~np.isnan(tasks)]).tolist():
        mine = tasks == code
        counts = {"rows": float(mine.sum()), "frauds": float(fraud[mine].sum())}
        found[f"{code:g}"] = counts | figures(logits[mine], fraud[mine])
    return found

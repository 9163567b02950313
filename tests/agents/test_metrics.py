"""The figures, by hand and against slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.metrics import auc, average_precision, calibration_error, card_precision, recall_at_budget


def test_average_precision_and_auc_by_hand() -> None:
    fraud, score = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])
    assert average_precision(fraud, score) == pytest.approx((1 + 2 / 3) / 2)
    assert auc(fraud, score) == pytest.approx(3 / 4)


def test_without_a_fraud_there_is_no_figure() -> None:
    none, score, day = np.zeros(3, np.bool_), np.arange(3.0), np.zeros(3, np.int64)
    assert np.isnan(average_precision(none, score))
    assert np.isnan(auc(none, score))
    assert np.isnan(recall_at_budget(none, score, day, 1))


def test_recall_counts_the_frauds_among_each_days_highest_scores() -> None:
    day = np.array([0, 0, 0, 1, 1, 1])
    fraud = np.array([True, False, True, False, True, False])
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert recall_at_budget(fraud, score, day, 1) == pytest.approx(1 / 3)
    assert recall_at_budget(fraud, score, day, 2) == pytest.approx(2 / 3)


def test_a_customer_found_once_is_left_out_of_later_days() -> None:
    day = np.array([0, 0, 1, 1])
    customer = np.array([7, 8, 7, 8])
    fraud = np.array([True, False, True, True])
    score = np.array([0.9, 0.1, 0.9, 0.1])
    # On day 1 only customer 8 is left, and is compromised.
    assert card_precision(fraud, score, day, customer, k=1) == pytest.approx(1.0)
    assert card_precision(fraud, score, day, customer, k=2) == pytest.approx(0.5)


def slow_card_precision(fraud: np.ndarray, score: np.ndarray, day: np.ndarray, customer: np.ndarray, k: int) -> float:
    """The handbook's words, one row at a time."""
    known: set[int] = set()
    shares = []
    for d in sorted(set(day.tolist())):
        best: dict[int, tuple[float, bool]] = {}
        for f, s, at, c in zip(fraud.tolist(), score.tolist(), day.tolist(), customer.tolist(), strict=True):
            if at == d and c not in known:
                top, bad = best.get(c, (-np.inf, False))
                best[c] = (max(top, s), bad or f)
        if not best:
            continue
        ranked = sorted(best.items(), key=lambda item: -item[1][0])[:k]
        found = [c for c, (_, bad) in ranked if bad]
        shares.append(len(found) / k)
        known.update(found)
    return float(np.mean(shares))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), k=st.integers(1, 8))
def test_card_precision_equals_its_slow_twin(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    fraud, score = rng.random(n) < 0.3, rng.permutation(n) / n
    day, customer = rng.integers(0, 4, n), rng.integers(0, 10, n)
    fast = card_precision(fraud, score, day, customer, k)
    assert fast == pytest.approx(slow_card_precision(fraud, score, day, customer, k))


def test_a_calibrated_score_has_almost_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 0.2, 50_000)
    fraud = rng.random(50_000) < p
    assert calibration_error(fraud, p) < 0.005
    assert calibration_error(fraud, np.minimum(2 * p, 1.0)) == pytest.approx(0.1, abs=0.01)

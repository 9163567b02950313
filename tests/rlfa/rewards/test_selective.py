"""Figures and tests where declined payments never show what they were: the weights put back what declines hide."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlfa.free_agency.evalue import EValue, bet
from rlfa.lineup.slots import Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.sight import Sight
from rlfa.rewards.discounted import Earned, Record, Weighed, after, effective
from rlfa.rewards.money import Costs, earned
from rlfa.rewards.paired_loss import PairedLosses, count_loss, pair

COSTS = Costs(prevented_share=0.5, false_positive=4.0, review=1.0)


def cohort(fraud: list[bool], customer: list[int], sight: Sight | None = None) -> Cohort:
    n = len(fraud)
    seen = np.ones(n, np.bool_) if sight is None else sight.seen
    return Cohort(
        day=Day(0),
        tx_hash=np.arange(n, dtype=np.uint64),
        event_time=np.arange(n, dtype=np.int64),
        amount=np.full(n, 100.0) + np.arange(n),
        fraud=np.array(fraud, np.bool_) & seen,
        entities={"customer": np.array(customer, np.uint64)},
        logits={},
        score=np.zeros(n),
        stopped=np.zeros(n, np.bool_),
        sight=sight,
    )


def pair_up(day: Cohort, incumbent: np.ndarray, challenger: np.ndarray, chance_min: float) -> PairedLosses:
    return pair(
        day,
        incumbent,
        challenger,
        scored=np.ones(len(day), np.bool_),
        missing=0,
        clusters=(),
        compromised=frozenset(),
        discordant=frozenset(),
        gain_min=0.05,
        dense=False,
        chance_min=chance_min,
    )


def test_the_references_vector_of_bets_with_propensities() -> None:
    p = np.array([1.0, 1.0, 0.2, 1.0, 0.5])
    day = cohort([True] * 5, [1, 2, 3, 4, 5], Sight(np.ones(5, np.bool_), p))
    d = np.array([0.5, -0.2, -1.0, 0.8, -0.4])
    got = pair_up(day, np.maximum(d, 0.0), np.maximum(-d, 0.0), 0.2)
    assert got.difference == pytest.approx([0.1, -0.04, -1.0, 0.16, -0.16])
    e, path = EValue(), []
    for x in got.difference:
        e = bet(e, np.array([x]))
        path.append(np.exp(e.log_up))
    assert path == pytest.approx([1.035, 1.020249, 0.659479, 0.686032, 0.657791], abs=1e-6)


def test_a_decline_that_was_not_seen_costs_nobody_a_false_alarm() -> None:
    # Both rows were genuine; the incumbent stops both, and one of them was let through with probability 1/2.
    day = cohort([False, False], [1, 2], Sight(np.array([True, False]), np.array([0.5, 0.5])))
    stops, passes = np.array([True, True]), np.array([False, False])
    as_fraud = day.fraud | day.hidden
    got = pair_up(day, count_loss(as_fraud, stops, 0.02), count_loss(as_fraud, passes, 0.02), 0.5)
    assert got.difference.tolist() == [0.02]  # of two of .02 · .5, one seen with weight 2
    assert (day.weight * earned(day, stops, COSTS)).tolist() == [-10.0, 0.0]


def test_a_card_that_is_declined_five_times_has_one_chance_to_speak() -> None:
    chance = np.full(5, 0.25)
    fraud, customer = [True] * 5, [7] * 5
    incumbent, challenger = np.zeros(5), np.ones(5)
    first = cohort(fraud, customer, Sight(np.array([1, 0, 0, 0, 0], np.bool_), chance))
    assert pair_up(first, incumbent, challenger, 0.25).difference.tolist() == [-1.0]
    second = cohort(fraud, customer, Sight(np.array([0, 1, 0, 0, 0], np.bool_), chance))
    silent = pair_up(second, incumbent, challenger, 0.25)
    assert silent.difference.tolist() == []
    assert len(silent.discordant) == 1  # its turn has passed for the whole probation
    money = second.weight * earned(second, np.ones(5, np.bool_), COSTS)
    assert money.tolist() == [0.0] * 5


def test_futility_asks_for_a_gain_only_at_frauds_that_were_let_through_anyway() -> None:
    sight = Sight(np.ones(2, np.bool_), np.array([1.0, 0.5]))
    got = pair_up(cohort([True, True], [1, 2], sight), np.zeros(2), np.zeros(2), 0.5)
    assert got.difference.tolist() == [0.0]
    assert got.margin.tolist() == [0.025]
    assert got.frauds == 2


def sights(declined: list[bool], chance: float) -> Iterator[tuple[float, Sight]]:
    """Every outcome of the draw with its probability."""
    at = np.flatnonzero(declined)
    for passes in product([True, False], repeat=len(at)):
        seen = np.ones(len(declined), np.bool_)
        seen[at] = passes
        chances = np.where(declined, chance, 1.0)
        yield float(np.prod([chance if p else 1 - chance for p in passes])), Sight(seen, chances)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=6),
    compromised=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    chance=st.sampled_from([0.125, 0.25, 0.5]),
)
def test_over_all_draws_the_weighted_sums_are_those_of_the_whole_truth(
    rows: list[tuple[int, bool, bool, bool]], compromised: tuple[bool, bool, bool], chance: float
) -> None:
    customer, declined, old, new = (list(c) for c in zip(*rows, strict=True))
    fraud = [compromised[c - 1] for c in customer]
    old_stops, new_stops = np.array(old), np.array(new)
    whole = cohort(fraud, customer)
    truth = np.zeros(4)
    truth[:2] = [earned(whole, stops, COSTS).sum() for stops in (old_stops, new_stops)]
    losses = [count_loss(whole.fraud, stops, 0.02) for stops in (old_stops, new_stops)]
    truth[2] = chance * pair_up(whole, losses[0], losses[1], 1.0).difference.sum()
    truth[3] = len(rows)
    found = np.zeros(4)
    for probability, sight in sights(declined, chance):
        day = cohort(fraud, customer, sight)
        as_fraud = day.fraud | day.hidden
        losses = [count_loss(as_fraud, stops, 0.02) for stops in (old_stops, new_stops)]
        got = pair_up(day, losses[0], losses[1], chance).difference
        assert (np.abs(got) <= 1.0).all()
        money = [(day.weight * earned(day, stops, COSTS)).sum() for stops in (old_stops, new_stops)]
        found += probability * np.array([*money, got.sum(), day.weight.sum()])
    assert found == pytest.approx(truth)


def test_figures_are_sums_over_weighted_rows_divided_by_the_weights() -> None:
    # 90 rows of weight 1 that earn 0, and one of weight 10 that earns 50: 500 over 100 rows.
    weighed = Weighed(rows=100.0, rows_squared=190.0, frauds=10.0, frauds_squared=100.0, caught=10.0)
    day = Earned(rows=100, missing=0, frauds=1, caught=1, stopped=10, accuracy=500.0, weighed=weighed)
    got = after(Record(), day, half_life=7.0)
    assert got.reward == 5.0
    assert got.rows_effective == pytest.approx(100**2 / 190)
    assert got.detection(frauds_min=1.0) == 1.0
    assert got.detection(frauds_min=1.5) is None  # ten frauds by weight, one by evidence


def test_without_weights_the_effective_size_is_the_size_to_the_last_bit() -> None:
    record = Record()
    for rows in (7, 11, 13):
        record = after(record, Earned(rows=rows, missing=0, frauds=3, caught=1, stopped=2, accuracy=1.0), 7.0)
    assert record.rows_effective == record.rows
    assert effective(record.frauds, record.frauds_squared) == record.frauds

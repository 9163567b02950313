"""One observation per compromised entity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lineup.slots import Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.paired_loss import PairedLosses, brier_loss, count_loss, pair


def cohort(fraud: list[bool], customer: list[int], terminal: list[int] | None = None) -> Cohort:
    n = len(fraud)
    entities = {"customer": np.array(customer, np.uint64)}
    if terminal is not None:
        entities["terminal"] = np.array(terminal, np.uint64)
    return Cohort(
        day=Day(0),
        tx_hash=np.arange(n, dtype=np.uint64),
        event_time=np.arange(n, dtype=np.int64),
        amount=np.ones(n),
        fraud=np.array(fraud, np.bool_),
        entities=entities,
        logits={},
        score=np.zeros(n),
        stopped=np.zeros(n, np.bool_),
    )


def pair_up(day: Cohort, incumbent: list[float], challenger: list[float], **changes: object) -> PairedLosses:
    arguments: dict[str, object] = {
        "scored": np.ones(len(day), np.bool_),
        "missing": 0,
        "clusters": (),
        "compromised": frozenset[int](),
        "discordant": frozenset[int](),
        "gain_min": 0.05,
        "dense": False,
    }
    return pair(day, np.array(incumbent), np.array(challenger), **{**arguments, **changes})


def test_count_loss_is_one_for_a_fraud_missed_and_kappa_for_a_false_alarm() -> None:
    loss = count_loss(np.array([True, True, False, False]), np.array([True, False, True, False]), 0.02)
    assert loss.tolist() == [0.0, 1.0, 0.02, 0.0]


def test_brier_loss_of_the_right_probability_is_least_whatever_the_weight() -> None:
    s = np.linspace(-6, 3, 2001).astype(np.float32)
    truth = 0.1
    for weight in (1.0, 0.02):
        frauds = np.ones(len(s), np.bool_)
        expected = truth * brier_loss(frauds, s, weight) + (1 - truth) * brier_loss(~frauds, s, weight)
        best = 1 / (1 + np.exp(-s[expected.argmin()]))
        assert best == pytest.approx(truth, abs=0.001)


def test_burst_of_a_stolen_card_speaks_once() -> None:
    got = pair_up(cohort([True] * 4, [7, 7, 7, 8]), [1, 1, 1, 1], [0, 0, 0, 0])
    assert got.difference.tolist() == [1.0, 1.0]
    assert (got.frauds, got.wins, got.losses) == (2, 2, 0)


def test_first_discordant_fraud_speaks_and_later_ones_of_the_card_are_silent() -> None:
    got = pair_up(cohort([True] * 3, [7, 7, 7]), [1, 0, 1], [1, 1, 0])
    assert got.difference.tolist() == [0.0, -1.0]  # the first row only counts towards the margin
    assert got.margin.tolist() == [0.05, 0.0]
    assert (got.frauds, got.wins, got.losses) == (1, 0, 1)


def test_entities_that_spoke_in_an_earlier_cohort_stay_silent() -> None:
    day = cohort([True], [7])
    first = pair_up(day, [1], [0])
    again = pair_up(day, [1], [0], compromised=frozenset(first.compromised), discordant=frozenset(first.discordant))
    assert len(again.difference) == 0
    assert again.frauds == 0


def test_compromised_terminal_is_one_observation_whoever_pays_there() -> None:
    got = pair_up(cohort([True] * 3, [1, 2, 3], [9, 9, 9]), [1, 1, 1], [0, 0, 0])
    assert got.difference.tolist() == [1.0]
    only_customers = pair_up(cohort([True] * 3, [1, 2, 3], [9, 9, 9]), [1, 1, 1], [0, 0, 0], clusters=("customer",))
    assert len(only_customers.difference) == 3


def test_customer_and_terminal_of_the_same_number_are_not_one_entity() -> None:
    got = pair_up(cohort([True, True], [5, 6], [6, 5]), [1, 1], [0, 0])
    assert got.wins == 2


def test_genuine_customer_speaks_once_a_cohort() -> None:
    got = pair_up(cohort([False] * 3, [7, 7, 8]), [0.02, 0.0, 0.02], [0.0, 0.02, 0.0])
    assert got.difference.tolist() == [0.02, 0.02]


def test_dense_loss_speaks_by_the_customers_mean() -> None:
    got = pair_up(cohort([False] * 3, [7, 7, 8]), [0.4, 0.2, 0.1], [0.0, 0.0, 0.0], dense=True)
    assert sorted(got.difference.tolist()) == pytest.approx([0.1, 0.3])


def test_row_that_neither_agent_scored_is_dropped() -> None:
    got = pair_up(cohort([True, True], [1, 2]), [1, 1], [0, 0], scored=np.array([True, False]), missing=1)
    assert (got.rows, got.missing, got.frauds, got.wins) == (1, 1, 1, 1)


@given(data=st.data(), n=st.integers(1, 30))
def test_order_of_the_cohorts_rows_changes_nothing(data: st.DataObject, n: int) -> None:
    def draw(strategy: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(data.draw(st.lists(strategy, min_size=n, max_size=n)))

    fraud, customer, old, new = (draw(s) for s in (st.booleans(), st.integers(0, 9), st.booleans(), st.booleans()))
    order = np.array(data.draw(st.permutations(range(n))))
    day = cohort(fraud.tolist(), customer.tolist())
    mixed = Cohort(
        day=day.day,
        tx_hash=day.tx_hash[order],
        event_time=day.event_time[order],
        amount=day.amount[order],
        fraud=day.fraud[order],
        entities={"customer": day.entities["customer"][order]},
        logits={},
        score=day.score,
        stopped=day.stopped,
    )
    a = pair_up(day, old.astype(float).tolist(), new.astype(float).tolist())
    b = pair_up(mixed, old[order].astype(float).tolist(), new[order].astype(float).tolist())
    assert sorted(a.difference) == sorted(b.difference)
    assert a.compromised == b.compromised
    assert a.discordant == b.discordant

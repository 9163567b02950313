"""What a lineup loses without an agent, and the reward of all parts, down to the cent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.discounted import Earned, PairRecord, pair_after
from rlfa.rewards.money import Costs
from rlfa.rewards.synergy import lineup_money, synergies

COSTS = Costs(prevented_share=0.9, false_positive=4.25, review=1.0, alert_budget_per_day=1)
A, B = AgentId("a"), AgentId("b")


def cohort(a: list[float], b: list[float], order: list[int] | None = None) -> Cohort:
    """A fraud of 100.10, a genuine payment and a fraud of 20.30, by three customers."""
    rows = np.array(order or [0, 1, 2])
    return Cohort(
        day=Day(0),
        tx_hash=(rows + 1).astype(np.uint64),
        event_time=rows.astype(np.int64),
        amount=np.array([100.10, 50.0, 20.30])[rows],
        fraud=np.array([True, False, True])[rows],
        entities={"customer": (rows + 1).astype(np.uint64)},
        logits={A: np.array(a, np.float32)[rows], B: np.array(b, np.float32)[rows]},
        score=np.zeros(3),
        stopped=np.zeros(3, np.bool_),
    )


def test_an_agent_is_worth_what_the_lineup_loses_without_it() -> None:
    # Together they stop the fraud of 20.30 (0.9 of it less the review: 17.27); b alone stops the genuine payment
    # (-4.25 - 1.00 = -5.25), a alone the fraud of 100.10 (89.09).
    day = cohort([4, 0, 2], [-4, 2, 1])
    assert lineup_money(day, {A: 1.0, B: 1.0}, COSTS) == pytest.approx(17.27)
    found = synergies(day, {A: 1.0, B: 1.0}, COSTS)
    assert found == {A: pytest.approx(22.52), B: pytest.approx(-71.82)}


def test_weights_decide_what_the_lineup_stops() -> None:
    day = cohort([4, 0, 2], [-4, 2, 1])
    assert lineup_money(day, {A: 0.9, B: 0.1}, COSTS) == pytest.approx(89.09)
    assert synergies(day, {A: 0.9, B: 0.1}, COSTS)[B] == pytest.approx(0.0)


def test_an_agent_that_is_alone_has_no_synergy() -> None:
    assert synergies(cohort([4, 0, 2], [0, 0, 0]), {A: 1.0}, COSTS) == {A: 0.0}


def test_rows_without_a_score_of_one_agent_are_decided_by_the_other() -> None:
    day = cohort([np.nan, 0, 2], [5, 2, 1])
    assert lineup_money(day, {A: 1.0, B: 1.0}, COSTS) == pytest.approx(89.09)
    nobody = cohort([np.nan] * 3, [np.nan] * 3)
    assert synergies(nobody, {A: 1.0, B: 1.0}, COSTS) == {A: 0.0, B: 0.0}


@given(st.permutations([0, 1, 2]))
def test_the_order_of_rows_changes_not_a_digit(order: list[int]) -> None:
    a, b = [4.0, 0.0, 2.0], [-4.0, 2.0, 1.0]
    assert synergies(cohort(a, b, order), {A: 1.0, B: 1.0}, COSTS) == synergies(cohort(a, b), {A: 1.0, B: 1.0}, COSTS)


def test_the_reward_adds_synergy_and_takes_penalties_off() -> None:
    got = Earned(rows=3, missing=2, frauds=2, caught=1, stopped=1, accuracy=89.09, synergy=22.52, penalties=500.0)
    assert got.reward == pytest.approx(-388.39)


def test_a_shadow_is_compared_with_its_incumbent_without_synergy() -> None:
    both = Earned(rows=10, missing=0, frauds=1, caught=1, stopped=1, accuracy=50.0)
    helped = Earned(rows=10, missing=0, frauds=1, caught=1, stopped=1, accuracy=50.0, synergy=1_000.0)
    assert pair_after(PairRecord(), helped, both, 7.0).gap == 0.0

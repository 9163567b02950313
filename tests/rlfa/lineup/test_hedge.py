"""Hedge with fixed share: the reference's vector, and what holds for any weights and losses."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from rlfa.lineup.hedge import Hedge, Holding, has_moved, normalised, seated, spread, update
from rlfa.lineup.slots import AgentId, SlotId

A, B, C = (SlotId(s) for s in "abc")
LOSS = st.one_of(st.just(np.nan), st.floats(0, 1))


def hedge(*weights: float) -> Hedge:
    names = "abcdefgh"
    return Hedge(
        holdings=tuple(Holding(slot=SlotId(names[i]), agent=AgentId(names[i]), weight=w) for i, w in enumerate(weights))
    )


def test_the_references_vector() -> None:
    w, losses = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.4, 0.2])
    assert update(w, losses, eta=2.0, share=0.0) == pytest.approx([0.603581, 0.198751, 0.197668], abs=5e-7)
    assert update(w, losses, eta=2.0, share=0.01) == pytest.approx([0.600878, 0.200097, 0.199025], abs=5e-7)


@given(st.lists(st.tuples(st.floats(0.01, 1), LOSS), min_size=1, max_size=6), st.floats(0, 3), st.floats(0.001, 0.5))
def test_the_sum_stays_whoever_has_no_score_keeps_its_weight_and_nobody_reaches_zero(
    agents: list[tuple[float, float]], eta: float, share: float
) -> None:
    w, losses = (np.array(column) for column in zip(*agents, strict=True))
    after = update(w, losses, eta, share)
    absent = np.isnan(losses)
    assert after.sum() == pytest.approx(w.sum())
    assert (after[absent] == w[absent]).all()
    if not absent.all():
        floor = share * w[~absent].sum() / (~absent).sum()
        assert (after[~absent] >= floor * (1 - 1e-9)).all()


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6), st.permutations(range(6)))
def test_the_order_of_agents_changes_nothing(losses: list[float], order: list[int]) -> None:
    x = np.array(losses)
    w = np.linspace(1, 2, len(x)) / np.linspace(1, 2, len(x)).sum()
    rank = [i for i in order if i < len(x)]
    assert update(w[rank], x[rank], 0.6, 0.03) == pytest.approx(update(w, x, 0.6, 0.03)[rank])


def test_the_lower_loss_gains_weight_and_a_fixed_share_lets_the_loser_come_back() -> None:
    w = np.array([0.5, 0.5])
    for _ in range(60):
        w = update(w, np.array([0.0, 1.0]), 0.6, 1 / 30)
    assert w[0] > 0.9
    days = 0
    while w[1] < 0.5:
        w = update(w, np.array([1.0, 0.0]), 0.6, 1 / 30)
        days += 1
    assert days <= 6  # without the share it would take the sixty days that it lost


def test_losses_are_scaled_by_the_usual_spread_of_past_cohorts() -> None:
    ranges = [1.0] * 9 + [2.0]
    scaled = normalised(np.array([3.0, 3.55, 9.0, np.nan]), ranges)
    assert scaled[:3] == pytest.approx([0.0, 0.5, 1.0])  # the 90 % quantile is 1.1
    assert np.isnan(scaled[3])
    assert normalised(np.array([3.0, 4.0]), []) == pytest.approx([0.0, 0.0])
    assert normalised(np.array([3.0, 4.0]), [0.0, 0.0]) == pytest.approx([0.0, 0.0])
    assert spread(np.array([3.0, np.nan, 4.5])) == 1.5
    assert spread(np.array([3.0, np.nan])) is None


def test_a_newcomer_takes_over_its_slots_weight_but_no_more_than_its_even_part() -> None:
    before = hedge(0.6, 0.3, 0.1)
    played = {A: 1.0, B: 1.0, C: 1.0}
    small = seated(before, {A: AgentId("a"), B: AgentId("b"), C: AgentId("new")}, played)
    assert [h.weight for h in small.holdings] == pytest.approx([0.6, 0.3, 0.1])
    large = seated(before, {A: AgentId("new"), B: AgentId("b"), C: AgentId("c")}, played)
    assert [h.weight for h in large.holdings] == pytest.approx([1 / 3, 0.5, 1 / 6])
    assert [h.agent for h in large.holdings] == ["new", "b", "c"]
    everybody = seated(before, {A: AgentId("x"), B: AgentId("y"), C: AgentId("z")}, played)
    assert sum(h.weight for h in everybody.holdings) == pytest.approx(1.0)


def test_the_first_weights_are_those_that_the_lanes_play_by() -> None:
    first = seated(Hedge(), {A: AgentId("a"), B: AgentId("b")}, {A: 3.0, B: 1.0})
    assert [h.weight for h in first.holdings] == [0.75, 0.25]
    assert not has_moved(first, {A: 3.0, B: 1.0}, 0.1)
    assert has_moved(first, {A: 1.0, B: 1.0}, 0.25)
    assert not has_moved(first, {A: 1.0, B: 1.0}, 0.26)

"""Which would-be declines pass, and with what propensity."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlfa.config import parse_settings
from rlfa.errors import ConfigError
from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.exploration import ExplorationRules, Explored, chances, draws, explore

APPROVE, REVIEW, DECLINE = range(len(ACTIONS))
RULES = ExplorationRules(share=0.2, share_min=0.05, loss_max=10.0, amount_max=200.0)
IDS = np.arange(1, 20_001, dtype=np.uint64)


def explored(actions: list[int], amounts: list[float], rules: ExplorationRules = RULES, rho: float = 0.5) -> Explored:
    ids = IDS[: len(actions)]
    return explore(np.array(actions, np.int8), np.array(amounts), ids, rules, rho)


def test_off_by_default_and_then_nothing_changes() -> None:
    rules = ExplorationRules()
    action = np.array([0, 1, 2] * 1000, np.int8)
    got = explore(action, np.full(3000, 5.0), IDS[:3000], rules, 0.9)
    assert rules.share == 0.0
    assert got.action.dtype == action.dtype
    assert got.action.tolist() == action.tolist()
    assert set(got.propensity.tolist()) == {1.0}
    assert not got.explored.any()
    assert not got.covered.any()


def test_the_chance_falls_with_the_amount_and_ends_where_it_would_be_too_small_or_the_payment_too_large() -> None:
    # rho .5: 10 may be lost, so 100 at .2 (50 · .2), 160 at .125 (80 · .125), and no payment above 200.
    amounts = np.array([0.0, 1.0, 100.0, 160.0, 200.0, 200.01, np.nan, -50.0])
    assert chances(amounts, RULES, 0.5).tolist() == [0.2, 0.2, 0.2, 0.125, 0.1, 0.0, 0.0, 0.2]
    dear = ExplorationRules(share=0.2, share_min=0.15, loss_max=10.0, amount_max=200.0)
    assert chances(amounts, dear, 0.5).tolist() == [0.2, 0.2, 0.2, 0.0, 0.0, 0.0, 0.0, 0.2]


@given(amount=st.floats(-1e6, 1e6), rho=st.floats(0, 1), loss=st.floats(0.01, 1e4))
def test_a_would_be_decline_never_costs_more_on_average_than_allowed(amount: float, rho: float, loss: float) -> None:
    rules = ExplorationRules(share=0.5, share_min=0.01, loss_max=loss, amount_max=1e5)
    chance = chances(np.array([amount]), rules, rho)[0]
    assert chance * rho * max(amount, 0.0) <= loss * (1 + 1e-12)
    assert chance == 0 or 0.01 <= chance <= 0.5


def test_the_propensity_is_that_of_the_action_taken() -> None:
    n = 4000
    got = explored([DECLINE] * n, [10.0] * n)
    assert got.action[got.explored].tolist() == [APPROVE] * int(got.explored.sum())
    assert set(got.propensity[got.explored].tolist()) == {0.2}
    assert set(got.propensity[~got.explored].tolist()) == {0.8}
    assert got.explored.mean() == pytest.approx(0.2, abs=0.03)


def test_what_passes_may_be_sent_to_review() -> None:
    rules = ExplorationRules(share=0.2, action="review")
    got = explored([DECLINE] * 500, [10.0] * 500, rules)
    assert set(got.action[got.explored].tolist()) == {REVIEW}


def test_only_would_be_declines_are_drawn_and_large_amounts_never() -> None:
    actions, amounts = zip(*product([APPROVE, REVIEW, DECLINE], [10.0, 1000.0]), strict=True)
    got = explored(list(actions) * 500, list(amounts) * 500)
    drawn = np.array(list(actions) * 500) == DECLINE
    small = np.array(list(amounts) * 500) == 10.0
    assert got.explored.any()
    assert not got.explored[~(drawn & small)].any()
    assert set(got.propensity[~(drawn & small)].tolist()) == {1.0}
    assert got.covered.tolist() == small.tolist()  # by the amount, whatever was decided


@given(order=st.permutations(range(60)), cut=st.integers(0, 60))
def test_a_replay_in_other_batches_decides_the_same(order: list[int], cut: int) -> None:
    action, amount = np.full(60, DECLINE, np.int8), np.linspace(1, 250, 60)
    whole = explore(action, amount, IDS[:60], RULES, 0.5)
    for rows in (order[:cut], order[cut:]):
        again = explore(action[rows], amount[rows], IDS[rows], RULES, 0.5)
        assert again.explored.tolist() == whole.explored[rows].tolist()
        assert again.propensity.tolist() == whole.propensity[rows].tolist()


def test_draws_are_even_and_another_key_is_another_draw() -> None:
    one, other = draws(IDS, 0), draws(IDS, 1)
    assert one.min() >= 0
    assert one.max() < 1
    # The largest distance from an even spread, times √n, is above 1.95 in one draw of a thousand (Kolmogorov).
    far = np.abs(np.sort(one) - (np.arange(len(one)) + 0.5) / len(one)).max() * np.sqrt(len(one))
    assert far < 1.95
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert draws(np.array([1, 2**64 - 1], np.uint64), 7).tolist() == [0.8739729701186524, 0.10645306818971689]


def test_a_share_that_could_never_let_anything_through_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"free_agency\.exploration: .*allowed: 0, or at least share_min \(0\.01\)"):
        parse_settings("[free_agency.exploration]\nshare = 0.001\n", "rlfa.toml")


def test_tests_scale_by_the_smallest_share_only_where_declines_hide_the_truth() -> None:
    assert RULES.propensity_min == 0.05
    assert ExplorationRules(share=0.2, declined_labels="all").propensity_min == 1.0


def test_without_labels_of_declines_and_without_any_that_pass_nobody_can_be_judged() -> None:
    assert ExplorationRules().is_blind
    assert not ExplorationRules(share=0.01).is_blind
    assert not ExplorationRules(declined_labels="all").is_blind

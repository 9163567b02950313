"""Which rule decides: the order, test mode, end dates, bounds of a day; and that batches change nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.budget import Share
from rlfa.lineup.slots import Day
from rlfa.lineup.voting import Rows
from rlfa.rules.deciding import DECIDED, HIT, NO_HIT, NOBODY, SUSPENDED, RuleBook, Ruled, decide_again, rule_on
from tests.rlfa.rules.builders import DAY, FIELDS, book, rows, rules

LISTS = """
[lists.known]
field = "customer"
values = ["vip"]
[lists.remote]
field = "channel"
values = ["ecom"]
"""
MANY = (
    LISTS
    + """
[[rules]]
name = "small-decline"
action = "decline"
when = "amount > 10"
declines_per_day_max = 3
[[rules]]
name = "vip"
action = "allow"
list = "known"
[[rules]]
name = "remote"
action = "review"
list = "remote"
when = "age < 25"
[[rules]]
name = "tried"
action = "decline"
mode = "test"
when = "amount > 5"
[[rules]]
name = "sure"
action = "decline"
stage = "after"
when = "lineup_score >= 0.9"
declines_per_day_max = 2
explore = true
"""
)


def act(text: str, seen: Rows, score: float = 0.1) -> Ruled:
    return rule_on(book(text), seen, np.full(len(seen.amount), score))


def names(ruled: Ruled) -> list[str]:
    return [ruled.book.rules.names[j] if j != NOBODY else "" for j in ruled.rule]


def done(ruled: Ruled) -> list[str]:
    return [ACTIONS[a] if a != NOBODY else "" for a in ruled.action]


def test_lists_and_conditions_hit_what_they_say() -> None:
    seen = rows(
        [1, 1, 1, 1], customer=["vip", "ann", "ann", "ann"], channel=["pos", "ecom", "ecom", None], age=[30, 20, 30, 20]
    )
    ruled = act(MANY, seen)
    assert names(ruled) == ["vip", "remote", "", ""]
    assert done(ruled) == ["approve", "review", "", ""]


def test_of_a_stage_the_order_says_which_action_wins() -> None:
    seen = rows([50.0], customer=["vip"])
    assert names(act(MANY, seen)) == ["small-decline"]
    assert names(act('order = ["allow", "decline", "review"]\n' + MANY, seen)) == ["vip"]


def test_what_a_rule_before_the_lineup_decided_no_rule_after_it_undoes() -> None:
    after = (
        LISTS
        + """
[[rules]]
name = "declined"
action = "decline"
when = "amount > 10"
[[rules]]
name = "pardon"
action = "allow"
stage = "after"
list = "known"
"""
    )
    seen = rows([50.0, 5.0], customer=["vip", "vip"])
    assert names(act('order = ["allow", "decline", "review"]\n' + after, seen)) == ["declined", "pardon"]


def test_a_rule_after_the_lineup_sees_its_score_as_it_is_kept() -> None:
    text = MANY.replace("0.9", "0.1")
    assert names(act(text, rows([1.0]), score=0.1)) == ["sure"]  # 0.1 in single precision is the literal's 0.1
    assert names(act(text, rows([1.0]), score=0.0999)) == [""]
    assert names(act(text, rows([1.0]), score=np.nan)) == [""]


def test_a_rule_in_test_counts_and_decides_nothing() -> None:
    ruled = act(MANY, rows([7.0]))
    assert names(ruled) == [""]
    assert ruled.verdict[0].tolist() == [NO_HIT, HIT, NO_HIT, NO_HIT, NO_HIT]
    assert ruled.book.rules.names == ("small-decline", "tried", "vip", "remote", "sure")


def test_a_rule_acts_until_its_last_day() -> None:
    until = str(np.datetime64(DAY, "D"))
    text = f'[[rules]]\nname = "old"\naction = "allow"\nwhen = "amount > 0"\nuntil = {until}\n'
    assert names(act(text, rows([1.0, 1.0], day=[DAY - 1, DAY]))) == ["old", ""]


def test_a_rule_that_has_declined_its_fill_is_suspended_for_the_day_and_the_next_ones_decide() -> None:
    seen = rows([50.0] * 6, customer=["ann"] * 3 + ["vip", "ann", "ann"], day=[DAY] * 5 + [DAY + 1])
    ruled = act(MANY, seen)
    assert names(ruled) == ["small-decline"] * 3 + ["vip", "", "small-decline"]
    assert ruled.verdict[:, 0].tolist() == [DECIDED] * 3 + [SUSPENDED] * 2 + [DECIDED]
    assert [(rule.name, day) for rule, day in ruled.suspended] == [("small-decline", DAY)]
    assert ruled.book.used == {("small-decline", DAY): 3, ("small-decline", DAY + 1): 1}


def test_lanes_share_a_bound_by_their_partitions() -> None:
    text = MANY.replace("declines_per_day_max = 3", "declines_per_day_max = 5")
    halves = [RuleBook.of(rules(text), FIELDS, Share(i, 1, 2)) for i in range(2)]
    declined = [int((rule_on(b, rows([50.0] * 9), np.zeros(9)).rule == 0).sum()) for b in halves]
    assert sorted(declined) == [2, 3]


def test_only_declines_that_say_so_are_open_to_exploration() -> None:
    ruled = rule_on(book(MANY), rows([50.0, 1.0, 1.0]), np.array([0.1, 0.95, 0.1]))
    assert names(ruled) == ["small-decline", "sure", ""]
    assert ruled.closed.tolist() == [True, False, False]


def test_no_rules_leave_everything_to_the_lineup() -> None:
    ruled = rule_on(RuleBook(), rows([1.0, 2.0]), np.zeros(2))
    assert ruled.verdict.shape == (2, 0)
    assert (ruled.action == NOBODY).all()
    assert not ruled.closed.any()


payments = st.lists(
    st.tuples(
        st.sampled_from([1.0, 7.0, 50.0, float("nan")]),
        st.sampled_from(["vip", "ann"]),
        st.sampled_from(["pos", "ecom", None]),
        st.sampled_from([20.0, 30.0, float("nan")]),
        st.integers(DAY, DAY + 1),
        st.sampled_from([0.1, 0.95]),
    ),
    min_size=1,
    max_size=40,
)


def seen_of(found: list[tuple[float, str, str | None, float, int, float]]) -> tuple[Rows, np.ndarray]:
    amount, customer, channel, age, day, score = (list(column) for column in zip(*found, strict=True))
    return rows(amount, customer=customer, channel=channel, age=age, day=day), np.array(score)


def part(seen: Rows, at: slice) -> Rows:
    entities = {name: keys[at] for name, keys in seen.entities.items()}
    columns = {name: getattr(seen, name)[at] for name in ("tx_hash", "event_time", "amount", "features")}
    return replace(seen, entities=entities, **columns)


@settings(max_examples=60, deadline=None)
@given(found=payments, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_batches_change_nothing(found: list[tuple[float, str, str | None, float, int, float]], cuts: list[int]) -> None:
    seen, score = seen_of(found)
    whole = rule_on(book(MANY), seen, score)
    going, verdicts, suspended = book(MANY), list[np.ndarray](), list[object]()
    bounds = sorted({0, len(found), *(min(c, len(found)) for c in cuts)})
    for begin, end in pairwise(bounds):
        ruled = rule_on(going, part(seen, slice(begin, end)), score[begin:end])
        going = ruled.book
        verdicts.append(ruled.verdict)
        suspended += ruled.suspended
    np.testing.assert_array_equal(np.concatenate(verdicts), whole.verdict)
    assert set(suspended) == set(whole.suspended)
    assert len(suspended) == len(whole.suspended)
    assert {k: v for k, v in going.used.items() if v} == {k: v for k, v in whole.book.used.items() if v}


@settings(max_examples=60, deadline=None)
@given(found=payments)
def test_one_rule_decides_a_payment_at_most_and_each_row_comes_out_again(
    found: list[tuple[float, str, str | None, float, int, float]],
) -> None:
    seen, score = seen_of(found)
    ruled = rule_on(book(MANY), seen, score)
    assert ((ruled.verdict == DECIDED).sum(axis=1) == (ruled.rule != NOBODY)).all()
    hits = book(MANY).hits(seen, score)
    np.testing.assert_array_equal(hits, ruled.verdict > NO_HIT)
    for row, verdict in zip(hits, ruled.verdict, strict=True):
        np.testing.assert_array_equal(decide_again(ruled.book.rules, row, verdict == SUSPENDED), verdict)
    for j, rule in enumerate(ruled.book.rules.sequence):
        for day in (DAY, DAY + 1):
            mine = (ruled.verdict[:, j] == DECIDED) & (seen.event_time // 86_400_000 == day)
            assert rule.action != "decline" or mine.sum() <= rule.declines_per_day_max
            assert rule.action != "decline" or ruled.book.used.get((rule.name, Day(day)), 0) == mine.sum()


@pytest.mark.parametrize("rows_at_once", [1, 4096])
def test_a_thousand_listed_ids_and_many_rules_take_one_pass(rows_at_once: int) -> None:
    listed = ", ".join(f'"c{i}"' for i in range(1000))
    text = f'[lists.many]\nfield = "customer"\nvalues = [{listed}]\n' + "".join(
        f'[[rules]]\nname = "r{i}"\naction = "review"\nlist = "many"\nwhen = "amount > {i}"\n' for i in range(50)
    )
    seen = rows([25.5] * rows_at_once, customer=["c7"] * rows_at_once)
    assert names(act(text, seen)) == ["r0"] * rows_at_once

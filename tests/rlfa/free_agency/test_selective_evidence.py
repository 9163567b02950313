"""Probations, rewards and the watch on days whose declines hide the truth."""

from __future__ import annotations

from dataclasses import replace as with_

import numpy as np
import pytest
from msgspec.structs import replace

from rlfa.free_agency.events import CohortTaken, ReturnedToPool
from rlfa.free_agency.manager import step
from rlfa.free_agency.probation import advance
from rlfa.free_agency.scouting import BanditScout
from rlfa.free_agency.state import Probation
from rlfa.free_agency.weights import mean_losses
from rlfa.lineup.exploration import ExplorationRules
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.sight import Sight
from rlfa.rewards.budget import DailyThreshold, rule_of
from rlfa.rewards.discounted import Earned
from rlfa.rewards.money import Costs
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, first_state, probation, rules

BOTH = {AgentId(a): (DailyThreshold(Day(99), 2.0, rule_of(Costs())),) for a in ("old", "new")}
EXPLORING = ExplorationRules(share=0.1, share_min=0.1, amount_max=1e9)
SCOUT = BanditScout(())


def hiding(day: Cohort, declined: np.ndarray, passed: np.ndarray, chance: float) -> Cohort:
    """The same day where these were declined, but for those that passed."""
    seen = ~declined | passed
    return with_(day, fraud=day.fraud & seen, sight=Sight(seen, np.where(declined, chance, 1.0)))


def test_a_day_without_exploration_gives_no_evidence() -> None:
    day = cohort(FIRST_DAY, {"old": 1.0, "new": 4.0})
    blind = with_(day, sight=Sight(np.arange(60) > 5, np.zeros(60)))
    before = probation()
    assert advance(before, blind, BOTH) == (before, None)


def test_a_day_with_less_exploration_than_the_bets_allow_for_gives_no_evidence() -> None:
    day = cohort(FIRST_DAY, {"old": 1.0, "new": 4.0})
    declined = np.arange(60) < 6
    hidden = hiding(day, declined, declined & (np.arange(60) == 0), 0.05)
    assert advance(probation(chance_min=0.1), hidden, BOTH)[1] is None
    assert advance(probation(chance_min=0.05), hidden, BOTH)[1] is not None


def test_a_fraud_that_was_let_through_speaks_for_all_those_like_it() -> None:
    day = cohort(FIRST_DAY, {"old": 4.0, "new": 0.0}, frauds=20)
    declined = day.logits[AgentId("old")] > 2.0
    caught = declined & day.fraud & (day.logits[AgentId("new")] <= 2.0)
    one = np.flatnonzero(caught)[:1]
    hidden = hiding(day, declined, np.isin(np.arange(60), one), 0.1)
    test, losses = advance(probation(chance_min=0.1), hidden, BOTH)
    assert losses is not None
    assert losses.difference.min() == -1.0
    assert (losses.losses, test.losses) == (1, 1)
    assert test.gain == test.wins - 10.0  # for scouting, one stands for ten too
    assert test.weight == test.frauds - 1 + 10.0
    assert test.fraud_rows == int((day.fraud & ~declined).sum()) + 10


def rewarded(day: Cohort) -> CohortTaken:
    state = replace(first_state(1), thresholds={AgentId("a0"): (DailyThreshold(Day(99), 2.0, rule_of(RULES.costs)),)})
    _, events = step(state, day, (), RULES, EventTime((day.day + 5) * DAY_MS), scout=SCOUT)
    (taken,) = [e for e in events if isinstance(e, CohortTaken)]
    return taken


RULES = rules(exploration=EXPLORING, costs=Costs(prevented_share=0.5, false_positive=4.0, review=1.0))


def five() -> Cohort:
    """Two frauds of 100 and three genuine payments; the agent stops the first four."""
    return Cohort(
        day=FIRST_DAY,
        tx_hash=np.arange(1, 6, dtype=np.uint64),
        event_time=FIRST_DAY * DAY_MS + np.arange(5),
        amount=np.full(5, 100.0),
        fraud=np.array([True, True, False, False, False]),
        entities={"customer": np.arange(1, 6, dtype=np.uint64)},
        logits={AgentId("a0"): np.array([3, 3, 3, 3, 1], np.float32)},
        score=np.zeros(5),
        stopped=np.array([True, True, True, True, False]),
    )


def test_rewards_by_hand() -> None:
    whole = rewarded(five()).earned[AgentId("a0")]
    assert whole.accuracy == 2 * 49.0 - 2 * 5.0
    # All four were declined; one fraud and one genuine payment passed, each for 10 like it.
    declined, passed = np.array([1, 1, 1, 1, 0], np.bool_), np.array([1, 0, 1, 0, 0], np.bool_)
    taken = rewarded(hiding(five(), declined, passed, 0.1))
    got = taken.earned[AgentId("a0")]
    assert got.accuracy == 10 * 49.0 - 10 * 5.0
    assert got.weighed is not None
    assert (got.weighed.rows, got.weighed.frauds, got.weighed.caught) == (21.0, 10.0, 10.0)
    assert taken.reward[AgentId("a0")] == pytest.approx(440.0 / 21.0)  # self-normalised: 21 rows, not 5
    assert (taken.frauds, taken.hidden, taken.left_out) == (1, 2, 0)
    assert "2 declined unseen, 0 left out with 0% of the amount" in taken.reason


def test_a_day_that_measures_nothing_moves_no_record_and_says_why() -> None:
    blind = with_(five(), fraud=np.zeros(5, np.bool_), sight=Sight(np.array([0, 0, 0, 0, 1], np.bool_), np.zeros(5)))
    taken = rewarded(blind)
    assert taken.earned == dict[AgentId, Earned]()
    assert "nothing is measured" in taken.reason
    assert (taken.left_out, taken.left_out_amount) == (5, 1.0)


def test_weights_of_the_lineup_follow_weighted_losses() -> None:
    day = cohort(FIRST_DAY, {"old": 1.0, "new": 2.0})
    agents = [AgentId("old"), AgentId("new")]
    declined = np.arange(60) < 20
    passed = declined & (np.arange(60) % 2 == 0)
    plain = mean_losses(hiding(day, declined, declined, 1.0), agents, 0.01, 0.02)
    assert plain == pytest.approx(mean_losses(day, agents, 0.01, 0.02), rel=1e-12)
    kept = with_(day, fraud=day.fraud, sight=Sight(~declined | passed, np.where(declined, 0.5, 1.0)))
    twice = np.repeat(np.arange(60), np.where(declined, 2 * passed, 1))
    doubled = Cohort(
        day=day.day,
        tx_hash=day.tx_hash[twice],
        event_time=day.event_time[twice],
        amount=day.amount[twice],
        fraud=day.fraud[twice],
        entities={},
        logits={a: x[twice] for a, x in day.logits.items()},
        score=day.score[twice],
        stopped=day.stopped[twice],
    )
    assert mean_losses(kept, agents, 0.01, 0.02) == pytest.approx(mean_losses(doubled, agents, 0.01, 0.02))


def test_a_change_of_the_smallest_propensity_ends_a_test() -> None:
    running: Probation = probation(RULES, incumbent=AgentId("a0"), chance_min=0.05)
    state = first_state(1)
    state = replace(state, slots=(replace(state.slots[0], probations=(running,)),))
    day = cohort(FIRST_DAY, {"a0": 1.0, "new": 2.0})
    _, events = step(state, day, (), RULES, EventTime((FIRST_DAY + 5) * DAY_MS), scout=SCOUT)
    assert any(isinstance(e, ReturnedToPool) and "terms of the test changed" in e.reason for e in events)

"""Weights in the manager: they follow the agents' losses, and lanes get them in epochs that stay readable."""

from collections.abc import Sequence
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from msgspec.structs import replace as structs_replace

from rlfa.free_agency.events import EpochChanged, Event
from rlfa.free_agency.manager import step
from rlfa.free_agency.rules import FreeAgencyRules, SwapLimits
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import ManagerState, decode_state, encode_state
from rlfa.free_agency.weights import mean_losses
from rlfa.lineup.hedge import HedgeRules
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime, SlotId
from rlfa.outcomes.cohorts import Cohort
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, first_state, rules

MOVING = rules(hedge=HedgeRules())
FROZEN = rules(swaps=SwapLimits(freeze=True), hedge=HedgeRules())


def calibrated(day: Cohort) -> Cohort:
    """With logits near the rate of frauds: weights are for agents whose probabilities mean what they say."""
    return replace(day, logits={a: x - np.float32(4) for a, x in day.logits.items()})


def play(
    state: ManagerState, skills: Sequence[dict[str, float]], under: FreeAgencyRules = MOVING
) -> tuple[ManagerState, list[Event]]:
    events: list[Event] = []
    for i, of_day in enumerate(skills, start=1):
        day = state.day + 1
        taken = calibrated(cohort(day, of_day, seed=i, rows=400, frauds=20))
        state, new = step(state, taken, (), under, EventTime((day + 4) * DAY_MS), scout=SeededScout(("moe",)))
        events += new
    return state, events


def test_the_better_agent_gains_weight_in_epochs_that_say_why() -> None:
    state, events = play(first_state(), [{"a0": 4.0, "a1": 0.0}] * 20)
    epochs = [e for e in events if isinstance(e, EpochChanged)]
    assert state.slots[0].weight > 0.8
    assert 1 <= len(epochs) <= 5  # steps of .15 from .5 on, not one a day
    assert [e.epoch for e in epochs] == list(range(2, 2 + len(epochs)))
    assert all("weights follow what the agents lost" in e.reason for e in epochs)
    assert state.lineup.slots == epochs[-1].slots
    assert state.epoch == epochs[-1].epoch


def test_weights_that_hardly_move_make_no_epoch() -> None:
    state, events = play(first_state(), [{"a0": 2.0}] * 12)
    assert not [e for e in events if isinstance(e, EpochChanged)]
    assert sum(h.weight for h in state.hedge.holdings) == pytest.approx(1.0)


def test_no_weight_moves_before_the_usual_spread_is_known() -> None:
    state, _ = play(first_state(), [{"a0": 4.0, "a1": 0.0}] * 7)
    assert [h.weight for h in state.hedge.holdings] == [0.5, 0.5]
    later, _ = play(state, [{"a0": 4.0, "a1": 0.0}])
    assert later.hedge.weight(SlotId("s0")) > 0.5


def test_an_agent_without_scores_keeps_its_weight() -> None:
    state, _ = play(first_state(3), [{"a0": 4.0, "a1": 0.0, "a2": 1.0}] * 8)
    before = {h.slot: h.weight for h in state.hedge.holdings}
    after, _ = play(state, [{"a0": 0.0, "a1": 4.0}] * 4)
    now = {h.slot: h.weight for h in after.hedge.holdings}
    assert now["s2"] == before["s2"]
    assert now["s1"] > before["s1"]
    assert sum(now.values()) == pytest.approx(1.0)


def test_a_freeze_holds_the_lanes_weights_and_what_was_learnt_meanwhile_counts_after_it() -> None:
    skills = [{"a0": 4.0, "a1": 0.0}] * 20
    free, _ = play(first_state(), skills)
    frozen, events = play(first_state(), skills, FROZEN)
    assert not [e for e in events if isinstance(e, EpochChanged)]
    assert [s.weight for s in frozen.slots] == [1.0, 1.0]
    assert frozen.hedge == free.hedge
    thawed, events = play(frozen, skills[:1])
    assert [e.epoch for e in events if isinstance(e, EpochChanged)] == [2]
    assert thawed.slots[0].weight > 0.8


def test_a_freeze_by_hand_holds_them_too() -> None:
    frozen, events = play(structs_replace(first_state(), frozen=True), [{"a0": 4.0, "a1": 0.0}] * 20)
    assert not [e for e in events if isinstance(e, EpochChanged)]
    assert [s.weight for s in frozen.slots] == [1.0, 1.0]


@given(order=st.permutations(range(60)), seed=st.integers(0, 20))
def test_the_order_of_rows_changes_no_digit_of_a_loss(order: list[int], seed: int) -> None:
    day = cohort(FIRST_DAY, {"x": 2.0, "y": 1.0}, seed=seed, missing=0.1)
    columns = {n: getattr(day, n)[order] for n in ("tx_hash", "event_time", "amount", "fraud", "score", "stopped")}
    wide = {n: {k: v[order] for k, v in getattr(day, n).items()} for n in ("entities", "logits")}
    agents = [AgentId("x"), AgentId("y")]
    mixed = mean_losses(replace(day, **columns, **wide), agents, 0.5, 0.02)
    assert mixed.tobytes() == mean_losses(day, agents, 0.5, 0.02).tobytes()


def test_an_agent_gains_no_weight_by_silence_where_it_would_be_wrong() -> None:
    day = cohort(FIRST_DAY, {"x": 2.0, "y": 2.0}, rows=300, frauds=20)
    x = day.logits[AgentId("x")]
    wrong = day.fraud & (x < np.quantile(x[day.fraud], 0.3))
    silent = replace(day, logits={**day.logits, AgentId("x"): np.where(wrong, np.float32(np.nan), x)})
    agents = [AgentId("x"), AgentId("y")]
    honest, withheld = (mean_losses(d, agents, 0.1, 0.02) for d in (day, silent))
    assert wrong.any()
    assert withheld[0] > honest[0]
    assert withheld[1] == honest[1]


def test_agents_are_compared_on_the_rows_that_any_of_them_scored() -> None:
    day = cohort(FIRST_DAY, {"x": 3.0, "y": 3.0}, rows=300, missing=0.05)
    logits = day.logits
    same = replace(day, logits={**logits, "x": logits["y"]})
    losses = mean_losses(same, [AgentId("x"), AgentId("y"), AgentId("away")], 0.2, 0.02)
    assert losses[0] == losses[1]
    assert np.isnan(losses[2])
    strict = mean_losses(day, [AgentId("x"), AgentId("y")], 0.001, 0.02)
    assert np.isfinite(strict[0])
    assert np.isnan(strict[1])


def test_without_a_learning_rate_and_a_share_nothing_ever_moves() -> None:
    still = rules(hedge=HedgeRules(eta=0.0, share=0.0))
    state, _ = play(first_state(), [{"a0": 4.0, "a1": 0.0}] * 6, still)
    assert [h.weight for h in state.hedge.holdings] == [0.5, 0.5]


def test_a_state_with_weights_survives_the_ledger() -> None:
    state, _ = play(first_state(), [{"a0": 4.0, "a1": 0.0}] * 9)
    assert decode_state(encode_state(state)) == state

"""Free agency as a Gymnasium environment."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlfa.free_agency.evalue import EValue, bet
from rlfa.free_agency.policies.bandit import Bandit
from rlfa.free_agency.policies.encoding import ACTIONS
from rlfa.free_agency.policies.policy import HOLD, Kind, Policy, Situation, Trial
from rlfa.free_agency.policies.threshold import Threshold
from rlfa.free_agency.simulated_slot import (
    FIRST_LOOK_DAYS,
    Challenge,
    Player,
    Prices,
    SimulatedSlot,
    _earned,
    first_lineup,
)
from rlfa.free_agency.simulated_world import FAMILIES, HISTORY, SCENARIOS, Scenario, World
from rlfa.free_agency.simulator import FreeAgencyEnv
from rlfa.lineup.slots import AgentId

DAYS = 180
PROMOTE = ACTIONS.index("promote")


def lived(policy: Policy, scenario: Scenario, world: int) -> tuple[float, int]:
    """Sum of rewards, and swaps."""
    env = FreeAgencyEnv(needs_evidence=policy.needs_evidence)
    env.reset(seed=0, options={"scenario": scenario, "world": world})
    days = [env.play(policy.choose(env.situation, env.allowed)) for _ in range(DAYS - 1)]
    return sum(reward for reward, _ in days), sum(day.swapped for _, day in days)


def trial(**changes: object) -> Trial:
    fields = {
        "agent": AgentId("new"),
        "log_up": 0.0,
        "log_down": 0.0,
        "log_futility": 0.0,
        "bound": 20.0,
        "ready": False,
        "frauds": 40,
        "days": 5,
        "wins": 4,
        "losses": 2,
    }
    return Trial(**{**fields, **changes})


def test_environment_passes_the_checker_of_gymnasium() -> None:
    check_env(FreeAgencyEnv(), skip_render_check=True)


def test_episode_ends_by_truncation_after_its_days() -> None:
    env = FreeAgencyEnv(days=30)
    env.reset(seed=3)
    ends = [env.step(np.int64(0))[2:4] for _ in range(29)]
    assert ends == [(False, False)] * 28 + [(False, True)]


def test_same_world_gives_the_same_life_and_another_one_another() -> None:
    assert lived(Bandit(), "abrupt", 2) == lived(Bandit(), "abrupt", 2)
    assert lived(Bandit(), "abrupt", 2) != lived(Bandit(), "abrupt", 3)


def test_left_alone_earns_nothing_against_itself() -> None:
    env = FreeAgencyEnv()
    for scenario in SCENARIOS:
        env.reset(seed=0, options={"scenario": scenario, "world": 1})
        assert all(env.play(HOLD)[0] == 0.0 for _ in range(40))


def test_after_abrupt_drift_the_bandit_earns_more_than_a_lineup_left_alone() -> None:
    assert np.mean([lived(Bandit(), "abrupt", world)[0] for world in range(6)]) > 0.0


def test_nobody_is_promoted_without_evidence_whatever_is_played() -> None:
    env, chance = FreeAgencyEnv(), np.random.default_rng(5)
    promoted = 0
    for world in range(6):
        env.reset(seed=world, options={"scenario": "abrupt", "world": world})
        for _ in range(DAYS - 1):
            mask = env.action_masks()
            action = PROMOTE if mask[PROMOTE] else int(chance.choice(np.flatnonzero(mask[:PROMOTE])))
            best = max((t.log_up - math.log(t.bound) for t in env.situation.trials), default=-math.inf)
            assert not mask[PROMOTE] or best >= 0.0
            promoted += action == PROMOTE
            env.step(np.int64(action))
    assert promoted >= 1


def test_forbidden_action_is_a_hold() -> None:
    env = FreeAgencyEnv()
    env.reset(seed=1, options={"scenario": "none", "world": 1})
    assert not env.action_masks()[PROMOTE]
    env.step(np.int64(PROMOTE))
    assert env.situation.days_held == 8  # a fresh slot counts as rested for the days that swaps need between them


def test_simulated_bets_are_those_of_the_real_test() -> None:
    slot = SimulatedSlot(World("none", 1, 30), Prices(), needs_evidence=True)
    challenge = Challenge(Player(slot.frozen), 0)
    wins, losses, frauds = 5, 2, 12
    inc, new = np.zeros(frauds, bool), np.zeros(frauds, bool)
    new[:wins], inc[wins : wins + losses] = True, True
    amount = np.full(frauds, 50.0)
    own = _earned(inc, amount, frauds, slot.record)
    slot._bet(challenge, new, inc, frauds, own, amount)
    fraud_d = np.array([1.0] * wins + [-1.0] * losses + [0.0] * (frauds - wins - losses))
    left = [50 - wins, 50 - losses]
    genuine = np.array([0.02] * int(0.4 * left[1]) + [-0.02] * int(0.4 * left[0]))
    margin = np.array([0.05] * frauds + [0.0] * len(genuine))
    real = bet(EValue(), np.concatenate([fraud_d, genuine]), margin)
    view = challenge.view()
    assert (view.log_up, view.log_down) == pytest.approx((real.log_up, real.log_down), abs=1e-9)
    assert view.log_futility == pytest.approx(real.log_futility, abs=0.02)


ALL: frozenset[Kind] = frozenset({"hold", "scout", "promote", "release", "rollback"})


def test_bandit_takes_a_swap_that_has_its_evidence_and_scouts_for_one_that_fails() -> None:
    ready = Situation(standing="under", trials=(trial(agent=AgentId("slow")), trial(ready=True)))
    assert Bandit().choose(ready, ALL).agent == "new"
    assert Bandit().choose(Situation(standing="under"), frozenset({"hold", "scout"})).kind == "scout"
    assert Bandit().choose(Situation(drifted=True), frozenset({"hold", "scout"})).kind == "scout"
    assert Bandit().choose(Situation(), frozenset({"hold", "scout"})).kind == "hold"
    assert Bandit().choose(Situation(standing="under"), frozenset({"hold"})).kind == "hold"


def test_bandit_gives_up_a_challenger_that_is_not_on_its_way_once_the_slot_needs_somebody_newer() -> None:
    slow, coming = trial(days=14, log_up=0.5), trial(days=14, log_up=2.0)
    drifted = [Situation(drifted=True, trials=(t,)) for t in (slow, coming, trial(days=14, log_up=-1.0))]
    allowed: frozenset[Kind] = frozenset({"hold", "release"})
    assert [Bandit().choose(s, allowed).kind for s in drifted] == ["release", "hold", "release"]
    assert Bandit().choose(Situation(trials=(slow,)), allowed).kind == "hold"
    assert Bandit().choose(Situation(drifted=True, trials=(trial(days=13, log_up=0.5),)), allowed).kind == "hold"


def test_stalled_probations_do_not_keep_the_slot_when_the_world_has_changed() -> None:
    patient = Bandit(stalled_days=1_000)
    worlds = range(8)
    assert np.mean([lived(Bandit(), "abrupt", w)[0] - lived(patient, "abrupt", w)[0] for w in worlds]) > 0.0


def test_first_lineup_is_the_family_that_caught_the_most_of_what_had_matured() -> None:
    world = World("none", 4, 30)
    days = range(HISTORY - world.delay - FIRST_LOOK_DAYS, HISTORY - world.delay)
    caught = [
        sum(int((world.caught(world.train(f, HISTORY), d) & world.reported[world.rows(d)]).sum()) for d in days)
        for f in range(FAMILIES)
    ]
    assert caught[first_lineup(world).family] == max(caught)


def test_threshold_compares_rewards_when_a_probation_is_over() -> None:
    better, worse, young = trial(days=14, gap=0.2), trial(days=14, gap=-0.1), trial(days=13, gap=9.0)
    policy = Threshold()
    assert policy.choose(Situation(trials=(better,)), ALL).kind == "promote"
    assert policy.choose(Situation(trials=(worse,)), ALL).kind == "release"
    assert policy.choose(Situation(trials=(young,)), ALL).kind == "hold"

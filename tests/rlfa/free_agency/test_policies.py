"""The policy that the settings name plays the live manager, within what the state machine permits."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlfa.errors import ConfigError
from rlfa.free_agency.events import (
    EvidenceAdded,
    GuardAdded,
    ProbationStarted,
    Promoted,
    PromotionHeld,
    Released,
    RolledBack,
    TrainingRequested,
)
from rlfa.free_agency.policies import encoding, registry
from rlfa.free_agency.policies.bandit import Bandit
from rlfa.free_agency.policies.policy import ROLLBACK_FROM, Kind, Move, Situation
from rlfa.free_agency.policies.registry import policy_of
from rlfa.free_agency.rules import FreeAgencyRules, GuardRules, ScoutRules, SwapLimits
from tests.rlfa.free_agency.builders import rules
from tests.rlfa.free_agency.service import Service


@dataclass
class Chance:
    """Plays any permitted move, and remembers what it has seen."""

    seed: int
    name: str = "chance"
    needs_evidence: bool = True
    seen: list[Situation] = field(default_factory=list)

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        self.seen.append(situation)
        numbers = encoding.encode(situation)
        chance = random.Random(f"{self.seed}/{numbers.tobytes().hex()}")
        actions = np.flatnonzero(encoding.mask(allowed)).tolist()
        return encoding.move_of(chance.choice(actions), situation)


@dataclass
class Patient:
    """A bandit that never promotes."""

    name: str = "patient"
    needs_evidence: bool = True

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        return Bandit().choose(situation, allowed - {"promote"})


@dataclass
class Nervous:
    """A bandit that doesn't wait for the guard's alarm."""

    name: str = "nervous"
    needs_evidence: bool = True

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        if "rollback" in allowed:
            return Move(kind="rollback", reason="too risky")
        return Bandit().choose(situation, allowed)


def fading(**changes: object) -> Service:
    """An incumbent that was good for ten days and then sees nothing any more."""
    policy = changes.pop("player", None)
    service = Service(rules(**changes), {"old": 4.0}, policy=policy)
    service.live(10)
    service.skills["old"] = 0.0
    return service


def swapped(policy: object = None, **changes: object) -> Service:
    """A newcomer that took the slot on evidence and then sees nothing, while the old one sees all again."""
    service = fading(player=policy, **changes)
    while not service.of(Promoted):
        service.live()
    service.skills |= {"old": 6.0} | dict.fromkeys(service.state.lineup.incumbents, 0.0)
    service.newcomers = 0.0
    return service


def test_settings_name_the_policy_and_the_bandit_is_the_default() -> None:
    assert policy_of(FreeAgencyRules()).name == "bandit"
    assert policy_of(FreeAgencyRules(policy="threshold")).name == "threshold"
    assert not policy_of(FreeAgencyRules(policy="threshold")).needs_evidence


def test_policy_that_is_not_there_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry.MAKERS, "threshold")
    with pytest.raises(ConfigError, match=r"free_agency\.policy: found 'threshold', allowed: one of \['bandit'"):
        policy_of(FreeAgencyRules(policy="threshold"))


def test_threshold_promotes_the_higher_reward_after_a_fixed_time_and_says_that_it_has_no_bound() -> None:
    service = fading(policy="threshold", scout=ScoutRules(cooldown_days=1))
    service.rules = rules(policy="threshold", probation=service.rules.probation.__class__(alpha=0.2, days_max=60))
    service.live(40)
    promoted = [e for e in service.of(Promoted) if isinstance(e, Promoted)]
    assert promoted
    assert promoted[0].reason.startswith("threshold rule, without a bound of error: +")
    assert promoted[0].days == 14


def test_policy_that_waits_is_in_the_ledger_and_nobody_is_promoted() -> None:
    service = fading(player=Patient())
    service.live(20)
    assert not service.of(Promoted)
    assert {e.reason.split(";")[0] for e in service.of(PromotionHeld)} == {"the policy patient waits"}


def test_policy_may_roll_back_before_the_alarm_and_the_ledger_says_who_it_was() -> None:
    service = swapped(
        Nervous(), guard=GuardRules(false_alarm_days=1e9), swaps=SwapLimits(days_between=1, bench_days=20)
    )
    service.live(15)
    (rolled,) = [e for e in service.of(RolledBack) if isinstance(e, RolledBack)]
    alarm = [e for e in service.of(GuardAdded) if isinstance(e, GuardAdded) and e.agent == rolled.replaced][-1]
    assert (rolled.agent, rolled.cause) == ("old", "policy")
    assert rolled.reason.startswith("too risky; alarm ")
    assert math.log(ROLLBACK_FROM) <= alarm.log_sr < math.log(alarm.alarm_at)
    assert [e.cause for e in service.of(Released) if e.agent == rolled.replaced] == ["policy"]


@pytest.mark.parametrize(("name", "rolls_back"), [("bandit", True), ("threshold", False)])
def test_guard_rolls_back_by_itself_except_under_the_papers_rule(name: str, rolls_back: bool) -> None:
    service = swapped(guard=GuardRules(false_alarm_days=5), swaps=SwapLimits(days_between=1, bench_days=20))
    service.rules = rules(policy=name, guard=service.rules.guard, swaps=service.rules.swaps)
    service.live(12)
    assert bool(service.of(RolledBack)) == rolls_back


def test_frozen_lineup_leaves_a_policy_nothing_but_to_hold() -> None:
    service = fading(player=Chance(1), swaps=SwapLimits(freeze=True))
    service.live(20)
    assert not service.of(TrainingRequested, Promoted, Released)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_whatever_a_policy_plays_nobody_is_promoted_without_evidence_in_the_ledger(seed: int) -> None:
    player = Chance(seed)
    service = fading(player=player, swaps=SwapLimits(days_between=1, bench_days=6))
    service.live(30, seed=seed)
    for i, event in enumerate(service.events):
        if isinstance(event, Promoted):
            newest = [e for e in service.events[:i] if isinstance(e, EvidenceAdded) and e.agent == event.agent][-1]
            assert (newest.day, newest.log_up) == (event.day, event.log_up)
            assert event.log_up >= math.log(event.bound)
            assert event.frauds >= service.rules.probation.frauds_min


def test_random_play_does_reach_every_kind_of_move() -> None:
    kinds = {type(e) for seed in range(12) for e in _random_life(seed).events}
    assert kinds >= {TrainingRequested, ProbationStarted, Promoted, Released}


def _random_life(seed: int) -> Service:
    service = fading(player=Chance(seed))
    service.live(30, seed=seed)
    return service


def test_live_slot_is_seen_as_the_simulator_shows_it() -> None:
    player = Chance(3)
    service = fading(player=player)
    service.live(25)
    assert len(player.seen) == 35
    assert {s.standing for s in player.seen} >= {"ok", "under"}
    assert player.seen[0].days_held == 0
    tried = [s for s in player.seen if s.trials and s.trials[0].days]
    assert tried
    assert all(s.delay_days == 1 and s.detection is not None for s in tried)
    assert all(np.isfinite(encoding.encode(s)).all() for s in player.seen)

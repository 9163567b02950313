"""What the benchmark of policies measures them against."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.lives.life import Never, planned, played
from benchmarks.lives.plans import Hindsight, Retrain
from benchmarks.policies import interval
from rlfa.free_agency.policies.bandit import Bandit
from rlfa.free_agency.simulated_world import Scenario, Trained, World


@pytest.mark.parametrize("drift", ["abrupt", "recurring", "outage"])
def test_hindsight_saves_at_least_as_much_as_anybody(drift: Scenario) -> None:
    for world in range(2):
        best = planned(Hindsight(), drift, world).saved
        others = [played(Never(), drift, world), played(Bandit(), drift, world), planned(Retrain(30), drift, world)]
        assert best >= max(o.saved for o in others)


def test_plan_that_stays_is_the_lineup_left_alone() -> None:
    def stay(world: World, day: int, now: Trained) -> Trained:
        return now

    alone, stayed = played(Never(), "adversarial", 3), planned(stay, "adversarial", 3)
    assert (alone.cost, alone.saved, alone.swaps) == pytest.approx((stayed.cost, stayed.saved, stayed.swaps))


def test_interval_holds_the_mean_and_narrows_with_more_worlds() -> None:
    chance = np.random.default_rng(1)
    few, many = chance.normal(2.0, 1.0, 20), chance.normal(2.0, 1.0, 500)
    (mean, low, high), (_, low_many, high_many) = interval(few, chance), interval(many, chance)
    assert low < mean < high
    assert high_many - low_many < high - low

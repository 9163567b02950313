"""Which genomes a slot tries next."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from rlfa.free_agency.scouting import (
    FAILED,
    FLOOR,
    Arm,
    BanditScout,
    Payoff,
    SeededScout,
    Vacancy,
    faded,
    learn,
    paid,
    uplift,
)
from rlfa.lineup.slots import AgentId, Day, SlotId

FAMILIES = ("deep", "moe", "periodic", "wide")


def vacancy(scoutings: int = 0, day: int = 1, **changes: object) -> Vacancy:
    fields = {"slot": SlotId("s"), "incumbent": AgentId("a"), "family": "moe", "day": Day(day)}
    return Vacancy(**{**fields, "scoutings": scoutings, **changes})


@pytest.mark.parametrize("scout", [SeededScout(FAMILIES), BanditScout(FAMILIES)])
def test_incumbents_own_genome_is_always_tried_again(scout: SeededScout | BanditScout) -> None:
    for seed in range(10):
        first, *others = scout.choose(vacancy(), 3, seed)
        assert (first.family, first.genome_of) == ("moe", "a")
        assert len({p.family for p in others}) == 2
        assert all(p.family != "moe" and not p.genome_of for p in others)


@pytest.mark.parametrize("scout", [SeededScout(FAMILIES), BanditScout(FAMILIES)])
def test_same_seed_chooses_the_same_and_another_seed_another(scout: SeededScout | BanditScout) -> None:
    assert scout.choose(vacancy(), 3, 1) == scout.choose(vacancy(), 3, 1)
    assert len({scout.choose(vacancy(), 3, seed) for seed in range(10)}) > 1


def test_every_family_gets_its_turn_without_a_bandit() -> None:
    scout = SeededScout(FAMILIES)
    tried = {scout.choose(vacancy(i), 2, seed=5)[1].family for i in range(3)}
    assert tried == {"deep", "periodic", "wide"}


def test_one_family_is_retrained_alone() -> None:
    assert len(SeededScout(("moe",)).choose(vacancy(), 5, 1)) == 1
    assert len(BanditScout(("moe",)).choose(vacancy(), 5, 1)) == 1


def test_arms_fade_and_are_paid_as_in_the_literature() -> None:
    """The vector of Raj & Kalyani's form: S and F are the two halves of pulls and payoff, r = (u + 1)/2."""
    arms = [Arm(pulls=s + f, payoff=s - f) for s, f in ((2.0, 1.0), (1.0, 3.0))]
    after = [faded(arm, 0.9) for arm in arms]
    after[0] = paid(after[0], Payoff(family="1", value=1.0))
    assert [(a.pulls + a.payoff) / 2 for a in after] == pytest.approx([2.8, 0.9])
    assert [(a.pulls - a.payoff) / 2 for a in after] == pytest.approx([0.9, 2.7])


def test_what_was_learnt_halves_in_sixty_days() -> None:
    arms = learn({}, [Payoff(family="wide", value=0.8)], Day(10))
    old = arms["wide"].at(Day(70))
    assert (old.pulls, old.payoff) == pytest.approx((0.5, 0.4))
    assert (old.mean, old.deviation) == pytest.approx((0.4 / 1.5, 0.5 / 1.5**0.5))
    twice = learn(arms, [Payoff(family="wide", value=-0.2, weight=0.5)], Day(70))["wide"]
    assert (twice.pulls, twice.payoff) == pytest.approx((1.0, 0.3))


def test_payoff_is_the_estimated_gain_in_tens_of_points() -> None:
    assert uplift(4, 80, 80, 30) == pytest.approx((0.5, 1.0))
    assert uplift(30, 60, 60, 30) == (1.0, 1.0)
    assert uplift(-2, 10, 10, 30) == pytest.approx((-1.0, 1 / 3))
    assert uplift(0, 0, 0, 30) is None
    assert uplift(8, 160, 80, 30) == pytest.approx((0.5, 1.0))  # each stands for two


def test_family_whose_payoff_is_on_its_way_is_not_drawn_again() -> None:
    scout = BanditScout(FAMILIES)
    for seed in range(20):
        busy = vacancy(in_flight=frozenset({"deep", "wide"}))
        assert [p.family for p in scout.choose(busy, 4, seed)] == ["moe", "periodic"]


def test_hopeless_arm_is_still_tried_now_and_then() -> None:
    arms = {"deep": Arm(pulls=50, payoff=50), "wide": Arm(pulls=50, payoff=-50), "periodic": Arm(pulls=50, payoff=-50)}
    picks = Counter(BanditScout(FAMILIES).choose(vacancy(arms=arms, day=0), 2, s)[1].family for s in range(2000))
    share = (picks["wide"] + picks["periodic"]) / 2000
    assert share == pytest.approx(FLOOR * 2 / 3, abs=0.02)


def share_of_best(seed: int, days: range) -> float:
    """A world where `deep` is best until day 300 and `wide` after it; a scouting every ten days."""
    scout, arms, chance = BanditScout(FAMILIES), dict[str, Arm](), random.Random(seed)
    picked = list[bool]()
    for day in range(0, 700, 10):
        best = "deep" if day < 300 else "wide"
        family = scout.choose(vacancy(day // 10, day, arms=arms), 2, seed)[1].family
        value = chance.gauss(0.6 if family == best else -0.2, 0.3)
        arms = learn(arms, [Payoff(family=family, value=value)], Day(day))
        if day in days:
            picked.append(family == best)
    return sum(picked) / len(picked)


def test_bandit_finds_the_better_genome_and_again_after_the_world_changes() -> None:
    """By chance a third of the picks would be right."""
    before = sum(share_of_best(seed, range(100, 300)) for seed in range(20)) / 20
    after = sum(share_of_best(seed, range(450, 700)) for seed in range(20)) / 20
    assert before > 0.55
    assert after > 0.55


def test_failed_training_pays_less_than_no_gain() -> None:
    assert -1.0 < FAILED < 0.0

"""Signals without labels: rare where nothing changes, quick where something does, and never a verdict."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from rlfa.free_agency.drift import (
    DriftSign,
    discoveries,
    explain,
    ks,
    ks_chance,
    look,
    psi,
    psi_noise,
    read_sign,
    reference_of,
    score_psi,
)
from rlfa.free_agency.events import DriftSeen, Event, ReturnedToPool, TrainingRequested
from rlfa.free_agency.manager import step
from rlfa.free_agency.rules import DriftRules, ScoutRules
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import decode_state, encode_state
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime
from rlfa.outcomes.summaries import DaySummary, summarise
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, drifted, rules
from tests.rlfa.free_agency.service import Service

AGENT = AgentId("veteran")
RULES = DriftRules()
FEATURES = 5


def some_day(day: int, rng: np.random.Generator, *, moved: float = 0.0, weather: float = 0.0) -> DaySummary:
    """1,500 transactions.

    Args:
        day: of the summary.
        rng: of everything in it.
        moved: by how many standard deviations the scores and two features have moved.
        weather: standard deviation of what each feature, and the scores, does on a whole day.
    """
    weekly = 0.3 * np.sin(2.0 * np.pi * day / 7.0)
    x = rng.normal(size=(1500, FEATURES)) + weekly + weather * rng.normal(size=FEATURES)
    x[:, :2] += moved
    x[:, -1] = rng.poisson(3.0, 1500)
    scores = -6.0 + weekly + moved + weather * rng.normal() + 1.5 * rng.normal(size=1500)
    names = [f"f{j}" for j in range(FEATURES)]
    return summarise(Day(day), names, x.astype(np.float32), {AGENT: scores.astype(np.float32)})


def signs(days: Iterable[DaySummary]) -> list[DriftSign]:
    """One for each day after the reference's 28."""
    everything = list(days)
    reference = reference_of(everything[: RULES.reference_days], AGENT, RULES)
    looks = [look(reference.days, day, AGENT, RULES) for day in everything[RULES.reference_days :]]
    return [read_sign(reference, looks[max(i - 3, 0) : i + 1], RULES) for i in range(len(looks))]


def test_stability_index_and_its_noise_are_those_of_the_literature() -> None:
    p = np.array([0.08, 0.09, *[0.1] * 6, 0.11, 0.12])
    assert psi(p, np.full(10, 0.1)) == pytest.approx(0.010116, abs=1e-6)
    assert [psi_noise(n, 20_000, 10, 0.001) for n in (200, 2000, 20_000)] == pytest.approx(
        [0.141, 0.0153, 0.0028], rel=0.01
    )


def test_index_stays_under_its_noise_where_nothing_moves() -> None:
    rng = np.random.default_rng(1)
    found = [score_psi(some_day(0, rng).logits[AGENT], some_day(0, rng).logits[AGENT], 0.05) for _ in range(300)]
    assert 0.02 < np.mean([value > noise for value, noise in found]) < 0.10


@given(
    a=st.lists(st.integers(-9, 9), min_size=1, max_size=40),
    b=st.lists(st.integers(-9, 9), min_size=1, max_size=40),
)
def test_distance_is_that_of_kolmogorov_and_smirnov(a: list[int], b: list[int]) -> None:
    x, y = (summarise(Day(0), ("x",), np.array(v, np.float32)[:, None], {}).features["x"] for v in (a, b))
    below = [abs(np.mean(np.array(a) <= v) - np.mean(np.array(b) <= v)) for v in range(-9, 10)]
    assert ks(x, y) == pytest.approx(max(below), abs=1e-12)


def test_chance_of_a_distance_inverts_the_bound() -> None:
    n, m, level = 300, 2000, 0.01
    bound = np.sqrt(-0.5 * np.log(level / 2.0)) * np.sqrt((n + m) / (n * m))
    assert ks_chance(float(bound), n, m) == pytest.approx(level)


@given(chances=st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=30))
def test_discoveries_are_those_of_benjamini_and_hochberg(chances: list[float]) -> None:
    named = {f"f{i:02d}": p for i, p in enumerate(chances)}
    adjusted = false_discovery_control(chances)
    clear = [abs(a - 0.05) > 1e-9 for a in adjusted]
    expected = {n for n, a in zip(named, adjusted, strict=True) if a <= 0.05}
    assert not all(clear) or discoveries(named, 0.05) == expected


@pytest.mark.parametrize("weather", [0.0, 0.15])
def test_days_that_are_alike_seldom_make_drift_whatever_the_weekday_and_the_weather(weather: float) -> None:
    """Stated: at most a third of a day of drift a year, if days are alike; these are four years."""
    lasted = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        lasted += sum(s.lasted for s in signs(some_day(d, rng, weather=weather) for d in range(28 + 120)))
    assert lasted <= 1


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), moved=st.sampled_from([-0.5, 0.25, 1.0]))
def test_abrupt_change_is_seen_on_its_third_day(seed: int, moved: float) -> None:
    rng = np.random.default_rng(seed)
    days = [some_day(d, rng, weather=0.02, moved=moved if d >= 31 else 0.0) for d in range(35)]
    found = signs(days)
    assert [s.lasted for s in found[3:6]] == [False, False, True]
    assert found[5].shift > 1.0
    assert {f.name for f in found[5].features} >= {"f0", "f1"}
    assert "scores PSI" in explain(found[5])


def test_one_feature_alone_is_a_broken_sensor() -> None:
    rng = np.random.default_rng(3)
    days = [some_day(d, rng) for d in range(28)]
    x = rng.normal(size=(1500, FEATURES)) + 0.3 * np.sin(2.0 * np.pi * 28 / 7.0)
    x[:, 0] = 99.0
    x[:, -1] = rng.poisson(3.0, 1500)
    broken = summarise(Day(28), list(days[0].features), x.astype(np.float32), {})
    assert look(days, broken, AGENT, RULES).significant == {"f0"}
    (sign,) = signs([*days, broken])
    assert (sign.shift, sign.psi) == (0.0, None)


def test_drift_starts_scouting_for_a_healthy_slot_and_says_why() -> None:
    service = Service(rules(), {"a": 4.0, "b": 4.0})
    service.live(5)
    service.scout_early = {"s1"}
    service.live()
    (seen,) = service.of(DriftSeen)
    assert (seen.slot, seen.agent) == ("s1", "b")
    assert seen.reason.startswith("scores PSI 0.300 (limit 0.020): 2.0 times the limit")
    ordered = service.of(TrainingRequested)
    assert {e.slot for e in ordered} == {"s1"}
    assert ordered[0].reason.startswith("scores or features have drifted: train moe again")


def test_drift_that_goes_on_scouts_no_more_often_than_allowed() -> None:
    service = Service(rules(drift=DriftRules(days_between=10), scout=ScoutRules(cooldown_days=1)), {"a": 4.0})
    service.newcomers, service.scout_early = 0.0, {"s0"}
    service.live(41)
    days = sorted({e.day for e in service.of(TrainingRequested)})
    assert len(days) >= 2
    assert min(np.diff(days)) >= 10
    assert [e.day for e in service.of(DriftSeen)] == [FIRST_DAY + d for d in (0, 10, 20, 30, 40)]


def test_drift_is_only_written_down_where_it_may_not_scout() -> None:
    service = Service(rules(drift=DriftRules(scouts=False)), {"a": 4.0})
    service.scout_early = {"s0"}
    service.live(5)
    assert len(service.of(DriftSeen)) == 1
    assert not service.of(TrainingRequested)


@settings(max_examples=25, deadline=None)
@given(
    life=st.lists(
        st.tuples(st.sampled_from([0.0, 2.0, 4.0]), st.sampled_from([0.0, 4.0, 6.0]), st.booleans()),
        min_size=5,
        max_size=30,
    )
)
def test_drift_never_promotes_releases_or_rolls_back_anyone(life: list[tuple[float, float, bool]]) -> None:
    """Each step of any life, taken with and without the sign: only trainings and what they bring may differ."""
    service = Service(rules(), {"a": 4.0, "b": 3.0})
    for skill, newcomers, has_drifted in life:
        service.skills["a"], service.newcomers = skill, newcomers
        service.scout_early = {"s0", "s1"} if has_drifted else set()
        before, candidates = service.state, list(service.candidates)
        with_sign = service.live()
        skills = {a: service.skills.get(a, newcomers) for a in before.lineup.agents}
        day = cohort(service.day - 1, skills)
        now = EventTime(service.day * DAY_MS)
        calm, without = step(before, day, candidates, service.rules, now, scout=SeededScout(("moe", "wide")))
        assert service.state.deciding == calm.deciding
        assert _others(with_sign) == _others(without)


def test_restart_remembers_when_drift_last_scouted() -> None:
    service = Service(rules(), {"a": 4.0})
    service.scout_early = {"s0"}
    service.live(3)
    again = decode_state(encode_state(service.state))
    assert again == service.state
    assert (again.slots[0].drift_seen, again.slots[0].scouted_early) == (FIRST_DAY, FIRST_DAY)


def test_sign_of_a_few_days_that_have_not_lasted_does_nothing() -> None:
    service = Service(rules(), {"a": 4.0})
    sign = drifted(FIRST_DAY, alarms=2, lasted=False)
    day, now = cohort(FIRST_DAY, {"a": 4.0}), EventTime((FIRST_DAY + 1) * DAY_MS)
    slot = service.state.slots[0].id
    scout = SeededScout(("moe",))
    _, events = step(service.state, day, [], service.rules, now, scout=scout, drift={slot: sign})
    assert not [e for e in events if isinstance(e, DriftSeen | TrainingRequested)]


def _others(events: Iterable[Event]) -> list[Event]:
    """What isn't scouting: trainings, and agents that come back to the pool with it."""
    return [e for e in events if not isinstance(e, DriftSeen | TrainingRequested | ReturnedToPool)]

"""The whole of free agency, one cohort at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlfa.errors import RlfaError
from rlfa.free_agency.events import (
    BenchReleased,
    EpochChanged,
    EvidenceAdded,
    ProbationStarted,
    Promoted,
    PromotionHeld,
    Released,
    ReleasedOffline,
    ReturnedToPool,
    Signed,
    TrainingDelivered,
    TrainingGivenUp,
    TrainingRequested,
    WatchChanged,
    decode_event,
    encode_event,
    kind_of,
)
from rlfa.free_agency.manager import ManagerError, initial_state, step
from rlfa.free_agency.roster import roster
from rlfa.free_agency.rules import ScoutRules, SwapLimits, WatchRules
from rlfa.free_agency.scouting import SeededScout
from rlfa.free_agency.state import Candidate, decode_state, encode_state
from rlfa.lineup.slots import AgentId, Day, EventTime, Slot, SlotId
from rlfa.rewards.money import Costs
from rlfa.trainers.offline_gate import OfflineResult
from rlfa.trainers.record import TrainingRecord
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, rules
from tests.rlfa.free_agency.service import Service

WORSE = OfflineResult(
    day_from=1,
    day_to=2,
    rows=9,
    frauds=3,
    caught_candidate=1,
    caught_incumbent=2,
    loss_candidate=2.0,
    loss_incumbent=1.0,
)


def fading(**changes: object) -> Service:
    """An incumbent that was good for ten days and then sees nothing any more."""
    service = Service(rules(**changes), {"old": 4.0})
    service.live(10)
    service.skills["old"] = 0.0
    return service


def test_incumbent_that_fades_is_watched_replaced_and_benched_with_reasons() -> None:
    service = fading()
    service.live(25)
    kinds = [kind_of(e) for e in service.events]
    story = [
        "WatchChanged",
        "TrainingRequested",
        "Signed",
        "ProbationStarted",
        "EvidenceAdded",
        "Promoted",
        "EpochChanged",
    ]
    assert [kinds.index(k, 1) for k in story] == sorted(kinds.index(k, 1) for k in story)
    (promoted,) = service.of(Promoted)
    assert isinstance(promoted, Promoted)
    assert promoted.replaced == "old"
    assert promoted.epoch == 2
    assert promoted.reason.startswith("e-value ")
    assert service.state.lineup.incumbents == (promoted.agent,)
    assert all(e.reason for e in service.events)


def test_replaced_incumbent_scores_on_until_its_bench_time_is_over() -> None:
    service = fading()
    while not service.of(Promoted):
        service.live()
    (promoted,) = service.of(Promoted)
    assert isinstance(promoted, Promoted)
    assert "old" in service.state.lineup.agents
    while service.state.day <= promoted.bench_until:
        assert "old" in service.state.lineup.agents
        service.live()
    assert [e.agent for e in service.of(BenchReleased)] == ["old"]
    assert "old" not in service.state.lineup.agents


def test_healthy_lineup_is_left_alone() -> None:
    service = Service(rules(watch=WatchRules()), {"a": 4.0, "b": 4.0})
    service.live(30)
    assert not service.of(TrainingRequested, Promoted, Released)
    assert service.state.epoch == 1


def test_rival_of_a_promoted_challenger_goes_back_to_the_pool_and_starts_afresh() -> None:
    service = fading()
    while not service.of(Promoted):
        service.live()
    (returned,) = service.of(ReturnedToPool)
    again = [e for e in service.of(ProbationStarted) if e.agent == returned.agent]
    assert len(again) == 2
    (trial,) = service.state.slots[0].probations
    assert (trial.days, trial.incumbent) == (0, service.state.slots[0].incumbent)


def test_new_terms_end_a_test_and_start_it_afresh() -> None:
    service = fading()
    while not service.of(EvidenceAdded):
        service.live()
    service.rules = rules(costs=Costs(alert_budget_per_day=4))
    service.live()
    assert {e.reason for e in service.of(ReturnedToPool)} == {"the terms of the test changed: it starts afresh"}
    assert all((p.days, p.costs) == (0, service.rules.costs) for p in service.state.slots[0].probations)
    service.live(8)
    assert service.of(Promoted)


def test_candidate_worse_offline_is_released_at_the_gate() -> None:
    service = Service(rules(), {"old": 4.0})
    service.candidates = [Candidate(slot=SlotId("s0"), family="moe", agent=AgentId("bad"), offline=WORSE)]
    service.live()
    assert [e.agent for e in service.of(ReleasedOffline)] == ["bad"]
    assert "bad" not in service.state.lineup.agents


def test_delivered_training_is_in_the_ledger_with_its_days_rows_frauds_and_start_before_the_gates_word() -> None:
    record = TrainingRecord(
        day_from=Day(70),
        day_to=Day(97),
        rows=28_000,
        frauds=90,
        warm_start=AgentId("old"),
        loss_warm=3.5,
        loss_cold=4.0,
    )
    good, bad = (
        Candidate(slot=SlotId("s0"), family="moe", request=f"r{i}", agent=AgentId(a), offline=offline, trained=record)
        for i, (a, offline) in enumerate((("good", None), ("bad", WORSE)))
    )
    service = Service(rules(), {"old": 4.0})
    service.candidates = [good, bad]
    service.live()
    kinds = [(kind_of(e), e.agent) for e in service.of(TrainingDelivered, Signed, ReleasedOffline)]
    assert kinds == [
        ("TrainingDelivered", "good"), ("Signed", "good"), ("TrainingDelivered", "bad"), ("ReleasedOffline", "bad")
    ]  # fmt: skip
    (delivered, _) = service.of(TrainingDelivered)
    assert isinstance(delivered, TrainingDelivered)
    assert (delivered.trained, delivered.request, delivered.family) == (record, "r0", "moe")
    assert delivered.reason == (
        "trained on 1970-03-12 to 1970-04-08, 28000 transactions, 90 frauds, from the weights of old: "
        "loss 3.50 from the incumbent's weights, 4.00 without"
    )


def test_failed_training_is_in_the_ledger_and_the_slot_scouts_again() -> None:
    service = fading()
    while not service.of(TrainingRequested):
        service.live()
    failed = [Candidate(slot=c.slot, family=c.family, request=c.request, error="no frauds") for c in service.candidates]
    service.candidates = failed
    service.live(3)
    assert {e.reason for e in service.of(TrainingGivenUp)} == {
        "training of moe failed: no frauds",
        "training of wide failed: no frauds",
    }
    assert len({e.day for e in service.of(TrainingRequested)}) == 2


def test_training_that_brings_nothing_is_given_up() -> None:
    service = fading(scout=ScoutRules(training_days_max=3, candidates=1))
    while not service.of(TrainingRequested):
        service.live()
    for _ in range(5):
        service.candidates = []
        service.live()
    assert [e.reason for e in service.of(TrainingGivenUp)] == ["training of moe brought nothing in 4 days"]


def test_open_trainings_are_known_after_a_restart() -> None:
    service = fading()
    while not service.of(TrainingRequested):
        service.live()
    again = decode_state(encode_state(service.state))
    assert {r.id for r in again.requests} == {c.request for c in service.candidates}


def test_frozen_lineup_holds_a_challenger_that_has_its_evidence() -> None:
    service = fading()
    while not service.of(ProbationStarted):
        service.live()
    service.rules = rules(swaps=SwapLimits(freeze=True))
    service.live(8)
    assert not service.of(Promoted)
    held = service.of(PromotionHeld)
    assert held
    assert held[0].reason.startswith("the lineup is frozen; e-value ")
    service.rules = rules()
    service.live()
    assert service.of(Promoted)


def test_two_slots_cannot_both_swap_on_a_day_that_allows_one() -> None:
    service = Service(rules(swaps=SwapLimits(per_day=1, days_between=0)), {"a": 4.0, "b": 4.0})
    service.live(10)
    service.skills.update(a=0.0, b=0.0)
    service.live(25)
    days = [e.day for e in service.of(Promoted)]
    assert len(days) == len(set(days)) >= 2
    assert [e for e in service.of(PromotionHeld) if e.reason.startswith("1 swaps today, at most 1")]


def test_challenger_without_scores_is_released_as_unsafe() -> None:
    service = fading()
    while not service.of(EvidenceAdded):
        service.live()
    service.missing = 0.3
    service.live()
    assert {e.cause for e in service.of(Released) if isinstance(e, Released)} == {"unsafe"}


def test_cohort_taken_before_changes_nothing() -> None:
    service = Service(rules(), {"a": 4.0})
    service.live(3)
    again = cohort(service.day - 1, {"a": 1.0}, seed=9)
    state, events = step(service.state, again, [], service.rules, EventTime(0), scout=SeededScout(("moe",)))
    assert (state, events) == (service.state, ())


def test_day_without_transactions_moves_no_watch() -> None:
    service = fading()
    service.live(2)
    before = service.state
    empty = cohort(service.day, dict.fromkeys(before.lineup.agents, 1.0), rows=0, frauds=0)
    after, _ = step(before, empty, [], service.rules, EventTime(0), scout=SeededScout(("moe",)))
    assert [s.watch for s in after.slots] == [s.watch for s in before.slots]
    assert after.thresholds == before.thresholds


def test_candidate_for_an_unknown_slot_is_refused() -> None:
    service = Service(rules(), {"a": 4.0})
    service.candidates = [Candidate(slot=SlotId("nowhere"), family="moe", agent=AgentId("x"))]
    with pytest.raises(ManagerError, match="nowhere"):
        service.live()


def test_lineup_starts_only_with_known_families() -> None:
    with pytest.raises(RlfaError, match="a genome's name for each incumbent"):
        initial_state([Slot(id=SlotId("s"), incumbent=AgentId("a"))], {}, FIRST_DAY, seed=1)


@dataclass(frozen=True)
class Weather:
    """What one day of a random life brings."""

    old_skill: float
    newcomers: float
    missing: float
    lose_candidates: bool
    seed: int


Lives = st.lists(
    st.builds(
        Weather,
        old_skill=st.sampled_from([0.0, 0.0, 2.0, 4.0]),
        newcomers=st.sampled_from([0.0, 4.0, 6.0]),
        missing=st.sampled_from([0.0] * 9 + [0.3]),
        lose_candidates=st.booleans(),
        seed=st.integers(0, 9),
    ),
    min_size=5,
    max_size=30,
)


def lived(life: list[Weather]) -> Service:
    service = Service(rules(), {"a": 4.0, "b": 3.0})
    for weather in life:
        service.skills["a"] = weather.old_skill
        service.newcomers, service.missing = weather.newcomers, weather.missing
        if weather.lose_candidates:
            service.candidates = []
        service.live(seed=weather.seed)
    return service


@settings(max_examples=40, deadline=None)
@given(life=Lives)
def test_any_life_keeps_one_incumbent_per_slot_and_epochs_only_grow(life: list[Weather]) -> None:
    service = lived(life)
    epochs = [e.epoch for e in service.events]
    assert all(a <= b for a, b in pairwise(epochs))
    for n in range(1, len(service.events) + 1):
        now = roster(service.events[:n])
        assert [s.slot for s in now.seats] == ["s0", "s1"]
        incumbents = [s.incumbent for s in now.seats]
        assert len(set(incumbents)) == 2
        tried = [t.agent for s in now.seats for t in s.probations]
        waiting = [a for s in now.seats for a in (*s.bench, *s.pool)]
        assert len({*incumbents, *tried, *waiting}) == len(incumbents) + len(tried) + len(waiting)


@settings(max_examples=40, deadline=None)
@given(life=Lives)
def test_any_life_promotes_nobody_without_evidence_in_the_ledger(life: list[Weather]) -> None:
    service = lived(life)
    for i, e in enumerate(service.events):
        if isinstance(e, Promoted):
            before = [x for x in service.events[:i] if isinstance(x, EvidenceAdded) and x.agent == e.agent]
            assert before[-1].day == e.day
            assert before[-1].log_up == e.log_up >= math.log(e.bound)
            assert before[-1].frauds >= service.rules.probation.frauds_min
            assert before[-1].days >= service.rules.probation.days_min


@settings(max_examples=40, deadline=None)
@given(life=Lives)
def test_fold_over_any_life_ends_where_the_manager_is(life: list[Weather]) -> None:
    service = lived(life)
    now = roster(decode_event(encode_event(e)) for e in service.events)
    assert now.epoch == service.state.epoch
    for seat, slot in zip(now.seats, service.state.slots, strict=True):
        assert (seat.incumbent, seat.since_epoch, seat.since_day) == (
            slot.incumbent,
            slot.since_epoch,
            slot.since_day,
        )
        assert seat.standing == slot.watch.standing
        assert seat.bench == tuple(b.agent for b in slot.bench)
        assert seat.guard == (slot.guard.test.challenger if slot.guard else "")
        assert sorted(seat.pool) == sorted(f.agent for f in slot.pool)
        assert seat.training == tuple(r.id for r in slot.requests)
        assert [(t.agent, t.frauds, t.log_up) for t in seat.probations] == [
            (p.challenger, p.frauds, p.e.log_up) for p in slot.probations
        ]


@settings(max_examples=20, deadline=None)
@given(life=Lives, crash=st.integers(0, 30))
def test_restart_in_the_middle_of_any_life_loses_nothing(life: list[Weather], crash: int) -> None:
    through = lived(life)
    service = Service(rules(), {"a": 4.0, "b": 3.0})
    for i, weather in enumerate(life):
        if i == crash:
            service.state = decode_state(encode_state(service.state))
        service.skills["a"] = weather.old_skill
        service.newcomers, service.missing = weather.newcomers, weather.missing
        if weather.lose_candidates:
            service.candidates = []
        service.live(seed=weather.seed)
    assert service.state == through.state
    assert service.events == through.events


def test_random_lives_do_reach_promotions_and_releases() -> None:
    kinds: set[str] = set()
    for seed in range(6):
        good = [Weather(4.0, 4.0, 0.0, False, seed)] * 6
        bad = [Weather(0.0, 4.0 * (seed % 2), 0.0, False, seed + i) for i in range(24)]
        kinds |= {kind_of(e) for e in lived(good + bad).events}
    assert kinds >= {k.__name__ for k in (EpochChanged, WatchChanged, Signed, Promoted, Released, ReturnedToPool)}


def test_state_stays_small() -> None:
    service = fading()
    service.live(25)
    assert len(encode_state(service.state)) < 20_000


def test_first_day_is_the_first_cohort_taken() -> None:
    service = Service(rules(), {"a": 4.0})
    assert service.state.day == Day(FIRST_DAY - 1)
    service.live()
    assert service.state.day == FIRST_DAY

"""Probations that end teach scouting."""

from __future__ import annotations

from rlfa.free_agency.events import Promoted, ReleasedOffline, TrainingRequested
from rlfa.free_agency.manager import step
from rlfa.free_agency.payoffs import in_flight
from rlfa.free_agency.scouting import FAILED, BanditScout
from rlfa.free_agency.state import Candidate, ManagerState, decode_state, encode_state
from rlfa.lineup.slots import DAY_MS, AgentId, EventTime, SlotId
from rlfa.trainers.offline_gate import OfflineResult
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort, first_state, rules

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


def lived(days: int, best: str) -> tuple[ManagerState, list[object]]:
    """One slot whose incumbent fades on day ten; newcomers of family `best` see all, the others little."""
    state, candidates, events = first_state(1), list[Candidate](), list[object]()
    for day in range(FIRST_DAY, FIRST_DAY + days):
        fading = 0.0 if day >= FIRST_DAY + 10 else 4.0
        skills = {a: 6.0 if best in a else fading if a == "a0" else 1.0 for a in state.lineup.agents}
        now = EventTime((day + 1) * DAY_MS)
        scout = BanditScout(("moe", "wide", "deep"))
        state, new = step(state, cohort(day, skills), candidates, rules(), now, scout=scout)
        events += new
        candidates = [
            Candidate(slot=e.slot, family=e.family, request=e.request, agent=AgentId(f"{e.request}-{e.family}"))
            for e in new
            if isinstance(e, TrainingRequested)
        ]
    return state, events


def test_family_whose_challengers_win_stands_above_the_others() -> None:
    state, events = lived(70, best="wide")
    assert [e for e in events if isinstance(e, Promoted) and "wide" in e.agent]
    others = [arm.mean for family, arm in state.arms.items() if family != "wide"]
    assert state.arms["wide"].mean > max([0.0, *others])


def test_restart_keeps_what_scouting_has_learnt() -> None:
    state, _ = lived(40, best="wide")
    assert state.arms
    assert decode_state(encode_state(state)) == state


def test_candidate_that_falls_at_the_offline_gate_pays_its_family_a_little_less_than_nothing() -> None:
    bad = Candidate(slot=SlotId("s0"), family="wide", agent=AgentId("bad"), offline=WORSE)
    state, events = step(
        first_state(1), cohort(FIRST_DAY, {"a0": 4.0}), [bad], rules(), EventTime(0), scout=BanditScout(())
    )
    assert [e.agent for e in events if isinstance(e, ReleasedOffline)] == ["bad"]
    assert (state.arms["wide"].pulls, state.arms["wide"].payoff) == (1.0, FAILED)


def test_family_in_training_is_in_flight_for_every_slot() -> None:
    state, _ = lived(14, best="wide")
    assert in_flight(state) >= {r.family for r in state.requests}
    assert in_flight(first_state()) == frozenset()

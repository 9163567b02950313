"""Days without labels: which of them a step looks at, and what the books keep of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec.structs import replace

from rlfa.config import Service, load_service
from rlfa.free_agency.events import DriftSeen, TrainingRequested
from rlfa.free_agency.front_office import FrontOffice
from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.rules import DriftRules
from rlfa.free_agency.unlabelled import UnlabelledDays, days_of, first_day_of, seen_through
from rlfa.lineup.slots import DAY_MS, AgentId, Day, EventTime, Slot, SlotId
from rlfa.outcomes.summaries import DaySummary, summarise
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from tests.rlfa.free_agency.builders import FIRST_DAY, cohort

SLOT = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))
STREAM = """
tx_id = "id"
event_time = "at"
amount = "amount"
lateness_max = "1h"
[entities]
customer = "c"
[windows]
label_delay = "7d"
"""
CARD = """{
    "genome": "moe", "rows": 9, "frauds": 3, "from_event_time": 0, "to_event_time": 9, "validation_from_event_time": 8,
    "validation_rows": 2, "validation_frauds": 1, "epochs": 1, "metrics": {}, "calibration": "", "feature_names": ["a"],
    "categorical": [], "seed": 0, "warm_start": "", "versions": {}
}"""
VETERAN = StoredAgent(
    id=SLOT.incumbent, family="moe", genome="{}", card=CARD, metrics="{}", checksum="", uri="", created_at=1
)
RULES = DriftRules(reference_days=7)
DAYS = range(int(FIRST_DAY), int(FIRST_DAY) + 14)


def summary(day: int, moved: float = 0.0) -> DaySummary:
    rng = np.random.default_rng(day)
    x = (rng.normal(size=(500, 3)) + moved).astype(np.float32)
    return summarise(Day(day), ("a", "b", "c"), x, {SLOT.incumbent: x[:, 0]})


def service_at(tmp_path: Path) -> Service:
    (tmp_path / "rlfa.toml").write_text("[genomes.moe]\n[free_agency.drift]\nreference_days = 7\n")
    (tmp_path / "stream.toml").write_text(STREAM)
    service = load_service(tmp_path / "rlfa.toml")
    state, events = initial_state([SLOT], {SLOT.incumbent: "moe"}, FIRST_DAY, seed=1)
    store = Store.open(service.database)
    with store.transaction() as session:
        Agents(session).add(VETERAN)
        Ledger(session).append(entries_of(events, state, at=EventTime(0), recorded_at=1))
    store.close()
    return service


def test_step_looks_as_far_as_the_stream_is_whole_when_its_cohort_closes() -> None:
    hour = DAY_MS // 24
    assert seen_through(Day(10), 7 * DAY_MS, hour) == 16  # day 17 has just ended, and its late records may be missing
    assert seen_through(Day(10), 7 * DAY_MS, 0) == 17
    assert seen_through(Day(10), hour, DAY_MS) == 10


def test_reference_begins_where_the_incumbent_decided_its_first_whole_day() -> None:
    (slot,) = initial_state([SLOT], {SLOT.incumbent: "moe"}, FIRST_DAY, seed=1)[0].slots
    days = tuple(Day(d) for d in DAYS)
    assert days_of(slot, days[:7], RULES) == ((), ())
    assert days_of(slot, days, RULES) == (days[:7], days[10:])
    newcomer = replace(slot, since_day=Day(FIRST_DAY + 2), swapped=Day(FIRST_DAY))
    assert first_day_of(newcomer) == FIRST_DAY + 3
    assert days_of(newcomer, days, RULES) == (days[3:10], days[10:])


def test_signs_depend_on_the_cohort_alone_and_a_restart_reads_the_same(tmp_path: Path) -> None:
    state, _ = initial_state([SLOT], {SLOT.incumbent: "moe"}, FIRST_DAY, seed=1)
    live = UnlabelledDays(tmp_path)
    seen = []
    for day in DAYS:
        live.add(summary(day, moved=1.0 if day >= FIRST_DAY + 9 else 0.0))
        seen.append(live.signs(state, Day(day), RULES))
    assert [bool(found) for found in seen] == [False] * 7 + [True] * 7
    assert [found[SLOT.id].lasted for found in seen[7:]] == [False] * 4 + [True] * 3
    behind = UnlabelledDays(tmp_path)
    assert [behind.signs(state, Day(day), RULES) for day in DAYS] == seen


def test_day_that_is_kept_already_stays_as_it_is(tmp_path: Path) -> None:
    kept = UnlabelledDays(tmp_path)
    kept.add(summary(100))
    path = next(tmp_path.glob("*.parquet"))
    before = path.read_bytes()
    kept.add(summary(100, moved=3.0))
    assert path.read_bytes() == before
    assert kept.days() == [100]


def test_day_with_a_handful_of_rows_says_nothing(tmp_path: Path) -> None:
    state, _ = initial_state([SLOT], {SLOT.incumbent: "moe"}, FIRST_DAY, seed=1)
    few = UnlabelledDays(tmp_path)
    for day in DAYS:
        few.add(summary(day))
    assert few.signs(state, Day(DAYS[-1]), DriftRules(reference_days=7, rows_min=501)) == {}


def test_front_office_writes_drift_down_before_any_label_of_those_days_is_due(tmp_path: Path) -> None:
    service = service_at(tmp_path)
    office = FrontOffice.open(service)
    first, through = FIRST_DAY, office.seen_through(FIRST_DAY)
    assert through == first + 6
    for day in range(first, first + 20):
        office.unlabelled.add(summary(day, moved=1.0 if day >= first + 8 else 0.0))
    events = []
    for day in range(first, first + 6):
        events += office.take(cohort(day, {"veteran": 4.0}), EventTime((day + 8) * DAY_MS), recorded_at=1)
    (seen,) = [e for e in events if isinstance(e, DriftSeen)]
    assert (seen.day, seen.sign.through) == (first + 4, first + 10)
    assert {e.day for e in events if isinstance(e, TrainingRequested)} == {seen.day}
    with office.store.transaction() as session:
        entries = Ledger(session).read()
    assert [e.event for e in entries if e.kind == "DriftSeen"] == [seen]
    assert {e.policy for e in entries if e.kind == "DriftSeen"} == {"bandit"}
    office.store.close()


def test_front_office_asks_only_for_days_that_it_lacks(tmp_path: Path) -> None:
    office = FrontOffice.open(service_at(tmp_path))
    office.unlabelled.add(summary(FIRST_DAY + 1))
    days = [FIRST_DAY - 5, FIRST_DAY, FIRST_DAY + 1, FIRST_DAY + 2, FIRST_DAY + 3]
    assert office.unseen(days, Day(FIRST_DAY + 2)) == [FIRST_DAY, FIRST_DAY + 2]
    office.store.close()

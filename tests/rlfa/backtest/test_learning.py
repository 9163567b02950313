"""An agent that learns plays a history: each decision by the version of its time, which knew closed cohorts only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agents.bring import Rows, agent_from_river
from agents.data_card import DataCard
from agents.weights import load_scorer
from rlfa.backtest import Played, Signing, run
from rlfa.backtest.engine import BacktestError
from rlfa.cli.agents import take_in
from rlfa.cli.explain import explain_again
from rlfa.config import Service
from rlfa.free_agency.learning_events import Learned
from rlfa.lanes.intake import intake_of
from rlfa.lineup.slots import DAY_MS, Day, SlotId
from rlfa.rewards.inefficiency import Footprint
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.database import Store
from streams.history import History
from tests.rlfa.backtest.histories import CONFIG, service_in, simulated

LINEAR = "preprocessing.StandardScaler() | linear_model.LogisticRegression(l2=0.001)"
# It knows next to nothing at first, and alerts on much: no limit shall undo that here.
PATIENT = CONFIG.replace('b = "linear"\n', "") + "[free_agency.guard]\nalert_rate_max = 999.0\n"
DAYS, DELAY_DAYS, FIRST = 16, 4, 8


def in_this_process(_name: str, folder: str, checksum: str, _rules: object) -> object:
    """What a sealed agent does, without a process that takes seconds to start."""
    return load_scorer(Path(folder), checksum)


@pytest.fixture(scope="module", autouse=True)
def _in_process() -> Iterator[None]:
    measured = Footprint(latency_us=1.0, weights_bytes=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlfa.hosts.scoring.SealedAgent.start", in_this_process)
        patch.setattr("rlfa.trainers.first_lineup._footprint", lambda *_: measured)
        yield


def pupil(service: Service, folder: Path, newest: int) -> StoredAgent:
    """An agent that has learned a few made-up rows up to a time."""
    names, rng = intake_of(service).feature_names, np.random.default_rng(0)
    x = rng.lognormal(3, 1, (50, len(names))).astype(np.float32)
    rows = Rows(features=x, fraud=x[:, 0] > 30, event_time=newest - np.arange(50), feature_names=names)
    brought = agent_from_river(LINEAR, rows, folder / "vendor")
    return take_in(service, brought.folder, brought.checksum, (), "ada", "a pilot")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("learning")
    service = service_in(folder, PATIENT)
    history = simulated(service, DAYS, customers=150)
    first = Day(int(history.event_time[0]) // DAY_MS + FIRST)
    agent = pupil(service, folder, (first - DELAY_DAYS - 1) * DAY_MS)
    return run(service, history, first, signed=[Signing(agent=agent, slot=SlotId("a"), seated=True)], wall_ms=lambda: 1)


def lessons_of(played: Played) -> list[Learned]:
    return [e for entry in played.entries if isinstance(e := entry.event, Learned)]


def test_each_version_has_learned_what_had_closed_and_nothing_newer(played: Played) -> None:
    lessons = lessons_of(played)
    assert [e.number for e in lessons] == list(range(2, 2 + len(lessons)))
    assert [e.through for e in lessons] == list(range(played.first_day, played.first_day + 3))
    store = Store.open(played.service.database)
    with store.reading() as session:
        cards = [msgspec.json.decode(Agents(session).get(e.version).card, type=DataCard) for e in lessons]
    store.close()
    for lesson, card in zip(lessons, cards, strict=True):
        assert lesson.through == lesson.day == card.to_event_time // DAY_MS
        began = played.history.event_time[played.rows[played.epoch >= lesson.epoch]].min()
        assert began >= (lesson.through + 1 + DELAY_DAYS) * DAY_MS


def test_every_decision_is_explained_by_the_version_of_its_epoch(played: Played) -> None:
    found = {}
    for epoch in np.unique(played.epoch):
        row = played.rows[played.epoch == epoch][-1]
        explained = explain_again(played.service, played.history.tx_id[row], None)
        assert explained.agreement == "bit-equal"
        (vote,) = explained.votes
        found[int(epoch)] = (vote.version, vote.checksum)
    assert {e.epoch: (e.version, e.checksum) for e in lessons_of(played) if e.epoch in found}.items() <= found.items()
    assert len(set(found.values())) >= 3
    assert len({played.entries[0].agent, *(e.agent for e in lessons_of(played))}) <= 2, "it is one agent"


def test_what_comes_later_changes_nothing_that_it_decided_before(played: Played, tmp_path: Path) -> None:
    service = service_in(tmp_path, PATIENT)
    end = int(np.searchsorted(played.history.event_time, (played.first_day + 7) * DAY_MS))
    columns = {f: getattr(played.history, f)[:end] for f in History.__dataclass_fields__ if f != "refused"}
    agent = pupil(service, tmp_path, (played.first_day - DELAY_DAYS - 1) * DAY_MS)
    signing = Signing(agent=agent, slot=SlotId("a"), seated=True)
    shorter = run(service, History(**columns), played.first_day, signed=[signing], wall_ms=lambda: 1)
    np.testing.assert_array_equal(shorter.score, played.score[played.rows < end])
    assert lessons_of(shorter)


def test_one_that_knows_days_that_will_be_played_is_refused(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    history = simulated(service, DAYS, customers=150)
    first = Day(int(history.event_time[0]) // DAY_MS + FIRST)
    agent = pupil(service, tmp_path, (first + 1) * DAY_MS)
    with pytest.raises(BacktestError, match=f"rows of day {first + 1}, allowed: before {first}"):
        run(service, history, first, signed=[Signing(agent=agent, slot=SlotId("a"))])

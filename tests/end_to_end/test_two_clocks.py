"""One code, two clocks: the live service and a backtest of the same input write the same ledger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from rich.console import Console

from rlfa.backtest import run
from rlfa.cli.topics import create_topics
from rlfa.cli.train import learn
from rlfa.cluster import RunningService, start_service
from rlfa.config import Service
from rlfa.free_agency.events import TrialStarted
from rlfa.free_agency.front_office import last_state
from rlfa.lanes.session import LaneStatus
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.outcomes import log
from rlfa.rules.deciding import DECIDED, SUSPENDED
from rlfa.rules.loading import load_rules
from rlfa.store.database import Store
from rlfa.store.ledger import Entry, Ledger
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.producer import Producer
from streams.messages import Messages
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.messages import chunks
from tests.end_to_end.services import wait_until
from tests.rlfa.backtest.histories import CONFIG, SPEC, from_days, service_in

HISTORY_DAYS, DAYS, DELAY_DAYS = 9, 20, 2
LIVE = """
name = "clocks"
[kafka]
bootstrap_servers = "{servers}"
[lanes]
batch_max = 256
"""
# A healthy slot is reviewed at once, and a challenger with any evidence for it is promoted: within days, not months.
EAGER = """
[free_agency.scout]
review_days = 1
candidates = 1
cooldown_days = 30
[free_agency.probation]
alpha = 0.95
frauds_min = 1
rows_min = 1
days_min = 1
threshold_days = 1
[free_agency.trial]
share = 0.3
alpha = 0.99
frauds_min = 1
days_min = 1
[free_agency.swaps]
days_between = 0
[segments]
b = 'channel == "ecom" and amount > 5'
"""

RULES = """
[lists.remote]
field = "channel"
values = ["ecom"]
[[rules]]
name = "pricey"
action = "decline"
list = "remote"
when = "amount > 60"
declines_per_day_max = 5
[[rules]]
name = "small"
action = "allow"
when = "amount < 2"
[[rules]]
name = "odd"
action = "review"
stage = "after"
when = "lineup_score > 0.2 and amount > 40"
"""


@pytest.mark.usefixtures("local_ray")
def test_a_live_service_and_a_backtest_of_the_same_input_write_the_same_ledger(
    noida: EmbeddedBroker, tmp_path: Path
) -> None:
    spec = SPEC.replace('label_delay = "4d"', f'label_delay = "{DELAY_DAYS}d"')
    top, tables = CONFIG.split("[slots]", 1)
    live = top + LIVE.format(servers=noida.bootstrap_servers) + "[slots]" + tables + EAGER
    simulator = Simulator(demo_scenario().scaled(800), seed=6)
    service = service_in(tmp_path / "live", live, spec)
    (tmp_path / "rules.toml").write_text(RULES)
    play_live(service, simulator, tmp_path / "rules.toml")

    past = service_in(tmp_path / "past", live, spec)
    history = from_days(past, simulator, DAYS)
    first, rules = Day(int(history.event_time[0]) // DAY_MS + HISTORY_DAYS), load_rules(past, tmp_path / "rules.toml")
    played = run(past, history, first, rules=rules)

    for found, wanted in zip(played.entries, entries_of(service), strict=True):
        assert plain(found) == nearly(plain(wanted))
    assert {"ProbationStarted", "EvidenceAdded", "TrialStarted", "Promoted"} <= {e.kind for e in played.entries}
    for day in log.closed_days(service.outcomes):
        refuse_another_day(*(pq.read_table(log.path_of(s.outcomes, day)) for s in (past, service)))
    refuse_another_trial(played.entries, past, service)
    verdicts = rows_of(service, first)[log.RULE + "pricey"].to_numpy()
    assert [(verdicts == v).sum() for v in (DECIDED, SUSPENDED)] == [5, (verdicts > 0).sum() - 5]
    assert SUSPENDED in verdicts


def refuse_another_trial(entries: Sequence[Entry], past: Service, service: Service) -> None:
    """On the day that its trial began a challenger decided the same rows, about its share, here and there."""
    began = next(e.event for e in entries if e.kind == "TrialStarted")
    assert isinstance(began, TrialStarted)
    here, there = (rows_of(s, began.since).sort_by("tx_hash") for s in (past, service))
    refuse_another_day(here, there)
    share = here[log.VOTED + began.agent].to_numpy(zero_copy_only=False).astype(float).mean()
    assert 0.7 * began.share < share < 1.3 * began.share


def rows_of(service: Service, day: Day) -> pa.Table:
    """A day, closed or open."""
    closed = log.path_of(service.outcomes, day)
    rows = pq.read_table(closed) if closed.exists() else log.rows_of(service.journals, day)
    assert rows is not None
    return rows


def refuse_another_day(found: pa.Table, wanted: pa.Table) -> None:
    """The same rows, features and actions; scores to the last digit but one, since batches are cut elsewhere."""
    assert sorted(found.column_names) == sorted(wanted.column_names)
    # Reasons go out with live decisions; a backtest has nobody to give them to.
    for name in set(found.column_names) - {"partition", "offset", "label_source", "audit"}:
        here, there = (t[name].to_numpy(zero_copy_only=False) for t in (found, wanted))
        if name in {"score", "floor"} or name.startswith(log.LOGIT):
            np.testing.assert_allclose(here.astype(float), there.astype(float), rtol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(here, there, name)


def plain(entry: Entry) -> dict[str, Any]:
    """An entry without the wall clock's time, its evidence as values."""
    fields = msgspec.structs.asdict(replace(entry, recorded_at=0))
    return {**fields, "evidence": msgspec.json.decode(bytes(entry.evidence))}


def nearly(value: Any) -> Any:
    """The same with floats that equal their neighbours: a batch's size may change the last one of a score."""
    if isinstance(value, dict):
        return {key: nearly(v) for key, v in value.items()}
    if isinstance(value, list):
        return [nearly(v) for v in value]
    return pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value


def entries_of(service: Service) -> tuple[Entry, ...]:
    store = Store.open(service.database)
    with store.reading() as session:
        entries = Ledger(session).read()
    store.close()
    return entries


def play_live(service: Service, simulator: Simulator, rules: Path) -> None:
    """Publish day by day: its labels, its first transaction, and once everybody has moved on, the rest."""
    create_topics(service)
    learn(service, chunks(simulator, 0, HISTORY_DAYS), Console(quiet=True), rules)
    running = start_service(service)
    producer = Producer(service.settings.kafka)
    topics = service.settings.topics
    sent = 0
    try:
        for day, chunk in enumerate(chunks(simulator, HISTORY_DAYS, DAYS), HISTORY_DAYS):
            waiting = lane_of(running).labels_waiting if sent else 0
            publish(producer, topics.labels, chunk.labels, slice(None))
            expected = waiting + len(chunk.labels)
            wait_until(lambda n=expected: lane_of(running).labels_waiting == n, running)
            for rows in (slice(0, 1), slice(1, None)):
                publish(producer, topics.transactions, chunk.transactions, rows)
                sent += len(chunk.transactions.key[rows])
                wait_until(lambda n=sent: lane_of(running).decided == n, running)
                wait_until(lambda day=day: has_moved_on(service, running, simulator, day), running)
    finally:
        running.stop()
        producer.close()


def publish(producer: Producer, topic: str, messages: Messages, rows: slice) -> None:
    for key, value in zip(messages.key[rows], messages.value[rows], strict=True):
        producer.produce(topic, key, value)
    producer.flush()


def has_moved_on(service: Service, running: RunningService, simulator: Simulator, day: int) -> bool:
    """Every day that is closed by now is judged, no training is under way, and the lane plays what came of it."""
    first = simulator.scenario.start_ms // DAY_MS
    due = max(first + day - 1 - DELAY_DAYS, first + HISTORY_DAYS - 1)
    status = running.manager_status()
    if status is None or status.day < due or status.training:
        return False
    store = Store.open(service.database)
    state = last_state(store)
    store.close()
    return lane_of(running).lineup == state.lineup


def lane_of(running: RunningService) -> LaneStatus:
    found: list[LaneStatus] = []

    def is_there() -> bool:
        found[:] = [status for status in running.statuses() if status]
        return bool(found)

    wait_until(is_there, running)
    return found[0]

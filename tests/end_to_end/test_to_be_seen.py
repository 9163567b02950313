"""A served service as an operator sees it: probes, metrics, and its end."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from rlfa.cli import app
from rlfa.lanes.clients import group_of
from rlfa.metrics.series import SERIES
from rlfa.stress.tally import Found
from streams.kafka.embedded import EmbeddedBroker, free_port
from streams.kafka.offsets import OffsetReader
from tests.end_to_end.served import Served, serve
from tests.end_to_end.services import HISTORY_DAYS, Bench, bench
from tests.rlfa.metrics.collector import Collector, collecting

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "observe.md"
READY = (200, "ok\n")
FIRST_DAY = HISTORY_DAYS
# Series that have samples only where something is under way or in a process of its own.
NOT_AT_FIRST = {
    "rlfa_probation_log_e", "rlfa_probation_log_bound", "rlfa_probation_frauds", "rlfa_guard_log_sr",
    "rlfa_guard_log_bound", "rlfa_rule_suspensions_total",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A service that is up and has decided a day."""

    bench: Bench
    served: Served
    published: int
    collector: Collector


@pytest.fixture(scope="module")
def seen(noida: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder: Path = tmp_path_factory.mktemp("seen")
    with collecting() as collector:
        metrics = f"[metrics]\nport = {free_port()}\nevery_s = 0.2\n"
        traces = f'[traces]\nenabled = true\nendpoint = "{collector.url}"\n'
        ready = bench(folder, noida.bootstrap_servers, "seen", partitions=2, lanes=metrics + traces)
        config = folder / "rlfa.toml"
        config.write_text(config.read_text().replace('log_level = "error"', 'log_level = "info"'))
        published = ready.publish(FIRST_DAY, FIRST_DAY + 1)
        ready.send(ready.service.settings.topics.transactions, b"k", b"no JSON")
        with serve(config) as served:
            served.wait_until(lambda: served.answers("/readyz") == READY, "ready")
            served.wait_until(lambda: served.total("rlfa_decisions_total") >= published, "decided")
            yield Seen(ready, served, published, collector)


def test_every_series_is_served_and_has_samples_once_there_is_something_to_tell(seen: Seen) -> None:
    _, text = seen.served.get("/metrics")
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE rlfa_")}
    assert (
        named
        == {series.name for series in SERIES}
        == set(re.findall(r"^\| `(rlfa_\w+)`", PAGE.read_text(), re.MULTILINE))
    )
    sampled = {key.partition("{")[0] for key in seen.served.samples()}
    missing = {s.name for s in SERIES if not sampled & {s.name, f"{s.name}_count"}}
    assert missing == NOT_AT_FIRST


def test_what_was_decided_is_counted_once_it_is_committed(seen: Seen) -> None:
    found = seen.served.samples()
    assert seen.served.total("rlfa_decisions_total") == seen.published
    assert found["rlfa_end_to_end_seconds_count{lane=0}"] == seen.published + 1
    assert found["rlfa_dead_letters_total{lane=0,reason=not_json}"] == 1
    assert found["rlfa_host_batch_rows_sum{host=inline,lane=0}"] == seen.published
    assert found["rlfa_stage_seconds_count{lane=0,stage=commit}"] > 0
    assert found["rlfa_state_bytes{process=lane-0}"] > 0


def test_a_service_that_has_decided_everything_has_no_lag_although_markers_end_its_topics(seen: Seen) -> None:
    seen.served.wait_until(lambda: seen.served.total("rlfa_lag_records") == 0, "no lag")
    assert seen.served.total("rlfa_lag_seconds") == 0


def test_no_metric_names_a_person_or_a_transaction(seen: Seen) -> None:
    _, text = seen.served.get("/metrics")
    decided = list(seen.bench.decided())
    assert decided
    assert not any(name in text for name in decided[:200])
    labels = {label for series in SERIES for label in series.labels}
    assert labels == {
        "version", "process", "reason", "topic", "partition", "lane", "action", "stage", "host", "rule", "error",
        "kind", "slot", "agent", "standing",
    }  # fmt: skip


def test_probes_answer_in_one_line_and_other_paths_are_refused(seen: Seen) -> None:
    assert seen.served.get("/livez") == READY
    assert seen.served.get("/readyz") == READY
    assert seen.served.get("/")[0] == 404


def stress(seen: Seen, *options: str) -> Result:
    begin = datetime.fromtimestamp(seen.bench.simulator.scenario.start_ms / 1000, UTC) + timedelta(days=FIRST_DAY + 1)
    config = ["--config", str(seen.served.log.parent / "rlfa.toml"), "--event-time", f"{begin:%Y-%m-%dT%H:%M:%S}"]
    return CliRunner().invoke(app, ["stress", *config, "--json", "--seconds", "0.5", *options])


@pytest.mark.parametrize("shape", [("--rate", "200"), ("--in-flight", "20")])
def test_stress_counts_a_decision_for_each_transaction_that_it_has_sent(seen: Seen, shape: tuple[str, str]) -> None:
    done = stress(seen, "--test-service", "seen", *shape)
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(done.stdout, type=Found)
    assert found.sent >= 20
    assert (found.decided, found.lost, found.doubled, found.refused) == (found.sent, 0, 0, 0)
    assert found.p50_ms is not None
    assert found.p99_ms is not None
    assert 0 < found.p50_ms <= found.p99_ms


def test_stress_fails_past_a_limit_and_says_which(seen: Seen) -> None:
    done = stress(seen, "--test-service", "seen", "--rate", "50", "--max-p99-ms", "0.001")
    assert done.exit_code == 1
    assert "p99_ms: found" in done.stderr


def test_stress_sends_nothing_to_a_service_that_it_was_not_told_the_name_of(seen: Seen) -> None:
    before = len(seen.bench.decided())
    for name in ([], ["--test-service", "other"]):
        done = stress(seen, "--rate", "50", *name)
        assert done.exit_code == 2
        assert "service decides about nothing real" in re.sub(r"[│\s]+", " ", done.stderr)
    assert len(seen.bench.decided()) == before


def test_sigterm_commits_what_is_in_hand_within_its_limit_and_a_restart_would_go_on_behind_it(seen: Seen) -> None:
    settings = seen.bench.service.settings
    before = seen.served.total("rlfa_decisions_total")
    seen.bench.publish(FIRST_DAY + 1, FIRST_DAY + 4)
    seen.served.wait_until(lambda: seen.served.total("rlfa_decisions_total") > before, "in the middle")
    assert seen.served.terminate(settings.drain_s + 10) == 0, seen.served.log.read_text()
    events = [json.loads(x)["event"] for x in seen.served.log.read_text().splitlines() if x.startswith("{")]
    for event in ("lane_recovered", "records_refused", "lane_stopped", "service_stopped"):
        assert event in events
    decided = seen.bench.decided()
    assert set(decided.values()) == {1}
    reader = OffsetReader(settings.kafka, group_of(seen.bench.service), 5.0)
    committed = reader.look([settings.topics.transactions]).values()
    # Each committed input has its answer, a decision or a dead letter: nothing was taken without being seen through.
    assert sum(at.committed or 0 for at in committed) == len(decided) + len(seen.bench.dead())


def test_every_committed_batch_was_traced_by_the_time_that_the_service_has_ended(seen: Seen) -> None:
    names = Counter(seen.collector.names)
    batches = names[f"process {seen.bench.service.settings.topics.transactions}"]
    assert names["commit"] == batches
    assert 1 < names["score"] <= batches  # a batch of labels alone is scored by nobody

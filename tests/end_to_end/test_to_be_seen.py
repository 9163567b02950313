"""A served service as an operator sees it: probes, metrics, and its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlfa.lanes.clients import group_of
from rlfa.metrics.series import SERIES
from streams.kafka.embedded import EmbeddedBroker, free_port
from streams.kafka.offsets import OffsetReader
from tests.end_to_end.served import Served, serve
from tests.end_to_end.services import HISTORY_DAYS, Bench, bench

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


@pytest.fixture(scope="module")
def seen(noida: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder: Path = tmp_path_factory.mktemp("seen")
    metrics = f"[metrics]\nport = {free_port()}\nevery_s = 0.2\n"
    ready = bench(folder, noida.bootstrap_servers, "seen", partitions=2, lanes=metrics)
    published = ready.publish(FIRST_DAY, FIRST_DAY + 1)
    ready.send(ready.service.settings.topics.transactions, b"k", b"no JSON")
    with serve(folder / "rlfa.toml") as served:
        served.wait_until(lambda: served.answers("/readyz") == READY, "ready")
        served.wait_until(lambda: served.total("rlfa_decisions_total") >= published, "decided")
        yield Seen(ready, served, published)


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


def test_sigterm_commits_what_is_in_hand_within_its_limit_and_a_restart_would_go_on_behind_it(seen: Seen) -> None:
    settings = seen.bench.service.settings
    seen.bench.publish(FIRST_DAY + 1, FIRST_DAY + 4)
    seen.served.wait_until(lambda: seen.served.total("rlfa_decisions_total") > seen.published, "in the middle")
    assert seen.served.terminate(settings.drain_s + 10) == 0, seen.served.log.read_text()
    decided = seen.bench.decided()
    assert set(decided.values()) == {1}
    reader = OffsetReader(settings.kafka, group_of(seen.bench.service), 5.0)
    committed = reader.look([settings.topics.transactions]).values()
    # Each committed input has its answer, a decision or a dead letter: nothing was taken without being seen through.
    assert sum(at.committed or 0 for at in committed) == len(decided) + len(seen.bench.dead())

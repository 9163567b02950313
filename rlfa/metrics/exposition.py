"""One look as Prometheus' text: samples for each of `SERIES`, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import rlfa
from rlfa.lineup.slots import DAY_MS
from rlfa.metrics.histograms import Counts
from rlfa.metrics.lane import HostCounts
from rlfa.metrics.manager import STANDINGS, ManagerReport
from rlfa.metrics.observer import Seen
from rlfa.metrics.process import ProcessReport
from rlfa.metrics.reports import LaneReport
from rlfa.metrics.series import SERIES, Series

Sample = tuple[str, tuple[str, ...], float | Counts]


def registry(samples: Callable[[], Iterable[Sample]]) -> CollectorRegistry:
    """What a scrape reads: our series as of then, and this process as the client library knows it."""
    found = CollectorRegistry(auto_describe=False)
    found.register(_Families(samples))
    ProcessCollector(registry=found)
    return found


def samples_of(seen: Seen | None, *, alert_budget: int, is_ready: bool) -> Iterator[Sample]:
    """Everything that a look tells.

    Args:
        seen: None before the first one.
        alert_budget: of the settings.
        is_ready: whether `/readyz` says so.
    """
    yield "rlfa_build_info", (rlfa.__version__,), 1.0
    yield "rlfa_alert_budget", (), float(alert_budget)
    yield "rlfa_ready", (), float(is_ready)
    if seen is None:
        return
    yield "rlfa_broker_up", (), float(seen.is_broker_up)
    for (name, reason), count in seen.restarts.items():
        yield "rlfa_restarts_total", (name, reason), float(count)
    for (topic, partition), lag in seen.lags.items():
        place = (topic, str(partition))
        yield "rlfa_lag_records", place, float(lag.records)
        yield "rlfa_lag_seconds", place, lag.seconds
        yield "rlfa_unfinished_records", place, float(lag.unfinished)
    for name, process in seen.reports.processes.items():
        yield "rlfa_up", (name,), float(process is not None)
        yield from _of_process(name, process)
    for report in seen.reports.lanes.values():
        if report is not None:
            yield from _of_lane(report)
    if seen.reports.manager is not None:
        yield from _of_manager(seen.reports.manager)


class _Families(Collector):
    """The series, empty ones too, so that who asks learns what there is."""

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        families = {series.name: _family(series) for series in SERIES}
        for name, labels, value in self._samples():
            _add(families[name], labels, value)
        yield from families.values()


Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def _family(series: Series) -> Family:
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    family: Family = kinds[series.kind](series.name, series.meaning, labels=series.labels)
    return family


def _add(family: Family, labels: tuple[str, ...], value: float | Counts) -> None:
    if isinstance(family, HistogramMetricFamily):
        assert isinstance(value, Counts)
        bounds = [*map(str, value.bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.sum)
    else:
        assert not isinstance(value, Counts)
        family.add_metric(labels, value)


def _of_process(name: str, process: ProcessReport | None) -> Iterator[Sample]:
    if process is None:
        return
    yield "rlfa_process_resident_bytes", (name,), float(process.resident_bytes)
    yield "rlfa_process_cpu_seconds_total", (name,), process.cpu_seconds
    yield "rlfa_process_open_files", (name,), float(process.open_files)
    yield "rlfa_log_keys_dropped_total", (name,), float(process.log_keys_dropped)
    if process.state_bytes:
        yield "rlfa_state_bytes", (name,), float(process.state_bytes)


def _of_lane(report: LaneReport) -> Iterator[Sample]:
    lane, counts, status = str(report.lane), report.counts, report.status
    single: dict[str, float | Counts] = {
        "rlfa_degraded_decisions_total": counts.degraded,
        "rlfa_over_budget_decisions_total": counts.over_budget,
        "rlfa_labels_total": counts.labels,
        "rlfa_recoveries_total": counts.recoveries,
        "rlfa_end_to_end_seconds": counts.end_to_end,
        "rlfa_lane_recovered": float(status is not None),
        "rlfa_lane_turn_seconds": report.turn_s or 0.0,
        "rlfa_alerts_raised": report.alerts_raised,
    }
    if status is not None:
        single |= {
            "rlfa_lane_epoch": status.epoch,
            "rlfa_labels_waiting": status.labels_waiting,
        }
        if status.event_time is not None:
            single["rlfa_event_time_seconds"] = status.event_time / 1000
    for name, value in single.items():
        yield name, (lane,), value
    by_one: dict[str, Mapping[str, float | Counts]] = {
        "rlfa_decisions_total": counts.decisions,
        "rlfa_dead_letters_total": counts.dead_letters,
        "rlfa_stage_seconds": counts.stages,
        "rlfa_rule_suspensions_total": counts.suspensions,
        "rlfa_reconnects_total": counts.reconnects,
    }
    for name, values in by_one.items():
        for label, value in values.items():
            yield name, (lane, label), value
    for host, sent in counts.hosts.items():
        yield from _of_host(lane, host, sent)


def _of_host(lane: str, host: str, counts: HostCounts) -> Iterator[Sample]:
    for reason, batches in counts.sent.items():
        yield "rlfa_host_batches_total", (lane, host, reason), float(batches)
    yield "rlfa_host_wait_seconds", (lane, host), counts.waited
    yield "rlfa_host_batch_rows", (lane, host), counts.rows
    yield "rlfa_host_unanswered_total", (lane, host), float(counts.unanswered)


def _of_manager(report: ManagerReport) -> Iterator[Sample]:
    yield "rlfa_epoch", (), float(report.epoch)
    yield "rlfa_cohort_seconds", (), (report.day + 1) * DAY_MS / 1000
    yield "rlfa_trainings_in_progress", (), float(report.trainings)
    yield "rlfa_store_up", (), float(report.is_store_up)
    for kind, count in report.entries.items():
        yield "rlfa_ledger_entries_total", (kind,), float(count)
    for whom, count in report.waits.items():
        yield "rlfa_manager_waits_total", (whom,), float(count)
    for p in report.probations:
        yield "rlfa_probation_log_e", (p.slot, p.agent, p.stage), p.log_e
        yield "rlfa_probation_log_bound", (p.slot, p.agent), p.log_bound
        yield "rlfa_probation_frauds", (p.slot, p.agent), float(p.frauds)
    for guard in report.guards:
        yield "rlfa_guard_log_sr", (guard.slot, guard.agent), guard.log_sr
        yield "rlfa_guard_log_bound", (guard.slot, guard.agent), guard.log_bound
    for slot, weight in report.weights.items():
        yield "rlfa_slot_weight", (slot,), weight
    for slot, standing in report.standings.items():
        for each in STANDINGS:
            yield "rlfa_slot_standing", (slot, each), float(each == standing)

"""The endpoint by itself: what it answers before anything runs, where it may listen, and what it serves of a look."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rlfa.errors import ConfigError
from rlfa.free_agency.state import ManagerState
from rlfa.lineup.slots import Day, Epoch
from rlfa.metrics.batches import BatchLog
from rlfa.metrics.endpoint import Endpoint
from rlfa.metrics.health import Health
from rlfa.metrics.lane import LaneMeter
from rlfa.metrics.manager import ManagerMeter
from rlfa.metrics.series import SERIES
from rlfa.metrics.settings import MetricsSettings
from streams.kafka.source import Record
from tests.rlfa.metrics.builders import TRANSACTIONS, lane, process, seen

FREE = MetricsSettings(port=0)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint(FREE, Health(FREE, TRANSACTIONS[0]), alert_budget=100)
    with found.serving():
        yield found


def get(endpoint: Endpoint, path: str, accept: str = "") -> tuple[int, str]:
    request = urllib.request.Request(endpoint.url + path, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_before_the_service_runs_it_is_live_and_not_ready_and_says_so_in_its_metrics(endpoint: Endpoint) -> None:
    assert get(endpoint, "/livez") == (200, "ok\n")
    assert get(endpoint, "/readyz") == (503, "service: starts\n")
    assert "rlfa_ready 0.0" in get(endpoint, "/metrics")[1]


def test_it_speaks_openmetrics_to_those_who_ask_for_it(endpoint: Endpoint) -> None:
    endpoint.health.seen = seen(lane())
    _, text = get(endpoint, "/metrics", "application/openmetrics-text; version=1.0.0")
    families = {family.name for family in text_string_to_metric_families(text)}
    assert {series.name.removesuffix("_total") for series in SERIES} <= families


def test_a_lane_that_does_not_answer_is_down_and_tells_nothing_else(endpoint: Endpoint) -> None:
    endpoint.health.seen = seen(lane(0), None)
    text = get(endpoint, "/metrics")[1]
    assert 'rlfa_up{process="lane-1"} 0.0' in text
    assert 'lane="1"' not in text


def test_buckets_add_up_as_prometheus_wants_them(endpoint: Endpoint) -> None:
    meter = LaneMeter()
    for age_ms in (1, 10, 10, 5000, 10_000_000):
        meter.committed(BatchLog(), [Record("t", 0, 0, 0, None, None)], 0, [], because="drained", now=age_ms)
    endpoint.health.seen = seen(lane(meter=meter))
    lines = [x.split() for x in get(endpoint, "/metrics")[1].splitlines() if x.startswith("rlfa_end_to_end_seconds_b")]
    found = {name: float(count) for name, count in lines}
    wanted = {"0.002": 1, "0.005": 1, "0.01": 3, "2.0": 3, "5.0": 4, "1800.0": 4, "+Inf": 5}
    assert {le: found[f'rlfa_end_to_end_seconds_bucket{{lane="0",le="{le}"}}'] for le in wanted} == wanted


def test_a_port_that_is_taken_is_refused_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = replace(FREE, port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match=r"metrics.host, port: found '127.0.0.1:\d+ \(Address already in use\)'"):
            Endpoint(settings, Health(settings, "t"), alert_budget=1)


def test_an_address_of_another_machine_is_refused_in_one_line() -> None:
    settings = replace(FREE, host="192.0.2.1")
    with pytest.raises(ConfigError, match=r"metrics.host, port: found '192.0.2.1:0"):
        Endpoint(settings, Health(settings, "t"), alert_budget=1)


def test_the_manager_tells_why_it_waits_and_that_the_store_is_back() -> None:
    meter, state = ManagerMeter(), ManagerState(epoch=Epoch(3), day=Day(9), seed=0, slots=())
    meter.waits_for("store")
    away = meter.report(state, 365.0, 0, process())
    meter.is_store_up = True
    back = meter.report(state, 365.0, 2, process())
    assert (away.is_store_up, back.is_store_up, back.waits, back.trainings) == (
        False,
        True,
        {"broker": 0, "store": 1},
        2,
    )

"""Log lines: only keys that somebody vouched for, and an actor's are handed over once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from rlfa.telemetry import RELAYED_MAX, configure_logs, dropped_keys, logger, relayed_lines


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    relayed_lines()
    yield
    relayed_lines()
    configure_logs()


def test_an_actors_lines_are_handed_over_once_as_they_were_written() -> None:
    out = io.StringIO()
    configure_logs("info", stream=out, relay=True)
    logger().debug("too_quiet")
    logger().info("lane_recovered", lane=3)
    found = relayed_lines()
    assert out.getvalue().splitlines() == list(found)
    assert json.loads(found[0])["lane"] == 3
    assert relayed_lines() == ()


def test_lines_that_nobody_collects_are_bounded_and_the_newest_are_kept() -> None:
    configure_logs("info", stream=io.StringIO(), relay=True)
    for number in range(RELAYED_MAX + 5):
        logger().info("counted", count=number)
    found = [json.loads(line)["count"] for line in relayed_lines()]
    assert found == list(range(5, RELAYED_MAX + 5))


def test_without_a_relay_nothing_is_kept() -> None:
    configure_logs("info", stream=io.StringIO())
    logger().info("counted", count=1)
    assert relayed_lines() == ()


def test_a_key_that_nobody_vouched_for_is_left_out_of_every_copy_and_counted() -> None:
    out, before = io.StringIO(), dropped_keys().get("customer", 0)
    configure_logs("info", stream=out, relay=True)
    logger().info("decided", customer="ada", lane=1)
    assert "ada" not in out.getvalue() + "".join(relayed_lines())
    assert dropped_keys()["customer"] == before + 1

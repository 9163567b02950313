"""Probes are told one line of reason, and are wrong in no direction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlfa.metrics.health import Health, Phase
from rlfa.metrics.observer import Seen
from rlfa.metrics.settings import MetricsSettings
from tests.rlfa.metrics.builders import TRANSACTIONS, lane, seen

NOW = 101.0


def health(looked: Seen | None, phase: Phase = "runs", beat: float = NOW) -> Health:
    return Health(MetricsSettings(), TRANSACTIONS[0], phase, beat, looked)


def test_ready_is_a_service_whose_lanes_all_decide_within_their_limits() -> None:
    assert health(seen(lane(0), lane(1))).not_ready(NOW) == ""


@pytest.mark.parametrize(
    ("looked", "reason"),
    [
        (None, "service: nobody has been asked yet"),
        (replace(seen(lane(0)), lags={}), "broker: no answer within 2 s"),
        (seen(lane(0), None), "lane 1: no answer within 2 s"),
        (seen(lane(0), lane(1, recovers=True)), "lane 1: connects or recovers"),
        (seen(lane(0, turn_s=12.0)), "lane 0: found a batch of 12.0 s, allowed: 10 (metrics.ready_turn_s)"),
        (
            seen(lane(0), behind_s=61.0),
            "transactions partition 0: found 61 s behind, allowed: 60 (metrics.ready_lag_s)",
        ),
        (seen(lane(0), at=60.0), "last look: found 41 s ago, allowed: 30 (metrics.live_s)"),
    ],
)
def test_what_is_not_ready_says_why_in_one_line_and_is_live_all_the_same(looked: Seen | None, reason: str) -> None:
    found = health(looked)
    assert found.not_ready(NOW) == reason
    assert found.not_live(NOW) == ""


@pytest.mark.parametrize("phase", ["starts", "stops"])
def test_a_service_that_starts_or_stops_is_live_and_not_ready(phase: Phase) -> None:
    found = health(seen(lane(0)), phase, beat=0.0)
    assert (found.not_live(NOW), found.not_ready(NOW)) == ("", f"service: {phase}")


def test_a_main_loop_that_stands_still_is_not_live() -> None:
    found = health(seen(lane(0)), beat=60.0)
    assert found.not_live(NOW) == "main loop: found 41 s ago, allowed: 30 (metrics.live_s)"


def test_labels_behind_make_nothing_unready() -> None:
    looked = seen(lane(0), behind_s=1e6)
    assert Health(MetricsSettings(), "others", "runs", NOW, looked).not_ready(NOW) == ""

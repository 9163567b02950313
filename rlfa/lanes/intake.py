"""A fresh intake from the settings: the same for lanes, history and backtests."""

from __future__ import annotations

from rlfa.config import Service
from rlfa.lanes.step import Intake
from rlfa.lanes.watermarks import Watermarks
from rlfa.outcomes.labels import LabelQueue
from rlfa.shards.split import every_state, lane_state
from rlfa.shards.windows import SharedWindows
from streams.codec import LabelCodec, TransactionCodec


def intake_of(service: Service, shared: SharedWindows | None = None) -> Intake:
    """Codecs, windows and queues for the service's stream, empty.

    Args:
        service: settings.
        shared: keeps the windows of all entities but the topic's key.
    """
    spec = service.spec
    return Intake(
        spec=spec,
        transactions=TransactionCodec(spec, spec.hmac_key()),
        labels=LabelCodec(),
        state=lane_state(spec) if shared else every_state(spec),
        watermarks=Watermarks(lateness_max_ms=spec.lateness_max_ms, ahead_max_ms=spec.ahead_max_ms),
        queue=LabelQueue(patience_ms=spec.lateness_max_ms),
        shared=shared,
    )

"""A fresh intake from the settings: the same for lanes, history and backtests."""

from __future__ import annotations

from rlfa.config import Service
from rlfa.lanes.step import Intake
from rlfa.lanes.watermarks import Watermarks
from rlfa.outcomes.labels import LabelQueue
from streams.codec import LabelCodec, TransactionCodec
from streams.features.windows import FeatureState


def intake_of(service: Service) -> Intake:
    """Codecs, windows and queues for the service's stream, empty."""
    spec = service.spec
    return Intake(
        spec=spec,
        transactions=TransactionCodec(spec, spec.hmac_key()),
        labels=LabelCodec(),
        state=FeatureState(spec.windows, tuple(spec.entities), lateness_ms=spec.lateness_max_ms + spec.ahead_max_ms),
        watermarks=Watermarks(lateness_max_ms=spec.lateness_max_ms, ahead_max_ms=spec.ahead_max_ms),
        queue=LabelQueue(patience_ms=spec.lateness_max_ms),
    )

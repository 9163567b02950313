"""What a conversion hands out, and the data card that goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.bring.rows import Rows
from agents.calibration import Calibration, fit_calibration
from agents.data_card import DataCard
from agents.genome import Genome
from agents.inputs import typical_row
from agents.metrics import auc, average_precision, calibration_error

AS_IT_IS = "none: the probabilities of the model"
TOLERANCE = 1e-5  # of a probability, between the agent and the model that it was made from


@dataclass(frozen=True, slots=True)
class Brought:
    """An agent's folder.

    Attributes:
        folder: with weights, genome and data card.
        checksum: SHA-256 of the weights, hex: what `rlfa agents import` asks for.
    """

    folder: Path
    checksum: str


def card_of(
    genome: Genome,
    rows: Rows,
    later: Rows | None,
    logits: NDArray[np.float32] | None,
    *,
    categorical: Sequence[str],
    calibration: str,
    versions: Mapping[str, str],
) -> DataCard:
    """A data card for a model that was trained elsewhere.

    Args:
        genome: what the service trains in its place.
        rows: it was trained on.
        later: rows that calibrated it, if any.
        logits: float32 of the later rows, calibrated; None without them.
        categorical: features that hold category codes.
        calibration: how its logits were calibrated.
        versions: of the libraries that made it.
    """
    last = int(rows.event_time.max())
    codes = [j for j, name in enumerate(rows.feature_names) if name in categorical]
    return DataCard(
        genome=genome.id,
        rows=len(rows.fraud),
        frauds=int(rows.fraud.sum()),
        from_event_time=int(rows.event_time.min()),
        to_event_time=last,
        validation_from_event_time=int(later.event_time.min()) if later else last + 1,
        validation_rows=len(later.fraud) if later else 0,
        validation_frauds=int(later.fraud.sum()) if later else 0,
        epochs=0,
        metrics=_metrics(logits, later.fraud) if later and logits is not None else {},
        calibration=calibration,
        feature_names=tuple(rows.feature_names),
        categorical=tuple(rows.feature_names[j] for j in codes),
        seed=genome.seed,
        warm_start="",
        versions=dict(versions),
        typical=typical_row(
            rows.features[~rows.fraud], [j for j, n in enumerate(rows.feature_names) if n in categorical]
        ),
    )


def calibrated(logits: NDArray[np.float32], later: Rows) -> tuple[Calibration, str]:
    """Platt's scaling on rows that the model wasn't trained on, and a line for the card."""
    return fit_calibration("platt", logits, later.fraud, np.zeros(len(later.fraud), np.bool_))


def _metrics(logits: NDArray[np.float32], fraud: NDArray[np.bool_]) -> dict[str, float]:
    if not fraud.any() or fraud.all():
        return {}
    score = probability(logits)
    return {
        "average_precision": average_precision(fraud, score),
        "auc": auc(fraud, score),
        "calibration_error": calibration_error(fraud, score),
    }


def probability(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """float64[n] of logits [n]."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64))))

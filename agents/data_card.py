"""What an agent was trained on: kept with its weights for good."""

from __future__ import annotations

import msgspec


class DataCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rows, times, features and first figures of one training."""

    genome: str
    """Id of the genome."""
    rows: int
    frauds: int
    from_event_time: int
    """ms UTC, of the first row."""
    to_event_time: int
    """ms UTC, of the last row."""
    validation_from_event_time: int
    """ms UTC: rows from here on were for early stopping and calibration."""
    validation_rows: int
    validation_frauds: int
    epochs: int
    metrics: dict[str, float]
    """On the validation rows, of the model before any refit."""
    tasks: dict[str, dict[str, float]] = {}
    """Of a task-aware gate the same by task, with its rows and frauds; named by the code of its category."""
    calibration: str
    """How logits were calibrated, or why they were not."""
    feature_names: tuple[str, ...]
    categorical: tuple[str, ...]
    seed: int
    warm_start: str
    """Id of the agent whose weights were the start; empty for none."""
    selected_features: tuple[str, ...] | None = None
    """Features with a weight that isn't zero, where a penalty chose them."""
    versions: dict[str, str]
    """Of the libraries that trained it."""
    typical: tuple[float | None, ...] = ()
    """Of the genuine rows each feature's median, a category's most frequent code; None where it was never known."""
    latency_us: float | None = None
    """Scoring time per row in one thread, measured once by the service that stored the agent."""
    weights_bytes: int | None = None
    """Size of the weights' file, likewise."""
    learns: bool = False
    """Whether it learns row by row, as the service that stored the agent found it."""

"""What a training was given and how it started: the part of a free agent's data card that the ledger keeps."""

from __future__ import annotations

import msgspec

from agents.data_card import DataCard
from rlfa.lineup.slots import DAY_MS, AgentId, Day, date_of


class TrainingRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One training, without the clock of the wall: the same order gives the same record."""

    day_from: Day
    day_to: Day
    rows: int
    frauds: int
    warm_start: AgentId = AgentId("")
    """The agent whose weights were the start; empty where that was chance."""
    deltas: int = 0
    """Low-rank changes over that agent, which stays as it was; 0: all its weights went on."""
    loss_warm: float | None = None
    """Loss on the newest matured days of the training that starts from the incumbent's weights; None where there was
    but one training."""
    loss_cold: float | None = None
    loss_deltas: float | None = None
    """Likewise of the one that only trains low-rank changes of the incumbent; None where there was none."""
    refitted: bool = False
    """Trained once more after the offline gate, with its days."""


def record_of(
    card: DataCard,
    deltas: int = 0,
    *,
    loss_warm: float | None = None,
    loss_cold: float | None = None,
    loss_deltas: float | None = None,
    refitted: bool = False,
) -> TrainingRecord:
    """What a card says, and how the starts compared."""
    return TrainingRecord(
        day_from=Day(card.from_event_time // DAY_MS),
        day_to=Day(card.to_event_time // DAY_MS),
        rows=card.rows,
        frauds=card.frauds,
        warm_start=AgentId(card.warm_start),
        deltas=deltas,
        loss_warm=loss_warm,
        loss_cold=loss_cold,
        loss_deltas=loss_deltas,
        refitted=refitted,
    )


def explain(record: TrainingRecord) -> str:
    """A record in a sentence."""
    days = f"{date_of(record.day_from)} to {date_of(record.day_to)}"
    again = ", the offline gate's days among them" if record.refitted else ""
    seen = f"trained on {days}, {record.rows} transactions, {record.frauds} frauds{again}"
    compared = [
        f"{loss:.2f} {how}"
        for loss, how in (
            (record.loss_warm, "from the incumbent's weights"),
            (record.loss_deltas, "with deltas over the incumbent"),
            (record.loss_cold, "without"),
        )
        if loss is not None
    ]
    if len(compared) < 2:
        return seen
    kept = f"{record.deltas} deltas over" if record.deltas else "from the weights of"
    start = f"{kept} {record.warm_start}" if record.warm_start else "from nothing"
    return f"{seen}, {start}: loss {', '.join(compared)}"

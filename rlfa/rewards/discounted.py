"""Discounted reward and detection: what an agent has earned lately, per transaction."""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace


class Earned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One agent's own decisions on one closed cohort, at its own threshold under the common alert budget."""

    rows: int
    missing: int
    """Rows without a score: the agent approves there."""
    frauds: int
    caught: int
    stopped: int
    accuracy: float
    """Money, against approving everything."""
    synergy: float = 0.0
    """Money that the lineup would lose without it; 0 for one that decides nothing."""
    penalties: float = 0.0
    """Money, for the rows without a score."""
    squares: float = 0.0
    """Sum over rows of the squared distance from the discounted reward before."""

    @property
    def reward(self) -> float:
        """Money of all parts that are measured."""
        return self.accuracy + self.synergy - self.penalties


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sums over cohorts, each weighing half as much as the one a half-life later."""

    gain: float = 0.0
    rows: float = 0.0
    squares: float = 0.0
    frauds: float = 0.0
    caught: float = 0.0
    cohorts: int = 0

    @property
    def reward(self) -> float:
        """Money per transaction; 0 before the first."""
        return self.gain / self.rows if self.rows else 0.0

    @property
    def reward_error(self) -> float:
        """Standard error of `reward`."""
        return math.sqrt(self.squares) / self.rows if self.rows else 0.0

    def detection(self, frauds_min: float) -> float | None:
        """Share of frauds caught; None, which is never "low", under so many (discounted) frauds."""
        return self.caught / self.frauds if self.frauds and self.frauds >= frauds_min else None


class PairRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A slot's incumbent and one of its shadows on the same cohorts."""

    incumbent: Record = Record()
    shadow: Record = Record()

    @property
    def gap(self) -> float:
        """Money per transaction that the shadow would have earned more."""
        return self.shadow.reward - self.incumbent.reward


def discount(half_life: float) -> float:
    """Factor per cohort that halves a weight after `half_life` cohorts."""
    return float(2.0 ** (-1.0 / half_life))


def after(record: Record, earned: Earned, half_life: float) -> Record:
    """The record with one more cohort."""
    keep = discount(half_life)
    return Record(
        gain=keep * record.gain + earned.reward,
        rows=keep * record.rows + earned.rows,
        squares=keep * keep * record.squares + earned.squares,
        frauds=keep * record.frauds + earned.frauds,
        caught=keep * record.caught + earned.caught,
        cohorts=record.cohorts + 1,
    )


def pair_after(pair: PairRecord, incumbent: Earned, shadow: Earned, half_life: float) -> PairRecord:
    """Both records with one more cohort; without synergy, which a shadow can't have."""
    alone = replace(incumbent, synergy=0.0)
    return PairRecord(incumbent=after(pair.incumbent, alone, half_life), shadow=after(pair.shadow, shadow, half_life))

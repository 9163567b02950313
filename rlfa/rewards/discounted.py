"""Discounted reward and detection: what an agent has earned lately, per transaction."""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace


class Weighed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sums over the rows of a cohort whose truth was seen, each standing for 1/chance rows."""

    rows: float
    rows_squared: float
    """Sum of the squared weights: how few rows carry the figure."""
    frauds: float
    frauds_squared: float
    caught: float


class Earned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One agent's own decisions on one closed cohort, at its own threshold under the common alert budget."""

    rows: int
    """Of the cohort. Counts are of rows as they were; money and `squares` are summed with the rows' weights."""
    missing: int
    """Rows without a score: the agent approves there."""
    frauds: int
    caught: int
    stopped: int
    accuracy: float
    """Money, against approving everything."""
    synergy: float = 0.0
    """Money that the lineup would lose without it; 0 for one that decides nothing."""
    inefficiency: float = 0.0
    """Money, for latency and memory over their limits."""
    penalties: float = 0.0
    """Money, for the rows without a score."""
    squares: float = 0.0
    """Sum over rows of the squared distance from the discounted reward before."""
    weighed: Weighed | None = None
    """Where declines hide the truth; None: that of every row is known, and each counts once."""

    @property
    def sums(self) -> Weighed:
        """What figures are taken over."""
        rows, frauds = float(self.rows), float(self.frauds)
        return self.weighed or Weighed(
            rows=rows, rows_squared=rows, frauds=frauds, frauds_squared=frauds, caught=float(self.caught)
        )

    @property
    def reward(self) -> float:
        """Money of all four parts."""
        return self.accuracy + self.synergy - self.inefficiency - self.penalties


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sums over cohorts, each weighing half as much as the one a half-life later.

    Figures are sums over weighted rows divided by the sum of the weights (self-normalised): bounded by what one row can
    earn, and biased by less than one part in the number of rows.

    Source: Swaminathan & Joachims 2015, "The self-normalized estimator for counterfactual learning".
    """

    gain: float = 0.0
    rows: float = 0.0
    squares: float = 0.0
    frauds: float = 0.0
    caught: float = 0.0
    cohorts: int = 0
    rows_squared: float = 0.0
    """Sum of the squared weights, as is the next."""
    frauds_squared: float = 0.0

    @property
    def reward(self) -> float:
        """Money per transaction; 0 before the first."""
        return self.gain / self.rows if self.rows else 0.0

    @property
    def reward_error(self) -> float:
        """Standard error of `reward`."""
        return math.sqrt(self.squares) / self.rows if self.rows else 0.0

    @property
    def rows_effective(self) -> float:
        """Rows of weight 1 that would say as much: as many as there are where every truth is known."""
        return effective(self.rows, self.rows_squared)

    def detection(self, frauds_min: float) -> float | None:
        """Share of frauds caught; None, which is never "low", under so many (discounted, effective) frauds."""
        enough = effective(self.frauds, self.frauds_squared) >= frauds_min
        return self.caught / self.frauds if self.frauds and enough else None


class PairRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A slot's incumbent and one of its shadows on the same cohorts."""

    incumbent: Record = Record()
    shadow: Record = Record()

    @property
    def gap(self) -> float:
        """Money per transaction that the shadow would have earned more."""
        return self.shadow.reward - self.incumbent.reward


def effective(total: float, squared: float) -> float:
    """Kish's effective size `(Σw)²/Σw²`; with weights of 1, as many as there are."""
    return total * (total / squared) if squared else total


def discount(half_life: float) -> float:
    """Factor per cohort that halves a weight after `half_life` cohorts."""
    return float(2.0 ** (-1.0 / half_life))


def after(record: Record, earned: Earned, half_life: float) -> Record:
    """The record with one more cohort."""
    keep, sums = discount(half_life), earned.sums
    return Record(
        gain=keep * record.gain + earned.reward,
        rows=keep * record.rows + sums.rows,
        squares=keep * keep * record.squares + earned.squares,
        frauds=keep * record.frauds + sums.frauds,
        caught=keep * record.caught + sums.caught,
        cohorts=record.cohorts + 1,
        rows_squared=keep * record.rows_squared + sums.rows_squared,
        frauds_squared=keep * record.frauds_squared + sums.frauds_squared,
    )


def pair_after(pair: PairRecord, incumbent: Earned, shadow: Earned, half_life: float) -> PairRecord:
    """Both records with one more cohort; without synergy, which a shadow can't have."""
    alone = replace(incumbent, synergy=0.0)
    return PairRecord(incumbent=after(pair.incumbent, alone, half_life), shadow=after(pair.shadow, shadow, half_life))

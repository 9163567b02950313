"""Cohorts: the transactions of one closed day, with every agent's logit and the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rlfa.errors import QUOTED, NotAllowedError
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes.sight import Sight


class CohortError(NotAllowedError):
    """Columns of a cohort that don't belong together."""

    template = QUOTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """One day of event time whose label delay has passed for all of it.

    Attributes:
        day: of the transactions.
        tx_hash: uint64[n].
        event_time: int64[n], ms UTC.
        amount: float64[n].
        fraud: bool[n], as known when the label delay had passed; False where nobody knows.
        entities: uint64[n] per entity of the stream, the primary one first; 0 where there is none.
        logits: float32[n] per agent that scored any row, as recorded live; NaN where it gave none.
        score: float64[n], the lineup's.
        stopped: bool[n], what the lineup did.
        sight: whose truth is known, and how much each stands for; None: that of every row.
        segments: bool[n] per segment that some slot plays: its rows.
        share: of the day's rows that are here; 1 unless these are a segment's.
        ruled: int8[n], the action that a rule of the user's took, index into `ACTIONS`; -1 where the lineup decided.
            None: the lineup decided every row.

    Raises:
        CohortError: a column of another length.
    """

    day: Day
    tx_hash: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    amount: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    entities: Mapping[str, NDArray[np.uint64]]
    logits: Mapping[AgentId, NDArray[np.float32]]
    score: NDArray[np.float64]
    stopped: NDArray[np.bool_]
    sight: Sight | None = None
    segments: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    share: float = 1.0
    ruled: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        columns = (self.event_time, self.amount, self.fraud, self.score, self.stopped)
        lengths = {len(c) for c in (*columns, *self.entities.values(), *self.logits.values())}
        lengths |= {len(c) for c in self.segments.values()}
        if lengths - {len(self)}:
            raise CohortError(f"cohort {self.day}", sorted(lengths), f"{len(self)} rows in every column")

    def __len__(self) -> int:
        return len(self.tx_hash)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """bool[n], whether the truth is known."""
        return np.ones(len(self), np.bool_) if self.sight is None else self.sight.seen

    @property
    def weight(self) -> NDArray[np.float64]:
        """float64[n], how many rows each stands for: 0 where its truth isn't known."""
        return np.ones(len(self)) if self.sight is None else self.sight.weight

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """bool[n], declined without being seen where others like it are: measured, and not known."""
        return np.zeros(len(self), np.bool_) if self.sight is None else self.sight.covered & ~self.sight.seen

    @property
    def least_chance(self) -> float:
        """The smallest chance with which a row that is measured came to be seen; infinite without one."""
        return 1.0 if self.sight is None else self.sight.least

    @property
    def is_measured(self) -> bool:
        """Whether the truth about any row is known to stand for others: without exploration declines hide too much."""
        return self.sight is None or bool(self.weight.any())

    @property
    def left_out(self) -> int:
        """Rows that no decline of could have been let through: nothing is measured on them."""
        return 0 if self.sight is None else int((~self.sight.covered).sum())

    @property
    def left_out_amount(self) -> float:
        """Their share of the amount."""
        if not self.left_out or self.sight is None:
            return 0.0
        amount = np.maximum(self.amount, 0.0)
        return float(amount[~self.sight.covered].sum() / amount.sum()) if amount.any() else 0.0

    def scaled(self, chance_min: float) -> NDArray[np.float64]:
        """float64[n] in [0, 1], the same weights for a test's bets, see `Sight.scaled`."""
        return np.full(len(self), chance_min) if self.sight is None else self.sight.scaled(chance_min)

    def inside(self, segment: str) -> NDArray[np.bool_]:
        """bool[n], the rows of a segment; all for the empty one.

        Raises:
            CohortError: a segment that this cohort was loaded without.
        """
        if not segment:
            return np.ones(len(self), np.bool_)
        if segment not in self.segments:
            raise CohortError(f"cohort {self.day}", segment, f"one of its segments {sorted(self.segments)}")
        return self.segments[segment]

    def within(self, segment: str) -> Cohort:
        """The same day as somebody sees it who plays only a segment."""
        if not segment:
            return self
        rows = np.flatnonzero(self.inside(segment))
        return Cohort(
            day=self.day,
            tx_hash=self.tx_hash[rows],
            event_time=self.event_time[rows],
            amount=self.amount[rows],
            fraud=self.fraud[rows],
            entities={name: keys[rows] for name, keys in self.entities.items()},
            logits={agent: logits[rows] for agent, logits in self.logits.items()},
            score=self.score[rows],
            stopped=self.stopped[rows],
            sight=None if self.sight is None else self.sight.take(rows),
            segments={name: mask[rows] for name, mask in self.segments.items()},
            share=len(rows) / len(self) if len(self) else 1.0,
            ruled=None if self.ruled is None else self.ruled[rows],
        )

    def logits_of(self, agent: AgentId) -> NDArray[np.float32]:
        """float32[n], an agent's logits; NaN where it gave none or one that isn't finite."""
        logits = self.logits.get(agent)
        if logits is None:
            return np.full(len(self), np.nan, np.float32)
        return np.where(np.isfinite(logits), logits, np.float32(np.nan))

    def missing(self, agent: AgentId) -> int:
        """Rows that an agent gave no score for."""
        return int(np.isnan(self.logits_of(agent)).sum())

    def scored_whole(self, agent: AgentId, missing_share_max: float) -> bool:
        """Whether an agent was there all day: one that joined at noon wasn't."""
        return len(self) > 0 and self.missing(agent) <= missing_share_max * len(self)

"""Rewards in the database: one row per agent, slot and cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from rlfa.free_agency.events import CohortTaken, Event
from rlfa.lineup.slots import AgentId, Lineup
from rlfa.rewards.discounted import Earned
from rlfa.store.tables import RewardRow


class StoredReward(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent's own decisions earned on one cohort of a slot."""

    agent: AgentId
    slot: str
    day: int
    rows: int
    frauds: int
    caught: int
    stopped: int
    missing: int
    accuracy: float
    """Money, in the stream's currency, as are the other parts."""
    synergy: float
    inefficiency: float
    penalties: float
    weight: float
    """Rows that the money stands for, all of them where every truth is known: the reward of a window is the sum of its
    money over the sum of these. The next two do the same for the share of frauds caught."""
    fraud_weight: float
    caught_weight: float


@dataclass(frozen=True, slots=True)
class Rewards:
    """The rewards within one transaction.

    Args:
        session: from `Store.transaction`.
    """

    session: Session

    def add(self, rewards: Sequence[StoredReward]) -> None:
        """Keep rewards; those that are there already are left as they are."""
        days = {r.day for r in rewards}
        there = {
            (row.agent, row.slot, row.day)
            for row in self.session.scalars(sa.select(RewardRow).where(RewardRow.day.in_(days)))
        }
        new = [r for r in rewards if (r.agent, r.slot, r.day) not in there]
        self.session.add_all([RewardRow(**msgspec.structs.asdict(r)) for r in new])
        self.session.flush()

    def read(self, from_day: int = 0) -> Sequence[StoredReward]:
        """Rewards from a day on, by day, slot and agent."""
        rows = self.session.scalars(
            sa.select(RewardRow)
            .where(RewardRow.day >= from_day)
            .order_by(RewardRow.day, RewardRow.slot, RewardRow.agent)
        )
        names = StoredReward.__struct_fields__
        return [msgspec.convert({n: getattr(r, n) for n in names}, StoredReward) for r in rows]


def rewards_of(events: Sequence[Event], lineup: Lineup) -> tuple[StoredReward, ...]:
    """The rewards that a step has judged, for the slots that its agents played or watched.

    Args:
        events: of the step.
        lineup: before the step.
    """
    return tuple(
        _reward(agent, slot, event.day, event.earned[agent])
        for event in events
        if isinstance(event, CohortTaken)
        for slot, agent in lineup.places
        if agent in event.earned
    )


def _reward(agent: AgentId, slot: str, day: int, earned: Earned) -> StoredReward:
    return StoredReward(
        agent=agent,
        slot=slot,
        day=day,
        rows=earned.rows,
        frauds=earned.frauds,
        caught=earned.caught,
        stopped=earned.stopped,
        missing=earned.missing,
        accuracy=earned.accuracy,
        synergy=earned.synergy,
        inefficiency=earned.inefficiency,
        penalties=earned.penalties,
        weight=earned.sums.rows,
        fraud_weight=earned.sums.frauds,
        caught_weight=earned.sums.caught,
    )

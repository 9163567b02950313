"""What the agents earned on a cohort, and where that leaves the incumbents."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from rlfa.free_agency.events import CohortTaken, Event, WatchChanged
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.state import ManagerState, SlotState
from rlfa.free_agency.turn import Turn, each_slot
from rlfa.free_agency.watch import explain, is_good, is_low, is_usable, move, read_signs, with_level
from rlfa.lineup.slots import AgentId
from rlfa.lineup.voting import drawn
from rlfa.outcomes.cohorts import Cohort
from rlfa.rewards.budget import DailyThreshold, daily_threshold, ranking, stops, threshold
from rlfa.rewards.discounted import Earned, PairRecord, Record, Weighed, after, pair_after
from rlfa.rewards.inefficiency import inefficiency
from rlfa.rewards.money import earned as earned_rows
from rlfa.rewards.synergy import synergies


def take_rewards(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """What every agent earned by its own decisions, at its own threshold from days before the cohort.

    Never by the lineup's action: that would pay all its agents alike.
    """
    earned = _all_earned(state, turn)
    half_life = turn.rules.watch.half_life
    records = {a: state.records.get(a, Record()) for a in state.lineup.agents}
    records |= {a: after(records[a], e, half_life) for a, e in earned.items()}
    slots = tuple(_with_pairs(slot, earned, half_life) for slot in state.slots)
    taken = CohortTaken(
        day=turn.day,
        epoch=state.epoch,
        reason=f"{len(turn.cohort)} transactions, {int(turn.cohort.fraud.sum())} frauds{_unknown(turn.cohort)}",
        rows=len(turn.cohort),
        frauds=int(turn.cohort.fraud.sum()),
        earned=earned,
        reward={a: r.reward for a, r in records.items()},
        hidden=int(turn.cohort.hidden.sum()),
        left_out=turn.cohort.left_out,
        left_out_amount=turn.cohort.left_out_amount,
    )
    return replace(state, records=records, slots=slots, day=turn.day), (taken,)


def _unknown(cohort: Cohort) -> str:
    """What a reader must know before believing the figures of a day on which declines hid the truth."""
    if cohort.sight is None:
        return ""
    if not cohort.is_measured:
        return "; nothing is measured: declines hide the truth, and [free_agency.exploration] let none of them through"
    part = f"{cohort.left_out} left out with {cohort.left_out_amount:.0%} of the amount"
    return f"; {int(cohort.hidden.sum())} declined unseen, {part}"


def watch_incumbents(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Move each slot's watch by this cohort; one that its incumbent didn't score moves nothing."""
    return each_slot(state, lambda slot: _watch(slot, state, turn))


def take_thresholds(state: ManagerState, turn: Turn) -> tuple[ManagerState, tuple[Event, ...]]:
    """Remember where each agent's budget ended, for the cohorts to come."""
    agents = state.lineup.agents
    days = _days(state, turn.cohort)
    thresholds = {a: _thresholds_after(state.thresholds.get(a, ()), a, days[a], turn.rules) for a in agents}
    return replace(state, thresholds=thresholds), ()


def _all_earned(state: ManagerState, turn: Turn) -> dict[AgentId, Earned]:
    earned = {}
    synergy = synergies(turn.cohort, votes_of(state, turn.cohort), turn.rules.costs)
    days = _days(state, turn.cohort)
    for agent in state.lineup.agents:
        limit = threshold(state.thresholds.get(agent, ()), turn.rules.costs)
        share_max = turn.rules.probation.missing_share_max
        if limit is not None and days[agent].is_measured and days[agent].scored_whole(agent, share_max):
            record = state.records.get(agent, Record())
            own = _earned(days[agent], agent, limit, record, turn.rules)
            cost = inefficiency(turn.footprints.get(agent), own.rows, turn.rules.efficiency)
            earned[agent] = replace(own, synergy=synergy.get(agent, 0.0), inefficiency=cost)
    return earned


def _days(state: ManagerState, cohort: Cohort) -> dict[AgentId, Cohort]:
    """The cohort as each agent plays it: the rows of its slot's segment."""
    of_slot = {s.id: cohort.within(s.segment) for s in state.slots}
    return {agent: of_slot[slot.id] for agent, slot in state.homes.items()}


def votes_of(state: ManagerState, cohort: Cohort) -> dict[AgentId, NDArray[np.float64]]:
    """Each agent's weight on each row as the lineup of this state decides: segments, and the shares of trials."""
    shares = {}
    for slot in state.slots:
        left = cohort.inside(slot.segment)
        for trial in slot.trials:
            mine = left & drawn(trial, cohort.tx_hash) & ~np.isnan(cohort.logits_of(trial.agent))
            shares[trial.agent] = np.where(mine, slot.weight, 0.0)
            left = left & ~mine
        shares[slot.incumbent] = np.where(left, slot.weight, 0.0)
    return shares


def _earned(cohort: Cohort, agent: AgentId, limit: float, record: Record, rules: FreeAgencyRules) -> Earned:
    stopped = stops(ranking(cohort, agent, rules.costs), limit)
    money, weight = earned_rows(cohort, stopped, rules.costs), cohort.weight
    missing = cohort.missing(agent)
    return Earned(
        rows=len(cohort),
        missing=missing,
        frauds=int(cohort.fraud.sum()),
        caught=int((cohort.fraud & stopped).sum()),
        stopped=int(stopped.sum()),
        accuracy=_sum(money * weight),
        penalties=missing * rules.costs.violation,
        squares=_sum(np.square(weight * (money - record.reward))),
        weighed=None if cohort.sight is None else _weighed(cohort, weight, stopped),
    )


def _weighed(cohort: Cohort, weight: NDArray[np.float64], stopped: NDArray[np.bool_]) -> Weighed:
    frauds = weight * cohort.fraud
    return Weighed(
        rows=_sum(weight),
        rows_squared=_sum(np.square(weight)),
        frauds=_sum(frauds),
        frauds_squared=_sum(np.square(frauds)),
        caught=_sum(frauds * stopped),
    )


def _sum(values: NDArray[np.float64]) -> float:
    """Sorted first: the last digits must not depend on the order of rows."""
    return float(np.sort(values).sum())


def _with_pairs(slot: SlotState, earned: dict[AgentId, Earned], half_life: float) -> SlotState:
    pairs = {a: slot.pairs.get(a, PairRecord()) for a in slot.beside}
    if slot.incumbent in earned:
        own = earned[slot.incumbent]
        pairs |= {a: pair_after(p, own, earned[a], half_life) for a, p in pairs.items() if a in earned}
    return replace(slot, pairs=pairs)


def _watch(slot: SlotState, state: ManagerState, turn: Turn) -> tuple[SlotState, tuple[Event, ...]]:
    rules, record = turn.rules.watch, state.records[slot.incumbent]
    cohort = turn.cohort.within(slot.segment)
    there = cohort.scored_whole(slot.incumbent, turn.rules.probation.missing_share_max)
    if not there or not cohort.is_measured or not is_usable(record, rules):
        return slot, ()
    before = with_level(slot.watch, record, rules)
    signs = read_signs(before, record, slot.pairs, rules)
    watch = move(before, low=is_low(signs, rules), good=is_good(signs, rules), rules=rules)
    moved = replace(slot, watch=watch)
    if watch.standing == before.standing:
        return moved, ()
    changed = WatchChanged(
        day=turn.day,
        epoch=state.epoch,
        slot=slot.id,
        agent=slot.incumbent,
        reason=f"{before.standing} to {watch.standing}: {explain(signs, rules)}",
        before=before.standing,
        after=watch.standing,
        reward=signs.reward,
        detection=signs.detection,
        detection_min=signs.detection_min,
        gap=signs.gap,
        best_shadow=signs.best,
    )
    return moved, (changed,)


def _thresholds_after(
    history: tuple[DailyThreshold, ...], agent: AgentId, cohort: Cohort, rules: FreeAgencyRules
) -> tuple[DailyThreshold, ...]:
    if not cohort.scored_whole(agent, rules.probation.missing_share_max):
        return history
    newest = daily_threshold(cohort.day, ranking(cohort, agent, rules.costs), rules.costs, cohort.share)
    return (*history, newest)[-rules.probation.threshold_days :] if newest else history

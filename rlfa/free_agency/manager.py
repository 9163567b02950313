"""All of free agency: one call per closed cohort, `(state, evidence, now)` to `(state, events)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from rlfa.errors import QUOTED, NotAllowedError
from rlfa.free_agency.drift import DriftSign
from rlfa.free_agency.events import EpochChanged, Event
from rlfa.free_agency.floors import take_floors
from rlfa.free_agency.limits import enforce_limits
from rlfa.free_agency.newcomers import roll_back, watch_newcomers
from rlfa.free_agency.payoffs import take_payoffs
from rlfa.free_agency.play import play
from rlfa.free_agency.policies.policy import Policy
from rlfa.free_agency.policies.registry import policy_of
from rlfa.free_agency.renewal import order_renewals
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.scouting import Scout
from rlfa.free_agency.signing import drop_stale, sign_candidates, start_probations
from rlfa.free_agency.situations import note_drift
from rlfa.free_agency.standings import take_rewards, take_thresholds, watch_incumbents
from rlfa.free_agency.state import Candidate, ManagerState, SlotState
from rlfa.free_agency.swaps import add_evidence, clear_bench, end_changed_tests, release_losers
from rlfa.free_agency.trials import begin_trials, end_changed_trials
from rlfa.free_agency.turn import Moment, Part, Turn
from rlfa.free_agency.weights import take_weights
from rlfa.lineup.slots import AgentId, Day, Epoch, EventTime, Slot, SlotId, day_of
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.scored import ScoredDay
from rlfa.rewards.inefficiency import Footprint

# Evidence comes before the day's thresholds, which are for the cohorts after it; what trainers brought before the
# policy's move, which scouts for nobody while somebody waits; a swap before the weights, so that a newcomer's is
# capped, and before new probations, which are then against the new incumbent.
_PARTS: tuple[Part, ...] = (
    take_rewards,
    watch_incumbents,
    end_changed_tests,
    add_evidence,
    watch_newcomers,
    take_thresholds,
    release_losers,
    roll_back,
    enforce_limits,
    sign_candidates,
    drop_stale,
    note_drift,
    play,
    end_changed_trials,
    begin_trials,
    clear_bench,
    take_weights,
    take_floors,
    start_probations,
    order_renewals,
)


class ManagerError(NotAllowedError):
    """Something that the manager can't be started or fed with."""

    template = QUOTED


def initial_state(
    slots: Sequence[Slot], families: Mapping[AgentId, str], day: Day, seed: int, rules: str = ""
) -> tuple[ManagerState, tuple[Event, ...]]:
    """Epoch 1.

    Args:
        slots: of the first lineup.
        families: name of the configured genome of each incumbent.
        day: the first cohort to be taken.
        seed: for scouting.
        rules: id of the user's rule set; empty: none.

    Raises:
        rlfa.lineup.slots.LineupError: the slots make no lineup.
        ManagerError: an incumbent without a family.
    """
    unknown = sorted({s.incumbent for s in slots} - set(families))
    if unknown:
        raise ManagerError("families of the first lineup", unknown, "a genome's name for each incumbent")
    before = Day(day - 1)
    seats = tuple(
        SlotState(
            id=s.id,
            incumbent=s.incumbent,
            family=families[s.incumbent],
            weight=s.weight,
            segment=s.segment,
            since_epoch=Epoch(1),
            since_day=day,
        )
        for s in slots
    )
    state = ManagerState(epoch=Epoch(1), day=before, seed=seed, slots=seats, rules=rules)
    names = [*(f"{s.incumbent} in {s.id}" for s in slots), *([rules] if rules else [])]
    reason = f"service starts with {', '.join(names)}"
    return state, (EpochChanged(day=before, epoch=Epoch(1), reason=reason, slots=state.lineup.slots, rules=rules),)


def step(
    state: ManagerState,
    cohort: Cohort,
    candidates: Sequence[Candidate],
    rules: FreeAgencyRules,
    now: EventTime,
    *,
    scout: Scout,
    policy: Policy | None = None,
    drift: Mapping[SlotId, DriftSign] | None = None,
    scored: ScoredDay | None = None,
    footprints: Mapping[AgentId, Footprint] | None = None,
) -> tuple[ManagerState, tuple[Event, ...]]:
    """Take one closed cohort.

    Cohorts come in the order of their days; days without transactions may be left out. One that was taken
    before changes nothing, so that a caller that crashed between storing and acknowledging may try again.

    Args:
        state: after the last cohort.
        cohort: the next one; closed: its label delay has passed in every lane.
        candidates: handed in by trainers since the last step.
        rules: of the user.
        now: event time that the stream has reached, ms UTC.
        scout: chooses the genomes to train.
        policy: chooses each slot's move; that of the rules where none is given.
        drift: what days without labels say of a slot, before a matured cohort can say so.
        scored: the newest whole day, long before its labels: it may undo what newcomers do, and promotes nobody.
        footprints: latency and memory as the agents' data cards have them, for the rewards.

    Returns:
        The state after it, and what happened, in order. `state.lineup` is what lanes should play.

    Raises:
        ManagerError: a candidate for a slot that isn't there.
    """
    if cohort.day <= state.day:
        return state, ()
    strangers = sorted({c.slot for c in candidates} - {s.id for s in state.slots})
    if strangers:
        raise ManagerError("candidates' slots", strangers, f"one of {[s.id for s in state.slots]}")
    turn = Turn(
        day=cohort.day,
        today=day_of(now),
        rules=_frozen(rules) if state.frozen else rules,
        cohort=cohort,
        candidates=tuple(candidates),
        scout=scout,
        policy=policy or policy_of(rules),
        drift=drift or {},
        scored=scored,
        footprints=footprints or {},
    )
    before, events = state, tuple[Event, ...]()
    for part in _PARTS:
        after, new = part(state, turn)
        state, new = in_epoch(state, after, new, turn)
        events += new
    return take_payoffs(before, state, events), events


def _frozen(rules: FreeAgencyRules) -> FreeAgencyRules:
    return replace(rules, swaps=replace(rules.swaps, freeze=True))


def in_epoch(
    before: ManagerState, after: ManagerState, events: tuple[Event, ...], at: Moment
) -> tuple[ManagerState, tuple[Event, ...]]:
    """A change of who decides is a new epoch; nothing else is. The events of the change say it, and the lineup."""
    if (after.deciding, after.rules) == (before.deciding, before.rules):
        return after, events
    after = replace(after, epoch=Epoch(before.epoch + 1))
    return after, (*(replace(e, epoch=after.epoch) for e in events), _epoch_changed(after, at))


def _epoch_changed(state: ManagerState, at: Moment) -> EpochChanged:
    lineup = state.lineup
    tried = [f"{t.slot} {t.agent} on trial for {t.share:.2%}" for t in lineup.trials]
    ruled = [state.rules] if state.rules else []
    names = ", ".join([*(f"{s.id} {s.incumbent}" for s in lineup.slots), *tried, *ruled])
    return EpochChanged(
        day=at.day,
        epoch=state.epoch,
        reason=f"epoch {state.epoch}: {names}",
        slots=lineup.slots,
        shadows=lineup.shadows,
        trials=lineup.trials,
        rules=lineup.rules,
        versions=lineup.versions,
    )

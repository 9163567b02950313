"""Agents that learn as cohorts close: who is due for a lesson, and what becomes of it.

Such an agent keeps its id and its place while its versions follow each other. Its tests, rewards and weight are the
agent's, and stay valid: each cohort is judged by what the version of its time had said, which had learned nothing of
it, and a version follows from earlier cohorts alone. Who decides changes with a version, so it is a new epoch.
"""

from __future__ import annotations

from msgspec.structs import replace

from rlfa.free_agency.events import Event
from rlfa.free_agency.learning_events import Learned, LessonFailed
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.free_agency.state import Learner, LessonResult, ManagerState, Version
from rlfa.free_agency.turn import Moment
from rlfa.lineup.slots import AgentId, Day, date_of

VERSIONS_MAX = 32  # that an agent can go back to


def due(state: ManagerState, rules: FreeAgencyRules) -> tuple[AgentId, ...]:
    """The agents that score and have cohorts to learn; none in a freeze, nor one that is held.

    Args:
        state: after the newest cohort: nothing newer is learned.
        rules: of the user.
    """
    if _is_frozen(state, rules):
        return ()
    behind = {a: state.day - learner.reached for a, learner in state.learners.items() if not learner.held}
    return tuple(a for a in state.lineup.agents if behind.get(a, 0) >= rules.learning.every_days)


def signed_learner(agent: AgentId, through: Day) -> Learner:
    """An agent that learns, as it is signed.

    Args:
        agent: whose own id the first version has.
        through: the newest day that it has learned, or a part of it.
    """
    first = Version(id=agent, through=through)
    return Learner(plays=first, versions=(first,))


def take_lesson(state: ManagerState, result: LessonResult, at: Moment) -> tuple[ManagerState, tuple[Event, ...]]:
    """The next version plays from the next batch on; one that failed leaves the version that there is.

    A lesson that came too late changes nothing: the agent is out, is held, is another version by now, or all is frozen.
    """
    learner = state.learners.get(result.agent)
    if learner is None or learner.held or learner.plays.id != result.base or _is_frozen(state, at.rules):
        return state, ()
    if result.agent not in state.lineup.agents:
        return state, ()
    after = replace(learner, lessons=learner.lessons + 1)
    event: Learned | LessonFailed
    if result.error:
        after = replace(after, tried=result.through)
        event = _failed(learner, result, state, at)
    else:
        version = Version(id=result.version, number=after.lessons + 1, through=result.through)
        after = replace(after, plays=version, versions=(*learner.versions, version)[-VERSIONS_MAX:])
        event = _learned(learner, version, result, state, at)
    return with_learner(state, result.agent, after), (event,)


def newest_before(learner: Learner, day: Day) -> Version:
    """The newest version that hasn't learned a day and can be judged on it; where all have, the one that plays."""
    older = [v for v in learner.versions if v.through < day]
    return older[-1] if older else learner.plays


def with_learner(state: ManagerState, agent: AgentId, learner: Learner) -> ManagerState:
    """The state with what is now known of an agent that learns."""
    return replace(state, learners={**state.learners, agent: learner})


def _is_frozen(state: ManagerState, rules: FreeAgencyRules) -> bool:
    return state.frozen or rules.swaps.freeze


def _learned(learner: Learner, version: Version, result: LessonResult, state: ManagerState, at: Moment) -> Learned:
    what = f"{result.rows} transactions, {result.frauds} frauds among them"
    return Learned(
        day=at.day,
        epoch=state.epoch,
        slot=state.homes[result.agent].id,
        agent=result.agent,
        reason=f"version {version.number} has learned all up to {date_of(version.through)}: {what}",
        version=version.id,
        before=learner.plays.id,
        number=version.number,
        checksum=result.checksum,
        since=at.today,
        through=version.through,
        rows=result.rows,
        frauds=result.frauds,
    )


def _failed(learner: Learner, result: LessonResult, state: ManagerState, at: Moment) -> LessonFailed:
    why = f"it can't learn up to {date_of(result.through)}: {result.error}"
    return LessonFailed(
        day=at.day,
        epoch=state.epoch,
        slot=state.homes[result.agent].id,
        agent=result.agent,
        reason=f"version {learner.plays.number} plays on, {why}",
        version=learner.plays.id,
        through=result.through,
    )

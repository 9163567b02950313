"""One lesson: closed cohorts in, the next version of an agent that learns out, as data in a folder of its own.

The version's weights are the rows that it has learned and how its estimator is built, so whoever loads it replays them
to the same state; its id has their checksum. It is only kept if it scores like the version before: what gives no
scores, or many times the alerts, is a failed lesson, and the version before plays on.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from agents.bring import Brought, Rows, learned
from agents.data_card import DataCard
from agents.errors import AgentsError
from agents.weights import load_scorer
from rlfa.config import Service
from rlfa.errors import NotAllowedError, RlfaError
from rlfa.free_agency.limits import broken, compare_logits
from rlfa.free_agency.state import LessonResult
from rlfa.hosts.scoring import UNKNOWN_CODE, AgentRef
from rlfa.lineup.segments import part_of
from rlfa.lineup.slots import DAY_MS, AgentId, Day
from rlfa.outcomes import log
from rlfa.outcomes.log import TrainingSet
from rlfa.store.agents import StoredAgent
from rlfa.trainers.first_lineup import stored

COMPARED_ROWS = 5000  # the newest of the lesson, scored by both versions


class LessonError(NotAllowedError):
    """There is nothing to learn, or what came of it is unfit: where, found, allowed."""


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """Cohorts that an agent shall learn."""

    agent: AgentId
    base: StoredAgent
    """The version that plays."""
    days: tuple[Day, ...]
    """Closed and taken by the manager, after all that it has learned, ascending."""
    segment: str = ""
    """The part of the stream that its slot plays."""


class Taught(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a lesson, and the version's record unless it failed."""

    result: LessonResult
    record: StoredAgent | None = None
    seconds: float = 0.0
    """That it took, by the clock of the wall: for people, never for a decision."""


def teach(service: Service, lesson: Lesson) -> Taught:
    """Learn the cohorts, compare with the version before, and keep the next one; what fails is one without a version.

    The same lesson gives the same version, to the id.
    """
    try:
        return _teach(service, lesson)
    except (RlfaError, AgentsError) as error:
        return failed(lesson, str(error))


def failed(lesson: Lesson, error: str) -> Taught:
    """What is handed in of a lesson that brought nothing."""
    through = lesson.days[-1]
    return Taught(result=LessonResult(agent=lesson.agent, base=lesson.base.id, through=through, error=error))


def learned_through(card: DataCard) -> Day:
    """The day that holds the last row that an agent has learned."""
    return Day(card.to_event_time // DAY_MS)


def version_id(genome: str, checksum: str) -> AgentId:
    """The id of an agent from outside, or of a version of one.

    Args:
        genome: its id, whose hash goes in: the weights' checksum doesn't cover the genome.
        checksum: SHA-256 of the weights, hex.
    """
    return AgentId(f"outside-{genome.rsplit('-', 1)[-1]}-{checksum[:12]}")


def _teach(service: Service, lesson: Lesson) -> Taught:
    base = lesson.base
    card = msgspec.json.decode(base.card, type=DataCard)
    data = log.load_training([log.path_of(service.outcomes, day) for day in lesson.days])
    data = data.within(part_of(service.spec, lesson.segment))
    if not len(data.fraud):
        raise LessonError(f"lesson of {lesson.agent}", f"no row in {len(lesson.days)} days", "at least one")
    cohort = _as_seen(data, card, msgspec.json.decode(base.visible, type=tuple[str, ...]))
    service.agents.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=service.agents) as made:
        brought = learned(Path(base.uri), base.checksum, cohort, Path(made) / "next")
        _refuse_unfit(service, lesson, brought, cohort, data)
        version = version_id(card.genome, brought.checksum)
        home = service.agents / version
        if not home.exists():  # else it is the same: a lesson that is given again after a crash
            brought.folder.rename(home)
    ref = AgentRef(id=version, folder=str(home), checksum=brought.checksum)
    record = stored(ref, base.family, 0, service.settings.hosts.seal_rules)
    result = LessonResult(
        agent=lesson.agent,
        base=base.id,
        through=lesson.days[-1],
        version=version,
        checksum=brought.checksum,
        rows=len(cohort.fraud),
        frauds=int(cohort.fraud.sum()),
    )
    why = f"a version of {lesson.agent}"
    record = msgspec.structs.replace(record, origin=base.origin, visible=base.visible, added_by="manager", why=why)
    return Taught(result=result, record=record)


def _as_seen(data: TrainingSet, card: DataCard, visible: tuple[str, ...]) -> Rows:
    """The rows as the agent sees them when it scores: its columns, and those that it may not see blank."""
    strange = sorted(set(card.feature_names) - set(data.feature_names))
    if strange:
        raise LessonError("lesson features", f"no {', '.join(strange[:5])}", "all that the agent was signed with")
    x = np.ascontiguousarray(data.features[:, [data.feature_names.index(name) for name in card.feature_names]])
    for j, name in enumerate(card.feature_names):
        if visible and name not in visible:
            x[:, j] = UNKNOWN_CODE if name in card.categorical else np.nan
    return Rows(features=x, fraud=data.fraud, event_time=data.event_time, feature_names=card.feature_names)


def _refuse_unfit(service: Service, lesson: Lesson, brought: Brought, cohort: Rows, data: TrainingSet) -> None:
    """Both versions on the newest rows, by the limits that hold for a newcomer before labels."""
    newest = np.argsort(cohort.event_time, kind="stable")[-COMPARED_ROWS:]
    before = load_scorer(Path(lesson.base.uri), lesson.base.checksum)
    after = load_scorer(brought.folder, brought.checksum)
    own, other = (agent.logits(cohort.features[newest]) for agent in (after, before))
    rules = service.settings.free_agency
    seen = compare_logits(own, other, data.amount[newest], rules.costs)
    cause = broken(seen, rules)
    if cause == "missing":
        raise LessonError("its next version", f"no score for {seen.missing} of {seen.rows} rows", "a score for each")
    if cause == "alerts":
        most = f"at most {rules.guard.alert_rate_max:g} times the {seen.alerts_against} of the version before"
        raise LessonError("its next version", f"{seen.alerts} alerts on {seen.rows} rows", most)

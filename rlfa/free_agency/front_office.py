"""The front office: gives closed cohorts to the manager's pure functions and keeps the books of what they decide.

The live manager and a backtest share it: they differ in what tells the time, not in what is decided or written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from agents.data_card import DataCard
from agents.genome import Genome
from rlfa.config import Service
from rlfa.errors import ConfigError
from rlfa.free_agency.events import Event, TrainingRequested
from rlfa.free_agency.learning import due, newest_before, take_lesson
from rlfa.free_agency.limits import watched_in
from rlfa.free_agency.manager import in_epoch, step
from rlfa.free_agency.manual import obey
from rlfa.free_agency.policies.policy import Policy
from rlfa.free_agency.policies.registry import policy_of
from rlfa.free_agency.renewal import seat_renewal
from rlfa.free_agency.scouting import BanditScout, Scout
from rlfa.free_agency.state import Candidate, Learner, ManagerState, Request
from rlfa.free_agency.turn import Moment
from rlfa.free_agency.unlabelled import UnlabelledDays, first_day_of, seen_through
from rlfa.hosts.footprint import of_card
from rlfa.lineup.plan import Plan
from rlfa.lineup.slots import AgentId, Day, EventTime, Lineup, SlotId, day_of
from rlfa.outcomes import log
from rlfa.outcomes.cohorts import Cohort
from rlfa.outcomes.scored import ScoredDay, read_scored
from rlfa.rewards.inefficiency import Footprint
from rlfa.store.agents import Agents, ref_of
from rlfa.store.commands import Commands
from rlfa.store.database import Store, StoreError
from rlfa.store.ledger import Ledger, entries_of
from rlfa.store.rewards import Rewards, rewards_of
from rlfa.store.rules import RuleSets
from rlfa.trainers.first_lineup import stored
from rlfa.trainers.lessons import Lesson, Taught, learned_through
from rlfa.trainers.orders import Delivery, Order
from rlfa.trainers.training import window
from streams.codec import categorical_features


@dataclass(slots=True)
class FrontOffice:
    """Where free agency stands, and the store that remembers it.

    Args:
        service: settings and paths.
        store: with the first lineup in its ledger.
        state: after the ledger's newest step.
        scout: chooses the genomes to train.
        policy: chooses each slot's move.
        unlabelled: days that the next step's drift signs are read from.
        read_scored: reads a day's scores before its labels, with the rows of some segments.
        delivered: candidates that the next cohort's step will take.
        footprints: of the agents and their versions, as their data cards have them; they never change.
    """

    service: Service
    store: Store
    state: ManagerState
    scout: Scout
    policy: Policy
    unlabelled: UnlabelledDays
    read_scored: Callable[[Day, Sequence[str]], ScoredDay | None]
    delivered: list[Candidate] = field(default_factory=list)
    footprints: dict[AgentId, Footprint | None] = field(default_factory=dict)

    @classmethod
    def open(cls, service: Service) -> FrontOffice:
        """Go on from the ledger.

        Raises:
            StoreError: no database, or nothing in its ledger.
            ConfigError: the settings name a policy that isn't there, or other segments than the ledger began with.
        """
        store = Store.open(service.database)
        state = last_state(store)
        _refuse_other_segments(service, state)
        scout, policy = BanditScout(tuple(service.settings.genomes)), policy_of(service.settings.free_agency)
        categorical = categorical_features(service.spec)
        return cls(
            service,
            store,
            state,
            scout,
            policy,
            UnlabelledDays(service.summaries),
            lambda day, segments: read_scored(service.journals, day, segments, categorical),
        )

    def resume(self) -> None:
        """Go on from the ledger: a write without an answer may have landed, with the candidates that it took.

        Raises:
            StoreError: the store is away; nothing has changed.
        """
        self.state = last_state(self.store)
        wanted = {request.id for request in self.state.requests}
        self.delivered = [c for c in self.delivered if c.request in wanted]

    def take(self, cohort: Cohort, now: EventTime, recorded_at: int) -> tuple[Event, ...]:
        """One cohort: the pure step, then one SQL transaction; what it asks for is the caller's to carry out.

        Every day up to `seen_through(cohort.day)` has to be in `unlabelled` before.

        Args:
            cohort: the next closed one.
            now: event time that the stream has reached, ms UTC.
            recorded_at: wall clock, ms UTC.

        Raises:
            StoreError: the store is away; nothing has changed.
        """
        before, rules = self.state, self.service.settings.free_agency
        through = self.seen_through(cohort.day)
        state, events = step(
            before,
            cohort,
            self.delivered,
            rules,
            now,
            scout=self.scout,
            policy=self.policy,
            drift=self.unlabelled.signs(before, through, rules.drift),
            scored=self._scored(through),
            footprints=self._measured(before.lineup.agents),
        )
        entries = entries_of(events, state, at=now, recorded_at=recorded_at, policy=self.policy.name)
        with self.store.transaction() as session:
            Ledger(session).append(entries)
            Rewards(session).add(rewards_of(events, before.lineup))
        self.state, self.delivered = state, []
        return events

    def _measured(self, agents: Sequence[AgentId]) -> dict[AgentId, Footprint]:
        """What the data cards say of latency and memory; cards are read once."""
        versions = {agent: self.state.version_of(agent) for agent in agents}
        new = [version for version in versions.values() if version not in self.footprints]
        if new:
            with self.store.reading() as session:
                self.footprints |= {version: of_card(Agents(session).get(version).card) for version in new}
        found = {agent: self.footprints[version] for agent, version in versions.items()}
        return {agent: footprint for agent, footprint in found.items() if footprint is not None}

    def seen_through(self, cohort: Day) -> Day:
        """The newest day, without labels, that a cohort's step looks at."""
        spec = self.service.spec
        return seen_through(cohort, spec.label_delay_ms, spec.lateness_max_ms)

    def unseen(self, days: Sequence[int], through: Day) -> list[Day]:
        """Of some days those that `unlabelled` lacks and the next step may look at."""
        first, there = min(map(first_day_of, self.state.slots)), set(self.unlabelled.days())
        return [Day(day) for day in days if first <= day <= through and day not in there]

    def load_cohort(self, day: Day) -> Cohort:
        """A closed day with the segments that the lineup plays."""
        path = log.path_of(self.service.outcomes, day)
        return log.load_cohort(path, self.state.segments, categorical_features(self.service.spec))

    def _scored(self, day: Day) -> ScoredDay | None:
        """The day to look at for limits, where somebody is watched."""
        if not any(watched_in(slot) for slot in self.state.slots):
            return None
        return self.read_scored(day, self.state.segments)

    def obey(self, now: EventTime, recorded_at: int) -> bool:
        """The oldest command that waits; False where none does.

        Args:
            now: event time that the stream has reached, ms UTC.
            recorded_at: wall clock, ms UTC.

        Raises:
            StoreError: the store is away; nothing has changed.
        """
        with self.store.reading() as session:
            command = next(iter(Commands(session).waiting()), None)
            agents = {a.id: a for a in Agents(session).all()} if command else {}
            is_known = command is not None and RuleSets(session).has(command.rules)
        if command is None:
            return False
        known = replace(command, rules_known=is_known)
        if agent := agents.get(command.agent):
            card = msgspec.json.decode(agent.card, type=DataCard)
            through = learned_through(card) if card.learns else None
            known = replace(known, family=agent.family, learned_through=through)
        state, events = obey(self.state, known, self.service.settings.free_agency, now)
        step = f"command {command.id}"
        entries = entries_of(events, state, at=now, recorded_at=recorded_at, step=step)
        with self.store.transaction() as session:
            Ledger(session).append(entries)
            Commands(session).take(command, recorded_at)
        self.state = state
        return True

    def plan(self, lineup: Lineup) -> Plan:
        """A lineup with where its agents' weights lie, and the rules around it."""
        with self.store.transaction() as session:
            refs = tuple(ref_of(Agents(session).get(version)) for version in lineup.scorers)
            rules = RuleSets(session).get(lineup.rules)
        return Plan(lineup=lineup, refs=refs, rules=rules)

    def lessons(self) -> list[Lesson]:
        """What the agents that learn have to learn now: the same again for whoever goes on from the ledger."""
        agents = due(self.state, self.service.settings.free_agency)
        found = [self._lesson(agent, self.state.learners[agent]) for agent in agents]
        return [lesson for lesson in found if lesson.days]

    def _lesson(self, agent: AgentId, learner: Learner) -> Lesson:
        with self.store.reading() as session:
            base = Agents(session).get(learner.plays.id)
        closed = log.closed_days(self.service.outcomes)
        days = tuple(day for day in closed if learner.plays.through < day <= self.state.day)
        return Lesson(agent=agent, base=base, days=days, segment=self.state.homes[agent].segment)

    def hand_in_lesson(self, taught: Taught, now: EventTime, recorded_at: int) -> bool:
        """Record what came of a lesson, a version's record and the ledger's entries at once; False: nothing did.

        Args:
            taught: from a trainer.
            now: event time that the stream has reached, ms UTC.
            recorded_at: wall clock, ms UTC.

        Raises:
            StoreError: the store is away; nothing has changed.
        """
        result = taught.result
        at = Moment(day=self.state.day, today=day_of(now), rules=self.service.settings.free_agency)
        state, events = in_epoch(self.state, *take_lesson(self.state, result, at), at)
        if not events:
            return False
        step = f"lesson {state.learners[result.agent].lessons} of {result.agent}"
        entries = entries_of(events, state, at=now, recorded_at=recorded_at, policy=self.policy.name, step=step)
        with self.store.transaction() as session:
            if taught.record is not None:
                Agents(session).add(replace(taught.record, created_at=recorded_at))
            Ledger(session).append(entries)
        self.state = state
        return True

    def order(self, slot: SlotId, request: Request) -> Order:
        """What to train for a request, on the days that were closed when it was made."""
        vacant, trainers = next(s for s in self.state.slots if s.id == slot), self.service.settings.trainers
        closed = [day for day in log.closed_days(self.service.outcomes) if day <= request.day]
        days = window(closed, trainers.window_days)
        learner, gated = self.state.learners.get(vacant.incumbent), days[-trainers.gate_days :]
        # One that learns is judged as it was before the gate's days, like the candidate.
        incumbent = newest_before(learner, gated[0]).id if learner and gated else vacant.incumbent
        with self.store.transaction() as session:
            ref = ref_of(Agents(session).get(incumbent))
            genome = self._genome(Agents(session), request)
        return Order(
            request=request.id,
            slot=slot,
            family=request.family,
            genome=genome,
            incumbent=ref,
            days=tuple(days),
            segment=vacant.segment,
        )

    def hand_in(self, delivery: Delivery, now: EventTime, recorded_at: int) -> Candidate:
        """Record a delivered agent: a renewal takes its slot at once, any other waits for the next step.

        One whose id is taken by other weights is a failed training.

        Args:
            delivery: from a trainer.
            now: event time that the stream has reached, ms UTC.
            recorded_at: wall clock, ms UTC.

        Raises:
            StoreError: the store is away; nothing has changed.
        """
        candidate = self._kept(delivery, recorded_at)
        wanted = candidate.request in {request.id for request in self.state.requests}
        # One that isn't wanted any more has its slot already: the write that seated it had lost its answer.
        if wanted and not self._seat(candidate, now, recorded_at):
            self.delivered.append(candidate)
        return candidate

    def _seat(self, candidate: Candidate, now: EventTime, recorded_at: int) -> bool:
        """Whether it was a renewal that has its slot now."""
        at = Moment(day=self.state.day, today=day_of(now), rules=self.service.settings.free_agency)
        state, events = in_epoch(self.state, *seat_renewal(self.state, candidate, at), at)
        if not events:
            return False
        entries = entries_of(
            events, state, at=now, recorded_at=recorded_at, policy=self.policy.name, step=candidate.request
        )
        with self.store.transaction() as session:
            Ledger(session).append(entries)
        self.state = state
        return True

    def _genome(self, agents: Agents, request: Request) -> Genome:
        if request.genome_of:
            return msgspec.json.decode(agents.get(request.genome_of).genome, type=Genome)
        return self.service.settings.genomes[request.family]

    def _kept(self, delivery: Delivery, recorded_at: int) -> Candidate:
        candidate, ref = delivery.candidate, delivery.ref
        if ref is None:
            return candidate
        with self.store.reading() as session:
            there = {agent.id: agent.checksum for agent in Agents(session).all()}
        if there.get(ref.id, ref.checksum) != ref.checksum:
            return replace(candidate, agent=AgentId(""), error=f"{ref.id} is there already, with other weights")
        with self.store.transaction() as session:
            Agents(session).add(stored(ref, candidate.family, recorded_at))
        return candidate


def _refuse_other_segments(service: Service, state: ManagerState) -> None:
    """A slot's agents were trained for its segment and judged on it: another one is another slot."""
    for slot in state.slots:
        wanted = service.settings.segments.get(slot.id, "")
        if wanted != slot.segment:
            raise ConfigError(f"segments.{slot.id}", wanted, f"{slot.segment!r}, with which its ledger began")


def requests_of(events: tuple[Event, ...]) -> list[tuple[SlotId, Request]]:
    """The trainings that a step has ordered, each with its slot."""
    return [
        (e.slot, Request(id=e.request, family=e.family, genome_of=e.genome_of, day=e.day))
        for e in events
        if isinstance(e, TrainingRequested)
    ]


def last_state(store: Store) -> ManagerState:
    """The manager's state after the ledger's newest step.

    Raises:
        StoreError: the ledger is empty.
    """
    with store.reading() as session:
        state = Ledger(session).last_state()
    if state is None:
        raise StoreError("ledger", "no entry", "the first lineup, which `rlfa train` writes")
    return state

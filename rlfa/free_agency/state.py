"""The manager's state: all that a restart needs to go on exactly."""

from __future__ import annotations

from typing import Literal

import msgspec

from rlfa.free_agency.evalue import EValue
from rlfa.free_agency.guard import ESR
from rlfa.free_agency.rules import ProbationRules
from rlfa.free_agency.scouting import Arm
from rlfa.lineup.hedge import Hedge
from rlfa.lineup.slots import AgentId, AlertFloor, Day, Epoch, Lineup, Played, Shadow, Slot, SlotId, Trial
from rlfa.rewards.budget import DailyThreshold
from rlfa.rewards.discounted import PairRecord, Record
from rlfa.rewards.money import Costs
from rlfa.trainers.offline_gate import OfflineResult
from rlfa.trainers.record import TrainingRecord

Standing = Literal["ok", "watch", "under"]


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Watch(_Value, frozen=True, kw_only=True):
    """Where an incumbent stands."""

    standing: Standing = "ok"
    lows: tuple[bool, ...] = ()
    """Whether the last cohorts were low, newest last."""
    goods: int = 0
    """Good cohorts in a row, the newest included."""
    level: float | None = None
    """Detection when it took the slot."""


class Probation(_Value, frozen=True, kw_only=True):
    """One challenger's trial in one slot."""

    challenger: AgentId
    family: str
    incumbent: AgentId
    stage: Literal["shadow", "trial", "guard"] = "shadow"
    share: float = 0.0
    """Of the slot's transactions that it decides on trial; 0 in shadow."""
    trial_since: Day | None = None
    """The day that event time had reached when its trial began."""
    rules: ProbationRules
    """The terms of the test, fixed at its start; other terms are another test."""
    costs: Costs
    chance_min: float = 1.0
    """p_min: no payment that counts was seen with less chance; fixed at the start, it scales the bets."""
    first_full_day: Day
    """The earliest day that the challenger can have scored whole."""
    started: Day | None = None
    """First cohort with evidence."""
    rivals: int = 1
    """Most challengers that the slot had at once during this probation: m of the bound m/alpha."""
    bound_now: float = 0.0
    """The e-value that promotes, as of the newest cohort; 0 before the first."""
    e: EValue = EValue()
    log_up_max: float = 0.0
    rows: int = 0
    frauds: int = 0
    days: int = 0
    wins: int = 0
    losses: int = 0
    gain: float = 0.0
    """Wins less losses as they stand for others, see `PairedLosses`; the next is what they are measured against."""
    weight: float = 0.0
    missing: int = 0
    unsafe: bool = False
    fraud_rows: int = 0
    caught_challenger: int = 0
    caught_incumbent: int = 0
    compromised: tuple[int, ...] = ()
    """Keys of the entities that counted as frauds."""
    discordant: tuple[int, ...] = ()
    """Keys of the entities that have spoken for one side."""

    @property
    def terms(self) -> tuple[ProbationRules, Costs, float]:
        """What the test was begun under."""
        return self.rules, self.costs, self.chance_min

    @property
    def bound(self) -> float:
        """The e-value that promotes."""
        return self.bound_now or self.rivals / self.rules.alpha


class Guard(_Value, frozen=True, kw_only=True):
    """A newcomer that has taken a slot, against the agent that it replaced."""

    test: Probation
    """The pairs with the roles reversed: the benched agent challenges the newcomer."""
    esr: ESR = ESR()
    """The alarm."""


class Benched(_Value, frozen=True, kw_only=True):
    """A replaced incumbent that still scores, so that a swap can be undone."""

    agent: AgentId
    family: str
    until: Day
    """The last cohort that it stays for."""


class Request(_Value, frozen=True, kw_only=True):
    """A training under way."""

    id: str
    family: str
    genome_of: AgentId
    day: Day


class FreeAgent(_Value, frozen=True, kw_only=True):
    """An agent in a slot's pool: signed, deciding nothing, not even scoring."""

    agent: AgentId
    family: str
    since: Day


class Cooling(_Value, frozen=True, kw_only=True):
    """A released agent that may be tried again later."""

    agent: AgentId
    family: str
    until: Day


class SlotState(_Value, frozen=True, kw_only=True):
    """Everything about one slot."""

    id: SlotId
    incumbent: AgentId
    family: str
    weight: float
    segment: str
    since_epoch: Epoch
    since_day: Day
    watch: Watch = Watch()
    probations: tuple[Probation, ...] = ()
    pool: tuple[FreeAgent, ...] = ()
    bench: tuple[Benched, ...] = ()
    """Longest there first."""
    cooling: tuple[Cooling, ...] = ()
    guard: Guard | None = None
    """Watches the incumbent until the agent that it replaced leaves the bench."""
    pairs: dict[AgentId, PairRecord] = {}
    """Each shadow against the incumbent, on the cohorts that both scored."""
    requests: tuple[Request, ...] = ()
    scoutings: int = 0
    quiet_since: Day | None = None
    """Last scouting, or end of the last probation."""
    swapped: Day | None = None
    drift_seen: Day | None = None
    """Last entry of the ledger about drift."""
    scouted_early: Day | None = None
    """Last scouting while drift was seen."""

    @property
    def beside(self) -> tuple[AgentId, ...]:
        """Agents that score this slot's traffic beside its incumbent: on probation or on the bench."""
        return (*(p.challenger for p in self.probations), *(b.agent for b in self.bench))

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Challengers that decide a share, the one that began first first."""
        tried = sorted((p for p in self.probations if p.stage == "trial"), key=lambda p: p.trial_since or 0)
        return tuple(Trial(slot=self.id, agent=p.challenger, share=p.share) for p in tried)


class Version(_Value, frozen=True, kw_only=True):
    """An agent that learns, as of one closed cohort."""

    id: AgentId
    """Of its record in the store; the first version has the agent's own."""
    number: int = 1
    through: Day
    """The newest cohort that it has learned."""


class Learner(_Value, frozen=True, kw_only=True):
    """What is known of an agent that learns as cohorts close."""

    plays: Version
    versions: tuple[Version, ...] = ()
    """That led to the one that plays, oldest first, itself included: what it may be again."""
    tried: Day | None = None
    """The newest cohort of a lesson that brought no version."""
    lessons: int = 0
    """Handed in so far."""
    held: bool = False
    """By hand: it learns no more."""

    @property
    def reached(self) -> Day:
        """The newest cohort that it has learned or failed to learn."""
        return max(self.plays.through, self.tried or self.plays.through)


class DailyFloor(_Value, frozen=True, kw_only=True):
    """What alerts had to be worth on one closed day for the lineup to spend its budget exactly."""

    day: Day
    agents: tuple[AgentId, ...]
    """Whose scores, in the order of the slots: a floor of other scores means nothing."""
    value: float | None
    """None: everything that pays was inside the budget."""
    best: float | None
    """Likewise for the budget's reserve."""
    rule: str
    """Budget and ranking."""


class ManagerState(_Value, frozen=True, kw_only=True):
    """Free agency as of one closed cohort."""

    epoch: Epoch
    day: Day
    """The newest cohort taken: an older one, or the same again, changes nothing."""
    seed: int
    slots: tuple[SlotState, ...]
    frozen: bool = False
    """By hand; the settings may freeze it too."""
    rules: str = ""
    """Id of the user's rule set that acts around the slots; empty: none."""
    records: dict[AgentId, Record] = {}
    thresholds: dict[AgentId, tuple[DailyThreshold, ...]] = {}
    daily_floors: tuple[DailyFloor, ...] = ()
    """Of the lineup on the newest closed days, oldest first."""
    floors: tuple[AlertFloor, ...] = ()
    """Of the alert budget, as the lanes have them."""
    arms: dict[str, Arm] = {}
    """What each family has shown in past probations, for scouting."""
    hedge: Hedge = Hedge()
    """The agents' weights as their losses have them; `slots` has those that the lanes play by."""
    learners: dict[AgentId, Learner] = {}
    """The agents that learn as cohorts close."""

    @property
    def lineup(self) -> Lineup:
        """What the lanes play."""
        trials = tuple(t for s in self.slots for t in s.trials)
        deciding = {*(s.incumbent for s in self.slots), *(t.agent for t in trials)}
        shadows = [Shadow(slot=s.id, agent=a) for s in self.slots for a in s.beside if a not in deciding]
        versions = {agent: self.version_of(agent) for agent in self.homes}
        return Lineup(
            epoch=self.epoch,
            slots=tuple(Slot(id=s.id, incumbent=s.incumbent, weight=s.weight, segment=s.segment) for s in self.slots),
            shadows=tuple(shadows),
            trials=trials,
            floors=self.floors,
            rules=self.rules,
            versions=tuple(Played(agent=a, version=v) for a, v in versions.items() if v != a),
        )

    def version_of(self, agent: AgentId) -> AgentId:
        """The id that the store knows an agent's weights by."""
        return self.learners[agent].plays.id if agent in self.learners else agent

    @property
    def deciding(self) -> tuple[tuple[SlotId, AgentId, float], ...]:
        """Whose weights decide, and what share of a slot's transactions: a change of it is an epoch."""
        incumbents = tuple((s.id, self.version_of(s.incumbent), 1.0) for s in self.slots)
        return (*incumbents, *((t.slot, self.version_of(t.agent), t.share) for s in self.slots for t in s.trials))

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts of the stream that some slot plays alone."""
        return tuple(dict.fromkeys(s.segment for s in self.slots if s.segment))

    @property
    def homes(self) -> dict[AgentId, SlotState]:
        """The slot of every agent that scores."""
        return {a: s for s in self.slots for a in (s.incumbent, *s.beside)}

    @property
    def requests(self) -> tuple[Request, ...]:
        """Trainings that a manager that starts again has to order again."""
        return tuple(r for s in self.slots for r in s.requests)


class Candidate(_Value, frozen=True, kw_only=True):
    """What a trainer hands in.

    Either an agent with its comparison against the incumbent, or the error that kept it from being made.
    """

    slot: SlotId
    family: str
    request: str = ""
    agent: AgentId = AgentId("")
    offline: OfflineResult | None = None
    trained: TrainingRecord | None = None
    error: str = ""


class LessonResult(_Value, frozen=True, kw_only=True):
    """What a lesson came to: another version of an agent, or the error that kept it from being made."""

    agent: AgentId
    base: AgentId
    """The version that it began from."""
    through: Day
    """The newest cohort of the lesson."""
    version: AgentId = AgentId("")
    checksum: str = ""
    """SHA-256 of the version's weights, hex."""
    rows: int = 0
    """Learned in this lesson."""
    frauds: int = 0
    error: str = ""


def encode_state(state: ManagerState) -> str:
    """JSON; floats survive to the last digit."""
    return msgspec.json.encode(state).decode()


def decode_state(text: str) -> ManagerState:
    """A state from its JSON.

    Raises:
        msgspec.ValidationError: it was written by another version.
    """
    return msgspec.json.decode(text, type=ManagerState)

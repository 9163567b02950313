"""What free agency does, one frozen value per move; each becomes one entry of the ledger."""

from __future__ import annotations

import msgspec

from rlfa.free_agency.drift import DriftSign
from rlfa.free_agency.learning_events import Learned, LearningHeld, LearningResumed, LessonFailed
from rlfa.free_agency.ledger_event import LedgerEvent
from rlfa.free_agency.rules import ProbationRules
from rlfa.lineup.slots import AgentId, Day, Lineup, Played, Shadow, Slot, Trial
from rlfa.rewards.discounted import Earned
from rlfa.rewards.money import Costs
from rlfa.trainers.offline_gate import OfflineResult
from rlfa.trainers.record import TrainingRecord


class EpochChanged(LedgerEvent, frozen=True, kw_only=True):
    """A new lineup; lanes take it between two batches."""

    slots: tuple[Slot, ...]
    shadows: tuple[Shadow, ...] = ()
    trials: tuple[Trial, ...] = ()
    rules: str = ""
    """Id of the user's rule set; empty: none."""
    versions: tuple[Played, ...] = ()
    """Of the agents that have learned since they were signed."""

    @property
    def lineup(self) -> Lineup:
        """Who plays from then on."""
        return Lineup(
            epoch=self.epoch,
            slots=self.slots,
            shadows=self.shadows,
            trials=self.trials,
            rules=self.rules,
            versions=self.versions,
        )


class CohortTaken(LedgerEvent, frozen=True, kw_only=True):
    """A closed cohort was judged: what every agent earned on it."""

    rows: int
    frauds: int
    earned: dict[AgentId, Earned]
    reward: dict[AgentId, float]
    """Discounted, in money per transaction."""
    hidden: int = 0
    """Declined, and nobody knows what they were; others like them were let through and stand for them."""
    left_out: int = 0
    """That no decline of could have been let through: nothing is measured on them."""
    left_out_amount: float = 0.0
    """Their share of the amount."""


class WatchChanged(LedgerEvent, frozen=True, kw_only=True):
    """An incumbent's standing moved between ok, watch and under."""

    before: str
    after: str
    reward: float
    detection: float | None
    detection_min: float
    gap: float | None
    """How much more the best shadow of the slot earned, per transaction."""
    best_shadow: AgentId = AgentId("")


class DriftSeen(LedgerEvent, frozen=True, kw_only=True):
    """Scores or features have been away from their reference for days, before any label says whether that matters."""

    sign: DriftSign


class TrainingRequested(LedgerEvent, frozen=True, kw_only=True):
    """A free agent is wanted."""

    request: str
    family: str
    """A configured genome's name."""
    genome_of: AgentId = AgentId("")
    """Take this agent's genome instead of a configured one: the retraining that scouting must beat."""


class TrainingDelivered(LedgerEvent, frozen=True, kw_only=True):
    """A training has brought an agent; what the offline gate says of it comes next."""

    request: str
    family: str
    trained: TrainingRecord


class TrainingGivenUp(LedgerEvent, frozen=True, kw_only=True):
    """A training failed, or brought nothing in time."""

    request: str
    family: str


class ReleasedOffline(LedgerEvent, frozen=True, kw_only=True):
    """A candidate was worse than the incumbent on the newest matured window."""

    request: str
    family: str
    offline: OfflineResult


class Signed(LedgerEvent, frozen=True, kw_only=True):
    """A candidate passed the offline gate and waits in the pool."""

    request: str
    family: str
    offline: OfflineResult | None


class ProbationStarted(LedgerEvent, frozen=True, kw_only=True):
    """A free agent left the pool to score a slot's traffic in shadow."""

    family: str
    incumbent: AgentId
    first_full_day: Day
    """The earliest cohort that can be evidence."""
    stage: str
    rules: ProbationRules
    costs: Costs
    challengers: int
    chance_min: float = 1.0
    """p_min of the bets, where declines hide the truth."""


class EvidenceAdded(LedgerEvent, frozen=True, kw_only=True):
    """One closed cohort was added to a probation."""

    rows: int
    frauds: int
    wins: int
    losses: int
    missing: int
    days: int
    log_up: float
    log_down: float
    log_futility: float
    log_up_max: float
    bound: float
    """The e-value that promotes."""
    gain: float = 0.0
    """Wins less losses, each standing for 1/chance where declines hide the truth."""
    weight: float = 0.0
    """What the frauds stand for alike."""


class PromotionHeld(LedgerEvent, frozen=True, kw_only=True):
    """A challenger has its evidence, but a limit on swaps stands against it, or the policy waits."""

    log_up: float
    bound: float


class TrialStarted(LedgerEvent, frozen=True, kw_only=True):
    """A challenger decides a share of its slot's transactions from now on; its test goes on."""

    share: float
    since: Day
    """The day that event time had reached."""
    log_up: float
    bound: float
    """The e-value that a trial asks for."""
    rows: int
    frauds: int
    days: int


class TrialEnded(LedgerEvent, frozen=True, kw_only=True):
    """A challenger is in shadow again, since the terms of trials changed; its test goes on."""

    share: float
    """That it had decided."""


class Promoted(LedgerEvent, frozen=True, kw_only=True):
    """A challenger took the slot; the agent that it replaced goes to the bench."""

    replaced: AgentId
    since: Day
    """The day that event time had reached: from about then on it decides."""
    bench_until: Day
    log_up: float
    bound: float
    rows: int
    frauds: int
    days: int


class Renewed(LedgerEvent, frozen=True, kw_only=True):
    """The same genome, trained on newer days, took the slot without a probation; its predecessor is on the bench."""

    request: str
    offline: OfflineResult | None
    replaced: AgentId
    since: Day
    """The day that event time had reached: from about then on it decides."""
    bench_until: Day


class GuardStarted(LedgerEvent, frozen=True, kw_only=True):
    """After a swap: the newcomer is compared with the agent on the bench from its first full day on."""

    bench: AgentId
    first_full_day: Day
    rules: ProbationRules
    costs: Costs
    false_alarm_days: float
    chance_min: float = 1.0


class GuardAdded(LedgerEvent, frozen=True, kw_only=True):
    """One closed cohort was added to a guard."""

    bench: AgentId
    rows: int
    frauds: int
    wins: int
    """Compromised entities that only the benched agent would have caught."""
    losses: int
    days: int
    log_sr: float
    """Natural logarithm of the alarm's value."""
    alarm_at: float


class RollbackHeld(LedgerEvent, frozen=True, kw_only=True):
    """A guard's alarm stands, or a limit is broken, but the lineup is frozen."""

    bench: AgentId
    """Who would be in its place."""
    alarm_at: float
    """Of the guard; 0 for a limit."""


class RolledBack(LedgerEvent, frozen=True, kw_only=True):
    """A swap was undone: the benched agent has its slot again."""

    replaced: AgentId
    since: Day
    """The day that event time had reached: from about then on it decides."""
    cause: str
    """guard (the newcomer lost too often), unsafe (it didn't score), before labels missing or alerts (see
    `LimitBroken`), policy, or by hand: cut, hand."""
    rows: int
    frauds: int
    days: int


class LimitBroken(LedgerEvent, frozen=True, kw_only=True):
    """A newcomer in its slot or on trial is out of bounds on a day without labels: what it did is undone at once."""

    cause: str
    """missing (scores that it didn't give) or alerts (too many)."""
    against: AgentId
    """The agent that is put in its place."""
    seen: Day
    """The day that was looked at, newer than the cohort."""
    rows: int
    """Scored by that agent."""
    missing: int
    """Of them without a score of the newcomer."""
    alerts: int
    """By expected cost, each agent deciding alone."""
    alerts_against: int


class Released(LedgerEvent, frozen=True, kw_only=True):
    """An agent is out."""

    cause: str
    """worse, futile, limit, unsafe, stale, guard, missing, alerts, policy, or by hand: cut, hand."""
    log_up: float = 0.0
    log_down: float = 0.0
    log_futility: float = 0.0
    rows: int = 0
    frauds: int = 0
    days: int = 0


class ReturnedToPool(LedgerEvent, frozen=True, kw_only=True):
    """A probation ended without a verdict: the incumbent or the terms of the test changed."""


class BenchReleased(LedgerEvent, frozen=True, kw_only=True):
    """A replaced incumbent's time on the bench is over."""


class Frozen(LedgerEvent, frozen=True, kw_only=True):
    """Nothing changes who decides from now on, except by hand."""


class Unfrozen(LedgerEvent, frozen=True, kw_only=True):
    """The end of a freeze."""


class RulesChanged(LedgerEvent, frozen=True, kw_only=True):
    """Another set of the user's rules acts from now on, or none."""

    before: str
    """Id of the set until now; empty: none."""
    rules: str
    """Id of the set from now on; empty: none."""


class CommandRefused(LedgerEvent, frozen=True, kw_only=True):
    """A person asked for something that can't be done."""

    verb: str


Event = (
    EpochChanged
    | CohortTaken
    | WatchChanged
    | DriftSeen
    | TrainingRequested
    | TrainingDelivered
    | TrainingGivenUp
    | ReleasedOffline
    | Signed
    | ProbationStarted
    | EvidenceAdded
    | PromotionHeld
    | TrialStarted
    | TrialEnded
    | Promoted
    | Renewed
    | GuardStarted
    | GuardAdded
    | RollbackHeld
    | LimitBroken
    | RolledBack
    | Released
    | ReturnedToPool
    | BenchReleased
    | Frozen
    | Unfrozen
    | RulesChanged
    | Learned
    | LessonFailed
    | LearningHeld
    | LearningResumed
    | CommandRefused
)


def kind_of(event: Event) -> str:
    """The name that the ledger knows an event by."""
    return type(event).__name__


def encode_event(event: Event) -> str:
    """JSON of an event, with its kind."""
    return msgspec.json.encode(event).decode()


def decode_event(text: str) -> Event:
    """An event from its JSON.

    Raises:
        msgspec.ValidationError: it was written by something else.
    """
    return _DECODER.decode(text)


_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)

"""Every number of free agency that a user may set, with its unit and bounds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rlfa.lineup.budget import AlertRules
from rlfa.lineup.exploration import ExplorationRules
from rlfa.lineup.hedge import HedgeRules
from rlfa.rewards.inefficiency import EfficiencyRules
from rlfa.rewards.money import Costs


class WatchRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an incumbent is on watch, and when it is underperforming."""

    half_life: Annotated[float, Meta(gt=0, le=3650)] = 7.0
    """Cohorts (days) after which a reward counts half."""
    rows_min: Annotated[float, Meta(ge=0, le=1e12)] = 5_000.0
    """Discounted transactions before a record is used, unless `cohorts_min` is reached first."""
    cohorts_min: Annotated[int, Meta(ge=1, le=3650)] = 14
    """Cohorts after which a record is used however few its transactions."""
    frauds_min: Annotated[float, Meta(ge=1, le=1e9)] = 20.0
    """Discounted frauds under which detection is undefined, and never low."""
    baseline_cohorts: Annotated[int, Meta(ge=1, le=3650)] = 7
    """Cohorts after which a first incumbent's detection becomes its level; a promoted one brings its level
    along."""
    reward_min: float = 0.0
    """Reward per transaction, in the stream's currency, under which a cohort is low; 0 is what approving
    earns."""
    reward_hysteresis: Annotated[float, Meta(ge=0, le=10)] = 0.05
    """A cohort is good only with a reward above `reward_min` by this share of it."""
    detection_min: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Detection under which a cohort is low, whatever the level at promotion."""
    detection_share_min: Annotated[float, Meta(ge=0, le=1)] = 0.9
    """Share of the level at promotion under which detection is low."""
    detection_hysteresis: Annotated[float, Meta(ge=0, le=1)] = 0.02
    """A cohort is good only with detection above its threshold by so much."""
    gap_max: Annotated[float, Meta(ge=0, le=100)] = 0.10
    """Share of the incumbent's reward by which a shadow's may exceed it; good at half of it."""
    patience: Annotated[int, Meta(ge=1, le=365)] = 3
    """Low cohorts out of the last `patience + 1` that turn watch into under."""
    calm: Annotated[int, Meta(ge=1, le=365)] = 2
    """Good cohorts in a row that end a watch."""
    recover: Annotated[int, Meta(ge=1, le=365)] = 5
    """Good cohorts in a row after which an underperforming incumbent is ok again."""


class ProbationRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The test that a challenger must pass. Frauds are compromised entities, each counted once."""

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    """Probability of promoting a challenger that isn't better, per probation."""
    error: Literal["slot", "slot_fdr", "all_fdr"] = "slot"
    """What alpha bounds where several challengers are tried at once: the probability of a false promotion per slot
    (e >= m/alpha), or the share of false ones among the challengers found better (e-BH), within a slot or over all
    slots."""
    loss: Literal["count", "brier"] = "count"
    """Missed frauds and kappa per false alarm, or the weighted squared error of the probabilities."""
    brier_genuine_weight: Annotated[float, Meta(gt=0, le=1)] = 0.02
    """Weight of a genuine transaction in the Brier loss; frauds weigh 1."""
    cluster_entities: tuple[str, ...] = ()
    """Entities that get compromised and make one observation; empty: all entities of the stream, the safe
    choice. One with few members (a handful of terminals) soon silences the rest: name those that fraud really
    takes over. Cards taken in one attack that share none of these entities count as so many observations, and alpha no
    longer holds (37% of equal challengers promoted in a simulation): name what such an attack goes through as well."""
    threshold_days: Annotated[int, Meta(ge=1, le=90)] = 7
    """Closed days before a cohort whose daily thresholds are averaged for it."""
    frauds_min: Annotated[int, Meta(ge=1, le=1_000_000)] = 30
    """Frauds before any verdict."""
    rows_min: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 5_000
    """Transactions before any verdict."""
    days_min: Annotated[int, Meta(ge=1, le=365)] = 3
    """Cohorts with evidence before any verdict."""
    frauds_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 600
    """Frauds after which a challenger without a verdict is released."""
    days_max: Annotated[int, Meta(ge=1, le=3650)] = 90
    """Cohorts with evidence after which a challenger without a verdict is released."""
    joining_days_max: Annotated[int, Meta(ge=1, le=365)] = 14
    """Cohorts past the expected first one that a challenger may fail to score whole before it is released."""
    gain_min: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    """Gain in loss per fraud that a swap is worth: 0.05 is five points of recall."""
    worse_at: Annotated[float, Meta(gt=1, le=1e9)] = 20.0
    """The mirrored e-value at which a challenger is released as worse."""
    futile_at: Annotated[float, Meta(gt=1, le=1e9)] = 10.0
    """The e-value against `gain_min` at which a challenger is released as futile."""
    missing_share_max: Annotated[float, Meta(ge=0, lt=1)] = 0.01
    """Share of a cohort's rows without a challenger's score above which it is unsafe."""


class TrialRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The stage between shadow and slot, in which a challenger decides a small random share."""

    share: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """Of the slot's transactions that each challenger on trial decides; 0: there is no such stage."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    """A challenger goes on trial at an e-value of m/alpha, with m challengers at once; its test goes on, and promotes
    at the bound of the probation."""
    frauds_min: Annotated[int, Meta(ge=1, le=1_000_000)] = 10
    """Frauds of its probation before a trial."""
    days_min: Annotated[int, Meta(ge=1, le=365)] = 3
    """Days of traffic that it must have decided a share of before it may be promoted."""


class ScoutRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which free agents are made, and when."""

    candidates: Annotated[int, Meta(ge=1, le=64)] = 2
    """Free agents trained per scouting; the first always repeats the incumbent's genome on the newest
    window."""
    challengers_max: Annotated[int, Meta(ge=1, le=64)] = 2
    """Probations of a slot at once; each raises the bound for all."""
    cooldown_days: Annotated[int, Meta(ge=0, le=3650)] = 7
    """Days after a slot's scouting or the end of its last probation before it scouts again."""
    training_days_max: Annotated[int, Meta(ge=1, le=3650)] = 30
    """Days after which a training that brought nothing is given up."""
    pool_days_max: Annotated[int, Meta(ge=1, le=3650)] = 60
    """Days that a free agent waits in the pool before it is released as stale."""
    return_days: Annotated[int, Meta(ge=0, le=3650)] = 60
    """Days after which a released challenger or a former incumbent has cooled down, and may be tried again when its
    slot scouts, one at a time; 0: never."""
    review_days: Annotated[int, Meta(ge=0, le=3650)] = 0
    """Days without a probation after which even a healthy slot scouts; 0: only slots that underperform do."""
    gate_margin: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Offline gate: share of the incumbent's loss by which a candidate's may exceed it."""


class DriftRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Signals without labels: they may start scouting early and never remove anyone."""

    scouts: bool = True
    """Whether drift may start scouting; what it shows is written down in any case."""
    reference_days: Annotated[int, Meta(ge=7, le=365)] = 28
    """First days of an incumbent in its slot, which later days are compared with; before that many there are no
    signals, and none at all where renewals come sooner."""
    rows_min: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 200
    """Transactions of a day that is looked at."""
    days_alarm: Annotated[int, Meta(ge=1, le=365)] = 3
    """Days with an alarm among the last `days_alarm + 1` that make drift."""
    days_between: Annotated[int, Meta(ge=1, le=3650)] = 30
    """Days between two scoutings that drift starts for a slot, and between two such entries of the ledger."""
    psi_min: Annotated[float, Meta(ge=0, le=100)] = 0.02
    """Population stability index of the scores under which a day is no alarm, however many its rows."""
    score_level: Annotated[float, Meta(gt=0, lt=1)] = 0.001
    """Probability that noise alone passes the limit of that index on a day."""
    ks_min: Annotated[float, Meta(ge=0, le=1)] = 0.05
    """Distance of Kolmogorov and Smirnov under which a feature hasn't moved, however many the rows."""
    feature_level: Annotated[float, Meta(gt=0, lt=1)] = 0.01
    """False discovery rate among the features that a day shows as moved."""
    features_min: Annotated[int, Meta(ge=1, le=10_000)] = 2
    """Features that must have moved for an alarm, unless the scores have."""
    missing_share_max: Annotated[float, Meta(ge=0, lt=1)] = 0.01
    """Share of a day's rows without the incumbent's score above which its scores say nothing."""


class RenewalRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Retraining on a schedule, for streams that move faster than a probation can tell."""

    every_days: Annotated[int, Meta(ge=0, le=3650)] = 0
    """Days after which the incumbent's genome is trained again on the newest window and takes the slot once it has
    passed the offline gate, without a probation; slots with a challenger wait. 0: never, and every change of who
    decides has its evidence."""


class LearningRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Agents that learn as cohorts close."""

    every_days: Annotated[int, Meta(ge=1, le=3650)] = 1
    """Closed cohorts between two versions of such an agent."""


class GuardRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The alarm over a newcomer after its swap, while the agent that it replaced scores on from the bench."""

    false_alarm_days: Annotated[float, Meta(ge=2, le=1e9)] = 365.0
    """Cohorts between two false alarms on average, or more, while the newcomer is no worse; a real alarm rolls
    the swap back."""
    alert_rate_max: Annotated[float, Meta(gt=1, le=1000)] = 3.0
    """Without labels: times as many alerts, by expected cost, as the agent that it replaced would give on the same
    transactions; above it a swap or a trial is undone at once."""
    alerts_min: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    """Alerts of a newcomer on a day under which their rate says nothing."""


class SwapLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often who decides may change."""

    freeze: bool = False
    """Promote nobody, roll nothing back, scout nobody and leave the lanes' weights alone, except by hand; tests and
    weights go on collecting what they learn from, and it counts when the freeze ends."""
    days_between: Annotated[int, Meta(ge=0, le=3650)] = 7
    """Days between two swaps of one slot."""
    per_day: Annotated[int, Meta(ge=1, le=1000)] = 1
    """Swaps a day over all slots."""
    bench_days: Annotated[int, Meta(ge=0, le=3650)] = 30
    """Days of traffic after its swap that a replaced incumbent stays on the bench; the label delay comes on
    top."""


class FreeAgencyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[free_agency]` of rlfa.toml."""

    policy: Literal["bandit", "learned", "threshold"] = "bandit"
    """Who chooses among hold, scout, promote, release and rollback. `bandit` scouts by what past probations showed and
    promotes on evidence alone; `learned` may wait where `bandit` wouldn't; `threshold` is the paper's rule: a probation
    of fixed length and the higher reward, without a bound of error and without a guard's alarm."""
    costs: Costs = Costs()
    alerts: AlertRules = AlertRules()
    efficiency: EfficiencyRules = EfficiencyRules()
    watch: WatchRules = WatchRules()
    probation: ProbationRules = ProbationRules()
    trial: TrialRules = TrialRules()
    scout: ScoutRules = ScoutRules()
    drift: DriftRules = DriftRules()
    renewal: RenewalRules = RenewalRules()
    learning: LearningRules = LearningRules()
    guard: GuardRules = GuardRules()
    swaps: SwapLimits = SwapLimits()
    hedge: HedgeRules = HedgeRules()
    exploration: ExplorationRules = ExplorationRules()

    @property
    def terms(self) -> tuple[ProbationRules, Costs, float]:
        """Of every test: what changes them ends it."""
        return self.probation, self.costs, self.exploration.propensity_min

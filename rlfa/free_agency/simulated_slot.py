"""The manager of one simulated slot: the rules of the real one, on a day's counts instead of its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rlfa.free_agency.evalue import BETS, log_mixture
from rlfa.free_agency.policies.policy import REVIEW_DAYS, Kind, Move, Situation, Trial, permitted
from rlfa.free_agency.rules import ProbationRules, ScoutRules, SwapLimits, WatchRules
from rlfa.free_agency.scouting import FAILED, Arm, BanditScout, Payoff, Vacancy, learn, uplift
from rlfa.free_agency.simulated_world import AMOUNT_MEAN, FAMILIES, GATE_DAYS, HISTORY, ROWS, Trained, World
from rlfa.free_agency.state import Watch
from rlfa.free_agency.watch import is_good, is_low, is_usable, move, read_signs, with_level
from rlfa.lineup.slots import AgentId, Day, SlotId
from rlfa.rewards.discounted import Earned, PairRecord, Record, after, pair_after
from rlfa.rewards.money import Costs

WATCH = WatchRules()
PROBATION = ProbationRules()
LIMITS = SwapLimits()
COSTS = Costs(alert_budget_per_day=50)
COOLDOWN_DAYS = ScoutRules().cooldown_days
GUARD_LOG = math.log(365.0)
FIRST_LOOK_DAYS = 28
SAME_ALARMS = 0.6
"""Share of their false alarms that two agents have in common."""
DRIFT_DAYS = 3
_FAMILIES = tuple(str(f) for f in range(FAMILIES))
_UP, _DOWN = np.log1p(np.array(BETS)), np.log1p(-np.array(BETS))
_UP_GENUINE, _DOWN_GENUINE = np.log1p(COSTS.kappa * np.array(BETS)), np.log1p(-COSTS.kappa * np.array(BETS))
_WON = np.log1p(np.array(BETS) * (PROBATION.gain_min - 1.0))
_LOST = np.log1p(np.array(BETS) * (PROBATION.gain_min + 1.0))
_EVEN = np.log1p(np.array(BETS) * PROBATION.gain_min)


@dataclass(frozen=True, slots=True)
class Prices:
    """What moves cost, in the stream's currency: an hour or two of a machine, and people who look at a swap."""

    training: float = 20.0
    swap: float = 100.0


@dataclass(slots=True)
class Player:
    """An agent that scores, with what it caught by day, kept until the day has matured."""

    trained: Trained
    masks: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def id(self) -> AgentId:
        """Family and day name it."""
        return AgentId(f"{self.trained.family}-{self.trained.day}")


@dataclass(slots=True)
class Challenge:
    """A probation."""

    player: Player
    first_full_day: int
    rivals: int = 1
    up: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))
    down: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))
    futility: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))
    wins: int = 0
    losses: int = 0
    frauds: int = 0
    days: int = 0
    pair: PairRecord = field(default_factory=PairRecord)

    def view(self) -> Trial:
        """As a policy sees it."""
        log_up, bound = _log(self.up), self.rivals / PROBATION.alpha
        enough = self.frauds >= PROBATION.frauds_min and self.days >= PROBATION.days_min
        return Trial(
            agent=self.player.id,
            log_up=log_up,
            log_down=_log(self.down),
            log_futility=_log(self.futility),
            bound=bound,
            ready=enough and log_up >= math.log(bound),
            frauds=self.frauds,
            days=self.days,
            wins=self.wins,
            losses=self.losses,
            gap=self.pair.gap,
        )


class SimulatedSlot:
    """One slot of a world, from the first day on.

    Args:
        world: the truth.
        prices: of trainings and swaps.
        needs_evidence: whether only a challenger with its e-value may be promoted.
    """

    def __init__(self, world: World, prices: Prices, *, needs_evidence: bool) -> None:
        self.world, self.prices = world, prices
        self._needs_evidence = needs_evidence
        self.day = HISTORY
        self.frozen = first_lineup(world)
        self.incumbent = Player(self.frozen)
        self.record, self.watch = Record(), Watch()
        self.challenges: list[Challenge] = []
        self._orders: list[int] = []
        self._bench: Player | None = None
        self._guard: NDArray[np.float64] | None = None
        self._bench_until = 0
        self._quiet_since, self._swapped = HISTORY - REVIEW_DAYS, HISTORY - LIMITS.days_between
        self._scoutings = 0
        self._shifts: list[bool] = []
        self._arms: dict[str, Arm] = {}
        self._scout = BanditScout(_FAMILIES)
        self._live_masks()

    def allowed(self, situation: Situation) -> frozenset[Kind]:
        """What the state machine permits today."""
        return permitted(
            situation,
            needs_evidence=self._needs_evidence,
            may_swap=self.day - self._swapped >= LIMITS.days_between,
            cooldown_days=COOLDOWN_DAYS,
        )

    def situation(self) -> Situation:
        """What the manager knows today."""
        trials = sorted((c.view() for c in self.challenges), key=lambda t: (-t.log_up, t.agent))
        arms = {f: self._arms.get(f, Arm(day=Day(self.day))).at(Day(self.day)).mean for f in _FAMILIES}
        own = arms.pop(str(self.incumbent.trained.family))
        return Situation(
            standing=self.watch.standing,
            reward=self.record.reward,
            reward_error=self.record.reward_error,
            detection=self.record.detection(WATCH.frauds_min),
            level=self.watch.level,
            delay_days=self.world.delay,
            days_held=self.day - self._swapped,
            days_quiet=self.day - self._quiet_since,
            trials=tuple(trials),
            training=len(self._orders),
            log_guard=None if self._guard is None else _log(self._guard),
            own=own,
            other=max(arms.values()),
            shift=self.world.shift(self.incumbent.trained, self.day),
            drifted=sum(self._shifts) >= DRIFT_DAYS,
        )

    def play(self, move: Move) -> float:
        """Carry out a move.

        Returns:
            What it costs.
        """
        match move.kind:
            case "scout":
                return self._order(1 + move.others)
            case "promote":
                best = next(c for c in self.challenges if c.player.id == move.agent)
                return self._swap(best)
            case "release":
                self._end(next(c for c in self.challenges if c.player.id == move.agent))
                return 0.0
            case "rollback":
                return self._roll_back()
            case "hold":
                return 0.0

    def live(self) -> float:
        """The next day: its traffic, what was trained, and the cohort that matures.

        Returns:
            What the state machine's own moves cost.
        """
        self.day += 1
        self.world.strike(self.incumbent.trained, self.day)
        self._live_masks()
        self._shifts = [*self._shifts, self.world.shift(self.incumbent.trained, self.day) > 1.0][-4:]
        self._sign()
        cohort = self.day - self.world.delay
        if cohort >= HISTORY and not self.world.away[cohort]:
            self._mature(cohort)
        self._forget(cohort)
        if self._guard is not None and _log(self._guard) >= GUARD_LOG and self._needs_evidence:
            return self._roll_back()
        return 0.0

    def cost_of(self, trained: Trained) -> float:
        """The truth: what today costs with this agent, in the stream's currency."""
        if self.world.away[self.day]:
            return 0.0
        caught = self.incumbent.masks[self.day] if trained is self.incumbent.trained else None
        return cost_of_day(self.world, self.day, self.world.caught(trained, self.day) if caught is None else caught)

    def expected_gain(self, trained: Trained) -> float:
        """The truth without luck: what this agent is expected to save today, in the stream's currency."""
        return expected_gain(self.world, self.day, self.world.expected(trained, self.day))

    def _order(self, count: int) -> float:
        family = str(self.incumbent.trained.family)
        vacancy = Vacancy(
            slot=SlotId("s"),
            incumbent=self.incumbent.id,
            family=family,
            day=Day(self.day),
            scoutings=self._scoutings,
            arms=self._arms,
        )
        picks = self._scout.choose(vacancy, count, self.world.seed)
        self._orders = [int(p.family) for p in picks]
        self._scoutings += 1
        self._quiet_since = self.day
        return self.prices.training * len(picks)

    def _sign(self) -> None:
        """Yesterday's orders come back: through the offline gate into probation."""
        for family in self._orders:
            trained = self.world.train(family, self.day - 1)
            known = (self.incumbent.trained, *(c.player.trained for c in self.challenges))
            if any((trained.family, trained.day) == (k.family, k.day) for k in known):
                continue
            if self._passes(trained):
                self.challenges.append(Challenge(Player(trained), self.day + 1))
            else:
                self._learn(family, FAILED, 1.0)
        if self._orders:
            for challenge in self.challenges:
                challenge.rivals = max(challenge.rivals, len(self.challenges))
        self._orders = []

    def _passes(self, trained: Trained) -> bool:
        newest = self.day - 1 - self.world.delay
        days = [d for d in range(newest - GATE_DAYS, newest) if d >= 0]
        gained = 0
        for day in days:
            reported = self.world.reported[self.world.rows(day)]
            ours, theirs = self.world.caught(self.incumbent.trained, day), self.world.caught(trained, day)
            gained += int(np.count_nonzero(theirs & reported)) - int(np.count_nonzero(ours & reported))
        return gained >= 0

    def _mature(self, cohort: int) -> None:
        reported = self.world.reported[self.world.rows(cohort)]
        amount = self.world.amount[self.world.rows(cohort)]
        frauds = int(np.count_nonzero(reported))
        inc = self.incumbent.masks.get(cohort)
        if inc is None:
            return
        inc = inc & reported
        own = _earned(inc, amount, frauds, self.record)
        self.record = after(self.record, own, WATCH.half_life)
        for challenge in self.challenges:
            if cohort >= challenge.first_full_day:
                self._bet(challenge, challenge.player.masks[cohort] & reported, inc, frauds, own, amount)
        self._watch()
        if self._guard is not None and self._bench is not None and cohort > self._swapped:
            self._guard = np.logaddexp(self._guard, 0.0) if np.isfinite(self._guard).all() else np.zeros(len(BETS))
            bench = self._bench.masks[cohort] & reported
            worse, better = _discordant(bench, inc)
            self._guard = self._guard + _gains(worse, better, bench)
        for challenge in [c for c in self.challenges if _is_over(c)]:
            self._end(challenge)

    def _bet(
        self,
        challenge: Challenge,
        mask: NDArray[np.bool_],
        inc: NDArray[np.bool_],
        frauds: int,
        own: Earned,
        amount: NDArray[np.float64],
    ) -> None:
        wins, losses = _discordant(mask, inc)
        challenge.up += _gains(wins, losses, mask)
        challenge.down += _gains(losses, wins, inc)
        genuine = _genuine(losses, wins, inc)
        challenge.futility += wins * _WON + losses * _LOST + (frauds - wins - losses) * _EVEN + genuine
        challenge.wins += wins
        challenge.losses += losses
        challenge.frauds += frauds
        challenge.days += 1
        shadow = _earned(mask, amount, frauds, challenge.pair.shadow)
        challenge.pair = pair_after(challenge.pair, own, shadow, WATCH.half_life)

    def _watch(self) -> None:
        if not is_usable(self.record, WATCH):
            return
        before = with_level(self.watch, self.record, WATCH)
        pairs = {c.player.id: c.pair for c in self.challenges}
        signs = read_signs(before, self.record, pairs, WATCH)
        self.watch = move(before, low=is_low(signs, WATCH), good=is_good(signs, WATCH), rules=WATCH)

    def _swap(self, best: Challenge) -> float:
        for challenge in list(self.challenges):
            self._end(challenge)
        level = best.pair.shadow.detection(WATCH.frauds_min)
        self._bench, self._guard = self.incumbent, np.full(len(BETS), -np.inf)
        self._bench_until = self.day + self.world.delay + LIMITS.bench_days
        self.incumbent, self.record = best.player, best.pair.shadow
        self.watch = Watch(level=level)
        self._swapped = self._quiet_since = self.day
        return self.prices.swap

    def _roll_back(self) -> float:
        assert self._bench is not None
        self.incumbent, self._bench, self._guard = self._bench, None, None
        for challenge in list(self.challenges):
            self._end(challenge)
        self.record, self.watch = Record(), Watch()
        self._swapped = self._quiet_since = self.day
        return self.prices.swap

    def _end(self, challenge: Challenge) -> None:
        self.challenges.remove(challenge)
        self._quiet_since = self.day
        found = uplift(challenge.wins - challenge.losses, challenge.frauds, challenge.frauds, PROBATION.frauds_min)
        if found:
            self._learn(challenge.player.trained.family, *found)

    def _learn(self, family: int, value: float, weight: float) -> None:
        self._arms = learn(self._arms, [Payoff(family=str(family), value=value, weight=weight)], Day(self.day))

    def _live_masks(self) -> None:
        for player in self._players():
            player.masks[self.day] = self.world.caught(player.trained, self.day)

    def _players(self) -> list[Player]:
        bench = [self._bench] if self._bench else []
        return [self.incumbent, *bench, *(c.player for c in self.challenges)]

    def _forget(self, cohort: int) -> None:
        for player in self._players():
            player.masks.pop(cohort - 1, None)
        if self._bench is not None and self.day > self._bench_until:
            self._bench, self._guard = None, None


def cost_of_day(world: World, day: int, caught: NDArray[np.bool_]) -> float:
    """Fraud not prevented, false alarms and reviews of a day on which bool[frauds] `caught` are stopped."""
    if world.away[day]:
        return 0.0
    amount = world.amount[world.rows(day)]
    lost = float(amount.sum()) - COSTS.prevented_share * float(amount[caught].sum())
    alerts = COSTS.alert_budget_per_day
    return lost + COSTS.review * alerts + COSTS.false_positive * (alerts - int(np.count_nonzero(caught)))


def expected_gain(world: World, day: int, share: float) -> float:
    """What stopping a share of a day's frauds saves on average, against stopping none under the same budget."""
    if world.away[day]:
        return 0.0
    return float(world.rate[day]) * share * (COSTS.prevented_share * AMOUNT_MEAN + COSTS.false_positive)


def first_lineup(world: World) -> Trained:
    """The family that caught the most of the newest matured frauds: nobody starts with one drawn at random."""
    newest = HISTORY - world.delay
    rows = slice(int(world.start[newest - FIRST_LOOK_DAYS]), int(world.start[newest]))

    def caught(trained: Trained) -> int:
        masks = [world.caught(trained, day) for day in range(newest - FIRST_LOOK_DAYS, newest)]
        return int(np.count_nonzero(np.concatenate(masks) & world.reported[rows]))

    return max((world.train(family, HISTORY) for family in range(FAMILIES)), key=caught)


def _earned(caught: NDArray[np.bool_], amount: NDArray[np.float64], frauds: int, record: Record) -> Earned:
    saved = COSTS.prevented_share * amount[caught] - COSTS.review
    stopped = COSTS.alert_budget_per_day
    wrong = stopped - len(saved)
    lost = COSTS.false_positive + COSTS.review
    money = float(saved.sum()) - wrong * lost
    squares = float(saved @ saved) + wrong * lost**2 - 2.0 * record.reward * money + ROWS * record.reward**2
    return Earned(
        rows=ROWS, missing=0, frauds=frauds, caught=len(saved), stopped=stopped, accuracy=money, squares=squares
    )


def _discordant(mask: NDArray[np.bool_], inc: NDArray[np.bool_]) -> tuple[int, int]:
    """Frauds that only the first caught, and that only the second caught."""
    both = int(np.count_nonzero(mask & inc))
    return int(np.count_nonzero(mask)) - both, int(np.count_nonzero(inc)) - both


def _gains(wins: int, losses: int, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """float64[bets], what a day adds to the logarithm of each bet on the first agent's being better."""
    gains: NDArray[np.float64] = wins * _UP + losses * _DOWN + _genuine(wins, losses, mask)
    return gains


def _genuine(wins: int, losses: int, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The false alarms that the two don't share: what the budget leaves after the frauds."""
    left = COSTS.alert_budget_per_day - int(np.count_nonzero(mask))
    saved = int((1.0 - SAME_ALARMS) * (left + wins - losses))
    gains: NDArray[np.float64] = saved * _UP_GENUINE + int((1.0 - SAME_ALARMS) * left) * _DOWN_GENUINE
    return gains


def _is_over(challenge: Challenge) -> bool:
    """What `probation.verdict` calls worse, futile or limit."""
    if challenge.frauds >= PROBATION.frauds_max or challenge.days >= PROBATION.days_max:
        return True
    if challenge.frauds < PROBATION.frauds_min or challenge.days < PROBATION.days_min:
        return False
    ready = _log(challenge.up) >= math.log(challenge.rivals / PROBATION.alpha)
    worse = _log(challenge.down) >= math.log(PROBATION.worse_at)
    futile = _log(challenge.futility) >= math.log(PROBATION.futile_at)
    return not ready and (worse or futile)


def _log(logs: NDArray[np.float64]) -> float:
    return -math.inf if np.isneginf(logs[0]) else log_mixture(tuple(logs.tolist()))

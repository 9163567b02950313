"""Underperformance with patience: it permits scouting, it swaps nobody."""

from __future__ import annotations

import msgspec

from rlfa.free_agency.rules import WatchRules
from rlfa.free_agency.state import Standing, Watch
from rlfa.lineup.slots import AgentId
from rlfa.rewards.discounted import PairRecord, Record


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """How one cohort leaves an incumbent: its discounted figures against their thresholds.

    Attributes:
        reward: per transaction.
        detection: share of frauds; None where too few are known.
        detection_min: threshold.
        gap: by how much the slot's best shadow earned more per transaction on the same cohorts; None without
            one.
        gap_of: the incumbent's reward on those cohorts, which the gap is measured against.
        best: that shadow.
    """

    reward: float
    detection: float | None
    detection_min: float
    gap: float | None = None
    gap_of: float = 0.0
    best: AgentId = AgentId("")


def is_usable(record: Record, rules: WatchRules) -> bool:
    """A record says something once it has enough transactions, or enough cohorts."""
    return record.rows_effective >= rules.rows_min or record.cohorts >= rules.cohorts_min


def read_signs(watch: Watch, record: Record, pairs: dict[AgentId, PairRecord], rules: WatchRules) -> Signs:
    """The figures that the machine looks at."""
    detection_min = max(rules.detection_min, rules.detection_share_min * (watch.level or 0.0))
    usable = {a: p for a, p in pairs.items() if is_usable(p.shadow, rules)}
    best = max(usable, key=lambda a: (usable[a].gap, a), default=None)
    detection = record.detection(rules.frauds_min)
    if best is None:
        return Signs(reward=record.reward, detection=detection, detection_min=detection_min)
    return Signs(
        reward=record.reward,
        detection=detection,
        detection_min=detection_min,
        gap=usable[best].gap,
        gap_of=abs(usable[best].incumbent.reward),
        best=best,
    )


def is_low(signs: Signs, rules: WatchRules) -> bool:
    """Whether any figure is under its threshold."""
    low_reward = signs.reward < rules.reward_min
    low_detection = signs.detection is not None and signs.detection < signs.detection_min
    outplayed = signs.gap is not None and signs.gap > rules.gap_max * signs.gap_of
    return low_reward or low_detection or outplayed


def is_good(signs: Signs, rules: WatchRules) -> bool:
    """Whether every figure is clearly over its threshold: not low isn't good yet."""
    reward_good = rules.reward_min + rules.reward_hysteresis * abs(rules.reward_min)
    detection_good = signs.detection_min + rules.detection_hysteresis
    return (
        signs.reward >= reward_good
        and (signs.detection is None or signs.detection >= detection_good)
        and (signs.gap is None or signs.gap <= rules.gap_max / 2.0 * signs.gap_of)
    )


def with_level(watch: Watch, record: Record, rules: WatchRules) -> Watch:
    """A first incumbent's level is its detection after the first cohorts, once that is defined."""
    detection = record.detection(rules.frauds_min)
    if watch.level is not None or detection is None or record.cohorts < rules.baseline_cohorts:
        return watch
    return Watch(standing=watch.standing, lows=watch.lows, goods=watch.goods, level=detection)


def move(watch: Watch, *, low: bool, good: bool, rules: WatchRules) -> Watch:
    """One cohort on: at most one change of standing."""
    lows = (*watch.lows, low)[-(rules.patience + 1) :]
    goods = watch.goods + 1 if good else 0
    standing = _next_standing(watch.standing, low, sum(lows), goods, rules)
    if standing != watch.standing:
        goods = 0
    if standing == "ok" != watch.standing:
        lows = ()
    return Watch(standing=standing, lows=lows, goods=goods, level=watch.level)


def _next_standing(standing: Standing, low: bool, lows: int, goods: int, rules: WatchRules) -> Standing:
    if standing == "ok":
        return "watch" if low else "ok"
    if standing == "watch" and lows >= rules.patience:
        return "under"
    enough = rules.calm if standing == "watch" else rules.recover
    return "ok" if goods >= enough else standing


def explain(signs: Signs, rules: WatchRules) -> str:
    """The figures in a sentence."""
    parts = [f"reward {signs.reward:.4f} a transaction (threshold {rules.reward_min:.4f})"]
    if signs.detection is not None:
        parts.append(f"detection {signs.detection:.2f} (threshold {signs.detection_min:.2f})")
    if signs.gap is not None:
        parts.append(f"{signs.best} earned {signs.gap:+.4f} a transaction against it")
    return ", ".join(parts)

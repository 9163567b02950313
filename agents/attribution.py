"""Reasons: what each feature adds to a logit, by Shapley values against the typical row. They add up, for any agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import factorial

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]  # [n, d]
Value = Callable[[Features], NDArray[np.float32]]  # rows to logits float32[n]
EXACT_UP_TO = 7  # features that differ: all 128 coalitions of them cost less than sampling
ROWS_PER_REASON = 256  # scores for one row, about: see benchmarks.reasons for what more of them would buy
PAIRS_MAX = 8  # of an order and its reverse
PLAYERS_MAX = 128  # of more features neighbours play together first, and the strongest blocks are then opened
BLOCKS = 64
ROWS_AT_ONCE = 4096
SEED = 20_170


@dataclass(frozen=True, slots=True)
class Rule:
    """Which coalitions of k players are asked, and what each player gets of their values.

    Attributes:
        coalitions: bool[c, k], the first empty and the last whole.
        shares: float64[k, c]; the sum over players is -1 for the first, 1 for the last and 0 for the others, so what
            players get adds up to the difference between all and none.
    """

    coalitions: NDArray[np.bool_]
    shares: NDArray[np.float64]


@cache
def rule(players: int) -> Rule:
    """Exact for a few players; for more, orders that are drawn once and for all, each with its reverse.

    With its reverse an order is exact wherever no more than two players work together, and the same row has the same
    reasons in any batch and in any year.

    Source: Shapley 1953, "A value for n-person games"; Castro, Gómez, Tejada 2009, "Polynomial calculation of the
    Shapley value based on sampling"; Mitchell et al. 2022, "Sampling permutations for Shapley value estimation", 4.1.
    """
    return _exact(players) if players <= EXACT_UP_TO else _sampled(players)


def shapley(value: Value, x: Features, typical: NDArray[np.float32]) -> NDArray[np.float64]:
    """What each feature of each row adds to its logit, float64[n, d]: its mean step over the orders of the features.

    A coalition is a row that has some features as they are and the others at their typical value. A feature at its
    typical value adds nothing, and a row's sum is its logit less that of the typical row.

    Args:
        value: logits of any number of rows.
        x: float32[n, d].
        typical: float32[d], where rows start from; NaN is a value like any other.
    """
    out = np.zeros(x.shape)
    differs = ~((x == typical) | (np.isnan(x) & np.isnan(typical)))
    for i in range(len(x)):
        mine = np.flatnonzero(differs[i])
        if len(mine) <= PLAYERS_MAX:
            out[i, mine] = _play(value, x[i], typical, [np.array([j]) for j in mine])
        else:
            out[i] = _play_in_blocks(value, x[i], typical, mine)
    return out


def _play_in_blocks(
    value: Value, row: NDArray[np.float32], typical: NDArray[np.float32], features: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The cost of a row has a bound: features beside the strongest blocks share what their block adds."""
    blocks = np.array_split(features, BLOCKS)
    weight = np.abs(_play(value, row, typical, blocks))
    order = np.argsort(-weight, kind="stable")
    width = len(blocks[0])
    opened = set(order[: max(PLAYERS_MAX // width, 1)].tolist())
    players = [
        part
        for b, block in enumerate(blocks)
        for part in ([np.array([j]) for j in block] if b in opened else [block])
        if len(part)
    ]
    out = np.zeros(len(row))
    for player, added in zip(players, _play(value, row, typical, players), strict=True):
        out[player] = added / len(player)
    return out


def _play(
    value: Value, row: NDArray[np.float32], typical: NDArray[np.float32], players: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """What each player, a set of features, adds: float64[k]."""
    asked = rule(len(players))
    sizes = [len(player) for player in players]
    features = np.concatenate(players) if players else np.zeros(0, np.intp)
    player_of = np.repeat(np.arange(len(players)), sizes)
    values = [
        value(_mixed(row, typical, features, asked.coalitions[at : at + ROWS_AT_ONCE, player_of]))
        for at in range(0, len(asked.coalitions), ROWS_AT_ONCE)
    ]
    return np.asarray(asked.shares @ np.concatenate(values).astype(np.float64))


def _mixed(
    row: NDArray[np.float32], typical: NDArray[np.float32], features: NDArray[np.intp], has: NDArray[np.bool_]
) -> Features:
    rows = np.repeat(typical[None], len(has), axis=0)
    rows[:, features] = np.where(has, row[features], typical[features])
    return rows


def _exact(k: int) -> Rule:
    has = (np.arange(2**k)[:, None] >> np.arange(k)) % 2 == 1
    size = has.sum(axis=1)
    joining = np.array([factorial(s) * factorial(k - s - 1) / factorial(k) for s in range(k)] + [0.0])
    leaving = np.roll(joining, 1)  # as one of s it has joined s - 1 others
    return Rule(has, np.where(has, leaving[size][:, None], -joining[size][:, None]).T.copy())


def _sampled(k: int) -> Rule:
    rng = np.random.default_rng((SEED, k))
    pairs = max(1, min(PAIRS_MAX, ROWS_PER_REASON // (2 * k)))
    drawn = [rng.permutation(k) for _ in range(pairs)]
    orders = [order for one in drawn for order in (one, one[::-1])]
    has = np.zeros((len(orders) * (k - 1) + 2, k), np.bool_)
    has[-1] = True
    shares = np.zeros((k, len(has)))
    for place, order in zip(accumulate([1] + [k - 1] * (len(orders) - 1)), orders, strict=True):
        steps = np.arange(place, place + k - 1)
        has[steps] = np.argsort(order)[None] <= np.arange(k - 1)[:, None]
        before, after = np.append(0, steps), np.append(steps, len(has) - 1)
        np.add.at(shares, (order, after), 1.0 / len(orders))
        np.add.at(shares, (order, before), -1.0 / len(orders))
    return Rule(has, shares)

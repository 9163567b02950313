"""Genuine payments of a day: who pays, when, where and how much, by each customer's habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.chance import Purpose, generator
from streams.synthetic.payments import GENUINE, Payments
from streams.synthetic.portfolio import ATM, CASH, CATEGORIES, ECOM, NEAR, ONLINE, POS, Customers, Terminals
from streams.synthetic.scenario import DAY_MS, Scenario

Floats = NDArray[np.float64]

# Weights of the 24 hours for each profile: office hours, evenings, late risers.
HOURS = np.array(
    [
        [1, 1, 0, 0, 0, 1, 6, 14, 16, 12, 12, 18, 26, 20, 14, 14, 20, 28, 30, 22, 12, 8, 4, 2],
        [2, 1, 1, 0, 0, 1, 3, 6, 8, 8, 10, 12, 16, 14, 12, 14, 18, 26, 34, 36, 30, 22, 12, 5],
        [14, 10, 7, 4, 2, 1, 1, 2, 4, 6, 8, 12, 14, 14, 14, 14, 16, 18, 20, 22, 24, 26, 24, 19],
    ],
    dtype=np.float64,
)
NIGHT_HOURS = 6
_QUANTILES = 4096
LOG_MEDIAN = np.array([category.log_median for category in CATEGORIES])
SPREAD = np.array([category.spread for category in CATEGORIES])
FAVOURITE = 2.0  # exponent: how unequal a customer's preferences are
SECOND_CARD_USE = 0.35
CASH_STEP = 10.0
DEVICES = 10_000_000_000


@dataclass(frozen=True, slots=True)
class World:
    """What doesn't change from day to day."""

    scenario: Scenario
    seed: int
    terminals: Terminals
    customers: Customers


def genuine(world: World, day: int) -> Payments:
    """The genuine payments of a day, in no order."""
    rng = generator(world.seed, Purpose.HABITS, day)
    customer = _who(rng, world, day)
    n = len(customer)
    channel, terminal = _where(rng, world, customer)
    second = (world.customers.cards[customer] > 1) & (rng.random(n) < SECOND_CARD_USE)
    return Payments(
        time=day * DAY_MS + when(rng, world.customers.profile[customer]),
        customer=customer,
        card=world.customers.card_first[customer] + second,
        terminal=terminal,
        device=_device(rng, world, customer, channel, terminal),
        amount=usual_amounts(rng, world, customer, terminal),
        campaign=np.full(n, GENUINE, np.int16),
    )


def when(rng: np.random.Generator, profile: NDArray[np.int8]) -> NDArray[np.int64]:
    """int64[n]: ms of the day, from each row's hour profile."""
    u = rng.random(len(profile)) * _QUANTILES
    low = u.astype(np.int64)
    left = _INVERSE[profile, low]
    time: NDArray[np.int64] = (left + (u - low) * (_INVERSE[profile, low + 1] - left)).astype(np.int64)
    return time


def usual_amounts(
    rng: np.random.Generator, world: World, customer: NDArray[np.int32], terminal: NDArray[np.int32]
) -> Floats:
    """float64[n]: lognormal by category and customer; cash in steps of ten."""
    category = world.terminals.category[terminal]
    log_amount = LOG_MEDIAN[category] + SPREAD[category] * rng.standard_normal(len(customer))
    amount: Floats = np.exp(log_amount) * world.customers.amount_factor[customer]
    cash = world.terminals.channel[terminal] == ATM
    amount[cash] = np.maximum(CASH_STEP, np.round(amount[cash] / CASH_STEP) * CASH_STEP)
    return amount


def own_device(world: World, customer: NDArray[np.int32]) -> NDArray[np.int64]:
    """int64[n]: the number of a customer's device; those of terminals come after all customers'."""
    return world.customers.card_first[customer].astype(np.int64)


def terminal_device(world: World, terminal: NDArray[np.int32]) -> NDArray[np.int64]:
    """int64[n]: the number of a terminal's reader."""
    return 2 * len(world.customers) + terminal.astype(np.int64)


def new_device(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """int64[n]: numbers that no customer or terminal has."""
    return rng.integers(DEVICES // 2, DEVICES, n)


def _who(rng: np.random.Generator, world: World, day: int) -> NDArray[np.int32]:
    weekend = (world.scenario.start.toordinal() + day - 1) % 7 >= 5  # ordinal 1 is a Monday
    rate = world.customers.rate * (world.scenario.weekend_factor if weekend else 1.0)
    return np.repeat(np.arange(len(rate), dtype=np.int32), rng.poisson(rate))


def _where(
    rng: np.random.Generator, world: World, customer: NDArray[np.int32]
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """A channel by the customer's mix, then mostly one of the preferred terminals of that channel."""
    n, customers = len(customer), world.customers
    u = rng.random(n)
    cut = customers.channel_cut
    channel = (u >= cut[customer, 0]).astype(np.int8) + (u >= cut[customer, 1])
    rank = rng.random(n) ** FAVOURITE
    explores = rng.random(n) < world.scenario.explore_share
    anywhere = rng.random(n)
    terminal = np.empty(n, np.int32)
    for code, preferred, size in (
        (POS, customers.near, NEAR),
        (ECOM, customers.online, ONLINE),
        (ATM, customers.cash, CASH),
    ):
        rows = np.flatnonzero(channel == code)
        terminal[rows] = preferred[customer[rows], (rank[rows] * size).astype(np.int64)]
        new = rows[explores[rows]]
        pool = world.terminals.by_channel[code]
        terminal[new] = pool[(anywhere[new] * len(pool)).astype(np.int64)]
    return channel.astype(np.int8), terminal


def _device(
    rng: np.random.Generator,
    world: World,
    customer: NDArray[np.int32],
    channel: NDArray[np.int8],
    terminal: NDArray[np.int32],
) -> NDArray[np.int64]:
    device = np.where(channel == ECOM, own_device(world, customer), terminal_device(world, terminal))
    new = np.flatnonzero((channel == ECOM) & (rng.random(len(customer)) < world.scenario.new_device_share))
    device[new] = new_device(rng, len(new))
    return device


def _inverse(hours: Floats) -> Floats:
    """float64[profiles, quantiles + 2]: ms of the day at each quantile; the last column is only a fence."""
    at = np.linspace(0.0, 1.0, _QUANTILES + 1)
    edges = np.arange(25) * (DAY_MS / 24)
    rows = []
    for weights in hours + 0.05:
        cumulative = np.concatenate([[0.0], np.cumsum(weights)])
        rows.append(np.interp(at, cumulative / cumulative[-1], edges))
    table = np.array(rows)
    return np.concatenate([table, table[:, -1:]], axis=1)


_INVERSE = np.minimum(_inverse(HOURS), DAY_MS - 1)

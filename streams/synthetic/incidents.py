"""Fraudulent payments: the incidents that begin on a day, and all that comes of each."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.chance import Purpose, generator
from streams.synthetic.habits import NIGHT_HOURS, World, new_device, terminal_device, usual_amounts, when
from streams.synthetic.payments import Payments
from streams.synthetic.portfolio import ECOM, POS
from streams.synthetic.scenario import (
    DAY_MS,
    AccountTakeover,
    Campaign,
    CardTesting,
    CompromisedTerminal,
    MerchantCollusion,
    StolenCard,
)

DEAR = ("electronics", "fashion", "travel")
TESTED = ("charity", "digital")
RESOLD = ("digital", "electronics", "fashion", "leisure")

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]


def incidents(world: World, number: int, day: int) -> Payments:
    """All payments, on that day and later, of the incidents of a campaign that begin on a day.

    Args:
        world: the population.
        number: of the campaign in the scenario.
        day: on which the incidents begin.
    """
    campaign = world.scenario.campaigns[number].at(day)
    rng = generator(world.seed, Purpose.INCIDENTS, day, number)
    expected = campaign.intensity / 1000 * world.scenario.transactions_per_day / campaign.frauds_expected
    count = int(rng.poisson(expected)) if campaign.runs_on(day) else 0
    made = _frauds(campaign, rng, world, number, day, count)
    if campaign.end_day is None:
        return made
    return made.take(made.time < campaign.end_day * DAY_MS)


@functools.singledispatch
def _frauds(campaign: Campaign, rng: np.random.Generator, world: World, number: int, day: int, count: int) -> Payments:
    raise NotImplementedError(type(campaign).__name__)


@_frauds.register
def _stolen_cards(
    campaign: StolenCard, rng: np.random.Generator, world: World, number: int, day: int, count: int
) -> Payments:
    of, time = _spread_over(rng, count, day, campaign.duration_days, campaign)
    customer = _victims(rng, world, count)[of]
    online = rng.random(len(of)) < campaign.ecom_share
    shop, merchant = world.terminals.of(POS, *DEAR), world.terminals.of(ECOM, *DEAR)
    terminal = np.where(online, rng.choice(merchant, len(of)), rng.choice(shop, len(of)))
    device = np.where(online, new_device(rng, count)[of], terminal_device(world, terminal))
    amount = usual_amounts(rng, world, customer, terminal) * campaign.amount_factor
    return _payments(world, number, time, customer, terminal, device, amount)


@_frauds.register
def _compromised_terminals(
    campaign: CompromisedTerminal, rng: np.random.Generator, world: World, number: int, day: int, count: int
) -> Payments:
    of, time = _spread_over(rng, count, day, campaign.duration_days, campaign)
    terminal = rng.choice(world.terminals.by_channel[POS], count)[of]
    customer = _regulars(rng, world, terminal)
    amount = usual_amounts(rng, world, customer, terminal) * campaign.amount_factor
    return _payments(world, number, time, customer, terminal, terminal_device(world, terminal), amount)


@_frauds.register
def _card_testing(
    campaign: CardTesting, rng: np.random.Generator, world: World, number: int, day: int, count: int
) -> Payments:
    of = np.repeat(np.arange(count), campaign.cards_per_burst)
    begin = day * DAY_MS + _time_of_day(rng, count, campaign.night_share)
    time = begin[of] + (rng.random(len(of)) * campaign.burst_minutes * 60_000).astype(np.int64)
    customer = _victims(rng, world, len(of))
    terminal = rng.choice(world.terminals.of(ECOM, *TESTED), count)[of]
    device = new_device(rng, count)[of]
    amount = campaign.test_amount_max * (0.1 + 0.9 * rng.random(len(of)) ** 1.5)
    # The cards that answer are used for something big, from the same device.
    rich = np.flatnonzero(rng.random(len(of)) < campaign.cash_out_share)
    hours = campaign.cash_out_hours * np.minimum(rng.lognormal(0.0, 0.7, len(rich)), 10.0)
    seller = rng.choice(world.terminals.of(ECOM, *DEAR), len(rich))
    big = usual_amounts(rng, world, customer[rich], seller) * campaign.amount_factor
    return _payments(
        world,
        number,
        np.concatenate([time, time[rich] + (hours * 3_600_000).astype(np.int64)]),
        np.concatenate([customer, customer[rich]]),
        np.concatenate([terminal, seller]),
        np.concatenate([device, device[rich]]),
        np.concatenate([amount, big]),
    )


@_frauds.register
def _account_takeover(
    campaign: AccountTakeover, rng: np.random.Generator, world: World, number: int, day: int, count: int
) -> Payments:
    of, time = _spread_over(rng, count, day, campaign.duration_days, campaign)
    customer = _victims(rng, world, count)[of]
    terminal = rng.choice(world.terminals.of(ECOM, *RESOLD), len(of))
    amount = usual_amounts(rng, world, customer, terminal) * campaign.amount_factor
    return _payments(world, number, time, customer, terminal, new_device(rng, count)[of], amount)


@_frauds.register
def _merchant_collusion(
    campaign: MerchantCollusion, rng: np.random.Generator, world: World, number: int, day: int, count: int
) -> Payments:
    of, time = _spread_over(rng, count, day, campaign.duration_days, campaign)
    terminal = rng.choice(world.terminals.by_channel[POS], count)[of]
    customer = _victims(rng, world, len(of))
    wanted = campaign.amount_median * campaign.amount_factor * rng.lognormal(0.0, 0.35, len(of))
    amount = np.maximum(1.0, np.round(wanted / campaign.amount_step)) * campaign.amount_step
    return _payments(world, number, time, customer, terminal, terminal_device(world, terminal), amount)


def _payments(
    world: World,
    number: int,
    time: Longs,
    customer: Ints,
    terminal: Ints,
    device: Longs,
    amount: NDArray[np.float64],
) -> Payments:
    card = world.customers.card_first[customer]  # a thief has the card that is used most
    campaign = np.full(len(time), number, np.int16)
    return Payments(time, customer, card, terminal, device, amount, campaign)


def _spread_over(
    rng: np.random.Generator, count: int, day: int, days: float, campaign: Campaign
) -> tuple[NDArray[np.intp], Longs]:
    """For each fraud its incident, and its time: at least one per incident, over the incident's days."""
    per_incident = 1 + rng.poisson(campaign.frauds_expected - 1, count)
    of = np.repeat(np.arange(count), per_incident)
    on = day + np.floor(rng.random(len(of)) * days).astype(np.int64)
    return of, on * DAY_MS + _time_of_day(rng, len(of), campaign.night_share)


def _time_of_day(rng: np.random.Generator, n: int, night_share: float) -> Longs:
    """int64[n]: ms of the day; a share of them at night, the rest over all profiles' hours."""
    night = (rng.random(n) * NIGHT_HOURS * 3_600_000).astype(np.int64)
    usual = when(rng, rng.integers(0, 2, n).astype(np.int8))
    return np.where(rng.random(n) < night_share, night, usual)


def _victims(rng: np.random.Generator, world: World, n: int) -> Ints:
    return rng.integers(0, len(world.customers), n, dtype=np.int32)


def _regulars(rng: np.random.Generator, world: World, terminal: Ints) -> Ints:
    """A regular customer of each terminal; anybody where it has none."""
    start, regular = world.customers.regular_start, world.customers.regular
    count = start[terminal + 1] - start[terminal]
    pick = start[terminal] + (rng.random(len(terminal)) * count).astype(np.int32)
    found = regular[np.minimum(pick, len(regular) - 1)]
    return np.where(count > 0, found, _victims(rng, world, len(terminal)))

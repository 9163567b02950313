"""The population: customers with habits, their cards, and the terminals with category and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from streams.synthetic.chance import Purpose, generator
from streams.synthetic.scenario import Scenario

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]

CHANNELS = ("pos", "ecom", "atm")
POS, ECOM, ATM = range(3)


class Category(NamedTuple):
    """What a merchant sells."""

    name: str
    log_median: float  # natural logarithm of the median amount
    spread: float  # standard deviation of that logarithm within a customer
    pos_weight: float
    ecom_weight: float


CATEGORIES = (
    Category("grocery", 3.3, 0.7, 0.30, 0.08),
    Category("restaurant", 3.1, 0.6, 0.20, 0.06),
    Category("fuel", 3.8, 0.4, 0.12, 0.0),
    Category("fashion", 3.9, 0.7, 0.12, 0.20),
    Category("electronics", 4.7, 0.9, 0.05, 0.15),
    Category("travel", 5.0, 0.9, 0.03, 0.12),
    Category("health", 3.2, 0.7, 0.08, 0.05),
    Category("leisure", 3.3, 0.7, 0.07, 0.10),
    Category("digital", 2.0, 0.8, 0.0, 0.21),
    Category("charity", 2.6, 0.9, 0.03, 0.03),
    Category("cash", 4.4, 0.5, 0.0, 0.0),
)
CATEGORY = {category.name: number for number, category in enumerate(CATEGORIES)}
COUNTRIES = ("DE", "FR", "NL", "PL", "US", "GB")
POS_COUNTRY_WEIGHTS = (0.94, 0.02, 0.01, 0.01, 0.01, 0.01)
ECOM_COUNTRY_WEIGHTS = (0.60, 0.08, 0.07, 0.05, 0.12, 0.08)

NEAR, ONLINE, CASH = 10, 6, 2  # preferred terminals of a customer, by channel
CITIES = 12
CITY_SPREAD = 0.04  # of the unit square's side
POPULARITY = 2.5  # exponent: how unequal online merchants are
PROFILES = 3  # hour profiles, see habits.py


@dataclass(frozen=True, slots=True)
class Terminals:
    """Shops, online merchants and cash machines; arrays over `t` terminals."""

    channel: NDArray[np.int8]
    category: NDArray[np.int8]
    country: NDArray[np.int8]
    place: Floats  # [t, 2], unit square; without meaning online
    by_channel: tuple[Ints, Ints, Ints]

    def of(self, channel: int, *categories: str) -> Ints:
        """Terminals of a channel that sell one of the categories; all of the channel if there are none."""
        pool = self.by_channel[channel]
        wanted = [CATEGORY[name] for name in categories]
        chosen = pool[np.isin(self.category[pool], wanted)]
        return chosen if len(chosen) else pool

    def __len__(self) -> int:
        """How many there are."""
        return len(self.channel)


@dataclass(frozen=True, slots=True)
class Customers:
    """People with habits; arrays over `c` customers. Card `card_first[i] + j` is customer i's card j."""

    rate: Floats  # expected transactions on a working day
    profile: NDArray[np.int8]
    amount_factor: Floats
    channel_cut: Floats  # [c, 2]: share of pos, share of pos and ecom
    near: Ints  # [c, NEAR], the dearest habit first
    online: Ints  # [c, ONLINE]
    cash: Ints  # [c, CASH]
    cards: NDArray[np.int8]
    card_first: Ints
    regular_start: Ints  # [t + 1]: regulars of terminal i are regular[regular_start[i]:regular_start[i + 1]]
    regular: Ints

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rate)


def make_terminals(scenario: Scenario, seed: int) -> Terminals:
    """The terminals of a scenario; the same for the same seed."""
    rng = generator(seed, Purpose.TERMINALS)
    n = scenario.terminals
    online = max(ONLINE, round(n * scenario.online_merchant_share))
    cash = max(CASH, round(n * scenario.cash_machine_share))
    channel = np.full(n, POS, np.int8)
    channel[:online] = ECOM
    channel[online : online + cash] = ATM
    channel = rng.permutation(channel)
    by_channel = tuple(np.flatnonzero(channel == code).astype(np.int32) for code in (POS, ECOM, ATM))
    pos, ecom, _ = by_channel
    category = np.full(n, CATEGORY["cash"], np.int8)
    category[pos] = _weighted(rng, [c.pos_weight for c in CATEGORIES], len(pos))
    category[ecom] = _weighted(rng, [c.ecom_weight for c in CATEGORIES], len(ecom))
    country = _weighted(rng, POS_COUNTRY_WEIGHTS, n)
    country[ecom] = _weighted(rng, ECOM_COUNTRY_WEIGHTS, len(ecom))
    return Terminals(channel, category, country, _places(rng, n), (by_channel[0], by_channel[1], by_channel[2]))


def make_customers(scenario: Scenario, terminals: Terminals, seed: int) -> Customers:
    """The customers of a scenario, each with the terminals near home; the same for the same seed."""
    rng = generator(seed, Purpose.CUSTOMERS)
    n = scenario.customers
    home = _places(rng, n)
    rate = rng.lognormal(0.0, scenario.activity_spread, n)
    near = _nearest(rng, home, terminals, POS, NEAR)
    cards = (1 + (rng.random(n) < scenario.second_card_share)).astype(np.int8)
    start, regular = _regulars(near, len(terminals))
    return Customers(
        rate=rate * (scenario.transactions_per_day / rate.sum()),
        profile=rng.integers(0, PROFILES, n).astype(np.int8),
        amount_factor=rng.lognormal(0.0, scenario.amount_spread, n),
        channel_cut=_channel_cuts(rng, scenario, n),
        near=near,
        online=_popular(rng, terminals.by_channel[ECOM], (n, ONLINE)),
        cash=_nearest(rng, home, terminals, ATM, CASH),
        cards=cards,
        card_first=(np.cumsum(cards) - cards).astype(np.int32),
        regular_start=start,
        regular=regular,
    )


def _weighted(rng: np.random.Generator, weights: tuple[float, ...] | list[float], n: int) -> NDArray[np.int8]:
    cut = np.cumsum(weights)
    return np.searchsorted(cut / cut[-1], rng.random(n), side="right").astype(np.int8)


def _places(rng: np.random.Generator, n: int) -> Floats:
    """Points of the unit square around a few cities, which are the same for customers and terminals."""
    angle = np.arange(CITIES) * 2.399963  # the golden angle spreads the cities evenly
    radius = 0.45 * np.sqrt((np.arange(CITIES) + 0.5) / CITIES)
    cities = 0.5 + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    city: Floats = cities[rng.integers(0, CITIES, n)]
    return np.clip(city + rng.normal(0.0, CITY_SPREAD, (n, 2)), 0.0, 1.0)


def _nearest(rng: np.random.Generator, home: Floats, terminals: Terminals, channel: int, k: int) -> Ints:
    """int32[c, k]: the nearest terminals of a channel, in an order of preference of the customer's own."""
    pool = terminals.by_channel[channel]
    _, found = cKDTree(terminals.place[pool]).query(home, k=min(k, len(pool)))
    found = found.reshape(len(home), -1)
    enough = found[:, np.arange(k) % found.shape[1]]  # a small world has fewer than k
    near: Ints = pool[rng.permuted(enough, axis=1)]
    return near


def _popular(rng: np.random.Generator, pool: Ints, shape: tuple[int, int]) -> Ints:
    """Members of the pool, the first ones much more often."""
    chosen: Ints = pool[(len(pool) * rng.random(shape) ** POPULARITY).astype(np.int64)]
    return chosen


def _channel_cuts(rng: np.random.Generator, scenario: Scenario, n: int) -> Floats:
    """float64[n, 2]: each customer's own mix of channels, around the scenario's shares."""
    shares = np.array([1 - scenario.ecom_share - scenario.atm_share, scenario.ecom_share, scenario.atm_share])
    mix = rng.dirichlet(np.maximum(shares, 1e-3) * 6.0, n)
    return np.cumsum(mix, axis=1)[:, :2]


def _regulars(near: Ints, terminals: int) -> tuple[Ints, Ints]:
    """The customers who prefer each terminal, as compressed rows."""
    order = np.argsort(near, axis=None, kind="stable")
    customer = (order // near.shape[1]).astype(np.int32)
    counts = np.bincount(near.ravel(), minlength=terminals)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return start, customer

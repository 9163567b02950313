"""Streams on which the challenger is not better: each breaks some test that looks harmless.

A stream is its observations that aren't 0, in the order of transactions, with the delay of each label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PER_DAY = 2_000
DELAY_DAYS = 30
REPORT_DAYS = 4.0  # mean of the exponential delay of a fraud's report
RARE = 3e-4  # per transaction: one fraud in ten at 0.3 % that only one of the two agents catches


@dataclass(frozen=True, slots=True)
class Stream:
    """Observations of one simulated probation.

    Attributes:
        row: int64[m], ascending, the transaction that each belongs to.
        d: float64[m] in [-1, 1].
        delay_days: float64[m], from the transaction to its label.
        counts: bool[m], whether our rule takes it: the first of its compromised entity, or no fraud.
    """

    row: NDArray[np.int64]
    d: NDArray[np.float64]
    delay_days: NDArray[np.float64]
    counts: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Null:
    """A way of not being better.

    Attributes:
        name: in the table.
        make: a stream of `days` from a generator.
        days: from the first transaction to the last look; cohorts close DELAY_DAYS later.
        guaranteed: whether the test's assumption holds: the past says nothing about the next observation's sign.
        bursts: rows come in bursts of one compromised card.
    """

    name: str
    make: Callable[[np.random.Generator, int], Stream]
    days: int = 100 + DELAY_DAYS
    guaranteed: bool = True
    bursts: bool = False

    @property
    def cohorts(self) -> int:
        """Closed by the last look."""
        return self.days - DELAY_DAYS


def _stream(
    rng: np.random.Generator, row: NDArray, d: NDArray, fraud: NDArray, counts: NDArray | None = None
) -> Stream:
    order = np.argsort(row, kind="stable")
    delay = np.where(fraud, rng.exponential(REPORT_DAYS, len(row)), DELAY_DAYS)
    counts = np.ones(len(row), np.bool_) if counts is None else counts
    return Stream(row[order].astype(np.int64), d[order].astype(np.float64), delay[order], counts[order])


def rare(up: float, up_chance: float, down: float, down_chance: float) -> Callable[[np.random.Generator, int], Stream]:
    """Independent gains and losses; one of size 1 or .5 is a fraud's, a smaller one a genuine transaction's."""

    def make(rng: np.random.Generator, days: int) -> Stream:
        n = days * PER_DAY
        ups, downs = rng.binomial(n, [up_chance, down_chance])
        row = rng.integers(0, n, ups + downs)
        d = np.repeat([up, -down], [ups, downs])
        return _stream(rng, row, d, np.abs(d) >= 0.5)

    return make


def dense(rng: np.random.Generator, days: int) -> Stream:
    """A small difference at every transaction, as a proper scoring rule gives, and rare large ones."""
    n = days * PER_DAY
    d = rng.uniform(-0.02, 0.02, n)
    large = rng.random(n) < 2 * RARE
    d[large] = rng.choice([-0.5, 0.5], int(large.sum()))
    return _stream(rng, np.arange(n), d, large)


def drifting(rng: np.random.Generator, days: int) -> Stream:
    """Worse for 15 days, better for 15: over the past the mean is never above 0, and is 0 every 30 days."""
    day = np.arange(days)
    lean = 0.8 * np.sin(2 * np.pi * (day + 0.5) / 30)
    return _by_day(rng, RARE * (1 - lean) * PER_DAY, RARE * (1 + lean) * PER_DAY)


def uneven(rng: np.random.Generator, days: int) -> Stream:
    """Cohorts of very different size: campaigns of fraud, and days on which nothing was caught."""
    size = rng.gamma(0.3, 1 / 0.3, days) * RARE * PER_DAY
    return _by_day(rng, size, size)


def _by_day(rng: np.random.Generator, ups: NDArray, downs: NDArray) -> Stream:
    kinds = np.stack([rng.poisson(ups), rng.poisson(downs)], axis=1)
    day = np.repeat(np.arange(len(ups)), kinds.sum(axis=1))
    d = np.repeat(np.tile([1.0, -1.0], len(ups)), kinds.ravel())
    row = day * PER_DAY + rng.integers(0, PER_DAY, len(day))
    return _stream(rng, row, d, np.ones(len(row), np.bool_))


def bursts(mean: float, spread_days: float) -> Callable[[np.random.Generator, int], Stream]:
    """120 stolen cards, each won or lost as a whole, with a geometric number of rows.

    Args:
        mean: rows of a card.
        spread_days: mean time between its rows; 0 sets them one after another.
    """

    def make(rng: np.random.Generator, days: int) -> Stream:
        cards, last = 120, (days - DELAY_DAYS) * PER_DAY - 1
        size = rng.geometric(1 / mean, cards)
        card = np.repeat(np.arange(cards), size)
        start = np.sort(rng.choice(last - int(size.max()) - 1, cards, replace=False))
        within = np.arange(len(card)) - np.repeat(np.cumsum(size) - size, size)
        gap = rng.exponential(spread_days * PER_DAY, len(card)) * (within > 0) if spread_days else np.ones(len(card))
        passed = np.cumsum(gap)
        row = np.minimum(start[card] + passed - np.repeat(passed[within == 0], size), last)
        d = rng.choice([-1.0, 1.0], cards)[card]
        return _stream(rng, row.astype(np.int64), d, np.ones(len(row), np.bool_), within == 0)

    return make


def campaigns(mean: float) -> Callable[[np.random.Generator, int], Stream]:
    """Attacks that take several cards within an hour, all won or all lost: outside of the guarantee."""

    def make(rng: np.random.Generator, days: int) -> Stream:
        n = days * PER_DAY
        attacks = rng.binomial(n, 2 * RARE / mean)
        size = rng.geometric(1 / mean, attacks)
        row = np.repeat(rng.integers(0, n, attacks), size) + rng.integers(0, PER_DAY // 24, int(size.sum()))
        d = np.repeat(rng.choice([-1.0, 1.0], attacks), size)
        return _stream(rng, np.minimum(row, n - 1), d, np.ones(len(row), np.bool_))

    return make


def gain_eaten(rng: np.random.Generator, days: int) -> Stream:
    """15 % of frauds won, 5 % lost, and so many false alarms at .03 each that the gain is eaten."""
    n = days * PER_DAY
    won, lost, stopped = rng.binomial(n, [0.003 * 0.15, 0.003 * 0.05, 0.003 * 0.10 / 0.03])
    d = np.repeat([1.0, -1.0, -0.03], [won, lost, stopped])
    return _stream(rng, rng.integers(0, n, len(d)), d, np.abs(d) == 1.0)


NULLS = (
    Null("±1, 3e-4 each", rare(1, RARE, 1, RARE)),
    Null("+1 at 3e-4, −.03 at .01", rare(1, RARE, 0.03, 0.01)),
    Null("+.03 at .01, −1 at 3e-4", rare(0.03, 0.01, 1, RARE)),
    Null("noise at each row, ±.5 at 3e-4 each", dense),
    Null("better and worse in turn, running mean ≤ 0", drifting),
    Null("±1 in cohorts of very different size", uneven),
    Null("10 points more recall, false alarms that cost the gain; 60 days", gain_eaten, days=60),
    Null("bursts, 2 rows a card, one after another", bursts(2, 0), bursts=True),
    Null("bursts, 5 rows a card, one after another", bursts(5, 0), bursts=True),
    Null("bursts, 5 rows a card, interleaved", bursts(5, 2), bursts=True),
    Null("bursts, 10 rows a card, one after another", bursts(10, 0), bursts=True),
    Null("campaigns of 3 cards, all won or all lost", campaigns(3), guaranteed=False),
)

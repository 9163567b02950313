"""A card portfolio from a seed: transactions and labels of one day after another, or of any day alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.synthetic.cards import Cards
from streams.synthetic.chance import Purpose, generator
from streams.synthetic.habits import World, genuine
from streams.synthetic.labels import SOURCES, Reports, reports
from streams.synthetic.names import fixed_width, numbered
from streams.synthetic.outbreaks import Outbreaks
from streams.synthetic.payments import GENUINE, Payments, cents, joined
from streams.synthetic.portfolio import CATEGORIES, CHANNELS, COUNTRIES, make_customers, make_terminals
from streams.synthetic.scenario import Scenario, ScenarioError, checked
from streams.synthetic.tables import LABELS, TRANSACTIONS, Day

DAYS_MAX = 10_000  # a transaction id has four digits for its day


class Simulator:
    """Makes the days of a scenario.

    Example:
        >>> simulator = Simulator(Scenario(transactions_per_day=100, customers=50, terminals=50), seed=1)
        >>> simulator.day(3).transactions.equals(simulator.day(3).transactions)
        True
    """

    def __init__(self, scenario: Scenario, seed: int = 0) -> None:
        self.scenario = checked(scenario, "scenario")
        terminals = make_terminals(scenario, seed)
        self._world = World(scenario, seed, terminals, make_customers(scenario, terminals, seed))
        self._outbreaks = Outbreaks(self._world)
        self._cards = Cards(int(self._world.customers.cards.sum()), self._outbreaks)
        self._customer_ids = numbered("c", np.arange(scenario.customers), 7)
        self._terminal_ids = numbered("m", np.arange(scenario.terminals), 7)

    def days(self, first: int, last: int) -> Iterator[Day]:
        """The days from the first up to, not including, the last."""
        return (self.day(number) for number in range(first, last))

    def day(self, number: int) -> Day:
        """One day; the same whichever days were made before.

        Raises:
            ScenarioError: the day is out of range.
        """
        if not 0 <= number < DAYS_MAX:
            raise ScenarioError("day", number, f"0 to {DAYS_MAX - 1}")
        payments = joined([genuine(self._world, number), *self._outbreaks.frauds(number)])
        payments = payments.take(np.argsort(payments.time, kind="stable"))
        rng = generator(self._world.seed, Purpose.LABELS, number)
        known = reports(rng, self.scenario.labels, payments.time, payments.campaign != GENUINE)
        transactions = self._transactions(number, payments)
        return Day(number, transactions, self._labels(transactions, known))

    def _transactions(self, number: int, payments: Payments) -> pa.RecordBatch:
        terminals = self._world.terminals
        columns = [
            numbered(f"t{number:04d}-", np.arange(len(payments)), 8),
            pa.array(payments.time + self.scenario.start_ms),
            self._customer_ids.take(pa.array(payments.customer)),
            fixed_width(self._cards.tokens(number)[payments.card]),
            self._terminal_ids.take(pa.array(payments.terminal)),
            numbered("d", payments.device, 10),
            pa.array(cents(payments.amount)),
            pa.repeat(self.scenario.currency, len(payments)),
            _named(terminals.category[payments.terminal], tuple(category.name for category in CATEGORIES)),
            _named(terminals.channel[payments.terminal], CHANNELS),
            _named(terminals.country[payments.terminal], COUNTRIES),
            pa.array(payments.campaign != GENUINE),
            _named(payments.campaign, tuple(campaign.name for campaign in self.scenario.campaigns)),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=TRANSACTIONS)

    def _labels(self, transactions: pa.RecordBatch, known: Reports) -> pa.RecordBatch:
        of = transactions.take(pa.array(known.row))
        columns = [
            of.column("tx_id"),
            pa.array(known.is_fraud),
            pa.array(known.time + self.scenario.start_ms),
            _named(known.source, SOURCES),
            of.column("customer_id"),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=LABELS)


def _named(code: NDArray[np.integer], names: tuple[str, ...]) -> pa.Array:
    """string[n]: the name of each code; missing where the code is GENUINE."""
    return pa.array(names, pa.string()).take(pa.array(code, mask=code == GENUINE))

"""How much a turn takes in: little when idle, as much as the latency target allows under load, all when behind."""

from __future__ import annotations

from dataclasses import dataclass

MEMORY = 0.98  # what each turn leaves of the weight of those before it
LEAST = 32  # transactions in a batch's bound, whatever the estimates say


@dataclass(frozen=True, slots=True)
class TurnCost:
    """Seconds of a turn as a constant and so much a transaction: least squares over recent turns.

    Attributes:
        weight: of all turns; each of the other sums is weighted alike.
        n: transactions.
        nn: their squares.
        t: seconds.
        nt: their product with the transactions.
    """

    weight: float = 0.0
    n: float = 0.0
    nn: float = 0.0
    t: float = 0.0
    nt: float = 0.0

    def after(self, transactions: int, seconds: float) -> TurnCost:
        """With one more turn."""
        sums = (self.weight, self.n, self.nn, self.t, self.nt)
        new = (1.0, transactions, transactions**2, seconds, transactions * seconds)
        return TurnCost(*(MEMORY * old + more for old, more in zip(sums, new, strict=True)))

    @property
    def each_s(self) -> float:
        """Seconds for one more transaction; 0 while turns are too alike to tell."""
        spread = self.weight * self.nn - self.n**2
        if spread <= 1e-9 * self.weight * self.nn:
            return 0.0
        return max(0.0, (self.weight * self.nt - self.n * self.t) / spread)

    @property
    def fixed_s(self) -> float:
        """Seconds that a turn takes however small it is."""
        return max(0.0, (self.t - self.each_s * self.n) / self.weight) if self.weight else 0.0


def batch_limit(cost: TurnCost, *, target_s: float, oldest_s: float, most: int) -> int:
    """Transactions that the next turn may take at most.

    A transaction waits for the turn under way and is then in one itself, so each may take half of the target. No batch
    is made smaller than what takes as long as the turn's constant part: beyond that, small ones only cost throughput.

    Args:
        cost: of recent turns.
        target_s: latency that a transaction should not exceed.
        oldest_s: age of the last batch's oldest when it was taken; past the target only throughput helps.
        most: bound of any batch.
    """
    each = cost.each_s
    if each <= 0.0 or oldest_s > target_s:
        return most
    in_time = (target_s / 2 - cost.fixed_s) / each
    worthwhile = cost.fixed_s / each
    return min(most, max(LEAST, int(in_time), int(worthwhile)))


def waits_s(*, since_last_s: float, interval_s: float, delivery: str) -> float:
    """Seconds until the next Kafka transaction may begin; without transactions nothing waits."""
    return max(0.0, interval_s - since_last_s) if delivery == "exactly-once" else 0.0

"""What a rule set makes of a batch: which rules hit, which one decides, and which one has declined too much today.

A rule decides where it hits and none before it in the set's order does. One that declines may do so a number of times
in a day of event time; then it is suspended for the rest of that day, and the rules behind it, or the lineup, decide.
Which rows these are depends on the order in which rows come and on nothing else: not on batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from agents.expressions import Condition, Fields, met
from rlfa.lineup.actions import ACTIONS
from rlfa.lineup.budget import WHOLE, Share
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.lineup.voting import Rows
from rlfa.rules.reading import LINEUP_SCORE, read_condition
from rlfa.rules.ruleset import NO_RULES, KeyList, Rule, RuleAction, RuleSet

NO_HIT, HIT, DECIDED, SUSPENDED = range(4)  # verdicts; a hit that doesn't decide: in test, or another rule was first
NOBODY = -1
ACTION_OF: dict[RuleAction, int] = {
    "allow": ACTIONS.index("approve"),
    "decline": ACTIONS.index("decline"),
    "review": ACTIONS.index("review"),
}
_NEVER = np.iinfo(np.int64).max

Used = Mapping[tuple[str, Day], int]  # payments that a rule has declined in a day of event time


@dataclass(frozen=True, slots=True)
class _Test:
    """How a rule finds its payments."""

    rule: Rule
    condition: Condition | None
    listed: KeyList | None
    keys: NDArray[np.uint64]
    until_ms: int

    @classmethod
    def of(cls, rule: Rule, rules: RuleSet, fields: Fields) -> _Test:
        listed = rules.lists.get(rule.in_list)
        return cls(
            rule=rule,
            condition=read_condition(rule, fields, f"rule {rule.name!r}"),
            listed=listed,
            keys=np.array(listed.keys if listed else (), np.uint64),
            until_ms=_NEVER if rule.until is None else (rule.until - date(1970, 1, 1)).days * DAY_MS,
        )

    def on_list(self, rows: Rows) -> NDArray[np.bool_]:
        """bool[n], on its list; everything where it has none."""
        if self.listed is None:
            return np.ones(len(rows.amount), np.bool_)
        if self.listed.is_entity:
            values = rows.entities[self.listed.field]
        else:
            codes = rows.features[:, rows.fields.names.index(self.listed.field)]
            values = np.nan_to_num(codes).astype(np.uint64)
        at = np.minimum(np.searchsorted(self.keys, values), len(self.keys) - 1)
        return np.asarray(self.keys[at] == values)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """A rule set at play in one lane.

    Attributes:
        rules: the set.
        fields: columns of the features.
        share: of the lane in the bounds of a day.
        used: what rules have declined, by day of event time; never more than their part.
    """

    rules: RuleSet = NO_RULES
    fields: Fields = field(default_factory=lambda: Fields((), frozenset()))
    share: Share = WHOLE
    used: Used = field(default_factory=dict)
    _tests: tuple[_Test, ...] = ()

    @classmethod
    def of(cls, rules: RuleSet, fields: Fields, share: Share = WHOLE, used: Used | None = None) -> RuleBook:
        """Open a book.

        Raises:
            RuleError: a condition means nothing on these fields.
        """
        tests = tuple(_Test.of(rule, rules, fields) for rule in rules.sequence)
        return cls(rules, fields, share, used or {}, tests)

    def hits(self, rows: Rows, score: NDArray[np.float64]) -> NDArray[np.bool_]:
        """bool[n, r], which rules hit, by the columns of `rules.sequence`: whoever decides, live or in test.

        Args:
            rows: n of them.
            score: float64[n], the lineup's; NaN where there is none, and then no comparison with it is true.
        """
        n, tests = len(rows.amount), self._tests
        out = np.empty((n, len(tests)), np.bool_)
        for j, test in enumerate(tests):
            out[:, j] = test.on_list(rows) & (rows.event_time < test.until_ms)
        asked = [(j, test.condition) for j, test in enumerate(tests) if test.condition is not None]
        conditions = [condition for _, condition in asked]
        columns = {name: self._column(name, rows, score) for c in conditions for name in c.reads}
        out[:, [j for j, _ in asked]] &= met(conditions, columns, n)
        return out

    def part(self, rule: Rule) -> int:
        """Payments that a rule may decline here in a day."""
        return max(self.share.part(rule.declines_per_day_max), 1)

    def _column(self, name: str, rows: Rows, score: NDArray[np.float64]) -> NDArray[np.float32]:
        if name == LINEUP_SCORE and name not in rows.fields.names:
            return score.astype(np.float32)  # as it is kept: the decision can be made again from it
        return rows.features[:, rows.fields.names.index(name)]


NO_BOOK = RuleBook()


@dataclass(frozen=True, slots=True)
class Ruled:
    """What rules made of n rows.

    Attributes:
        verdict: int8[n, r], by the columns of `RuleSet.sequence`: `NO_HIT`, `HIT`, `DECIDED`, `SUSPENDED`.
        rule: intp[n], the rule that decided, or `NOBODY`.
        action: int8[n], what it does, index into `ACTIONS`; `NOBODY` where the lineup decides.
        closed: bool[n], a decline that exploration leaves alone.
        book: after these rows.
        suspended: rules that have reached their bound within these rows, each with the day.
    """

    verdict: NDArray[np.int8]
    rule: NDArray[np.intp]
    action: NDArray[np.int8]
    closed: NDArray[np.bool_]
    book: RuleBook
    suspended: tuple[tuple[Rule, Day], ...] = ()


def rule_on(book: RuleBook, rows: Rows, score: NDArray[np.float64]) -> Ruled:
    """Let a rule set act on a batch.

    Args:
        book: before it.
        rows: n of them, in the order in which they are decided.
        score: float64[n], the lineup's.
    """
    n, sequence = len(rows.amount), book.rules.sequence
    verdict = np.zeros((n, len(sequence)), np.int8)
    decided = np.full(n, NOBODY, np.intp)
    if not sequence:
        return Ruled(verdict, decided, np.full(n, NOBODY, np.int8), np.zeros(n, np.bool_), book)
    hits, days = book.hits(rows, score), rows.event_time // DAY_MS
    used, suspended = dict(book.used), list[tuple[Rule, Day]]()
    for j, rule in enumerate(sequence):
        verdict[hits[:, j], j] = HIT
        if rule.mode == "test":
            continue
        for number in np.unique(days[hits[:, j]]).tolist():
            day = Day(number)
            mine = np.flatnonzero(hits[:, j] & (days == number) & (decided == NOBODY))
            room = len(mine)
            if rule.action == "decline":
                before, most = used.get((rule.name, day), 0), book.part(rule)
                room = min(most - before, len(mine))
                used[rule.name, day] = before + room
                if room and before + room == most:
                    suspended.append((rule, day))
            verdict[mine[:room], j], verdict[mine[room:], j] = DECIDED, SUSPENDED
            decided[mine[:room]] = j
    return _ruled(verdict, decided, replace(book, used=used), tuple(suspended))


def decide_again(rules: RuleSet, hits: NDArray[np.bool_], suspended: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The verdicts on one row once more, where some rules were suspended.

    Args:
        rules: the set.
        hits: bool[r], by the columns of `rules.sequence`.
        suspended: bool[r], as recorded.

    Returns:
        int8[r].
    """
    verdict, is_open = np.where(hits, HIT, NO_HIT).astype(np.int8), True
    for j, rule in enumerate(rules.sequence):
        if hits[j] and rule.mode == "live" and is_open:
            verdict[j] = SUSPENDED if suspended[j] and rule.action == "decline" else DECIDED
            is_open = verdict[j] == SUSPENDED
    return verdict


def _ruled(
    verdict: NDArray[np.int8], decided: NDArray[np.intp], book: RuleBook, suspended: tuple[tuple[Rule, Day], ...]
) -> Ruled:
    sequence = book.rules.sequence
    actions = np.array([*(ACTION_OF[rule.action] for rule in sequence), NOBODY], np.int8)  # NOBODY is the last
    shut = np.array([*(rule.action == "decline" and not rule.explore for rule in sequence), False])
    return Ruled(verdict, decided, actions[decided], shut[decided], book, suspended)

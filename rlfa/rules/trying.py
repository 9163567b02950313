"""What a rule set would have done on the past: per rule its hits, what they were, and what it adds to those before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rlfa.backtest.features import FeaturesAhead
from rlfa.config import Service
from rlfa.lineup.segments import Fields, fields_of
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.lineup.voting import Rows
from rlfa.outcomes import log
from rlfa.outcomes.as_decided import rows_in
from rlfa.rules.deciding import DECIDED, NO_HIT, RuleBook, rule_on
from rlfa.rules.ruleset import Rule, RuleError, RuleSet
from streams.history import FRAUD, GENUINE, UNKNOWN, History

CHUNK = 65_536  # rows at once


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Payments, and what they were."""

    hits: int
    frauds: int
    genuine: int
    """The rest nobody knows."""
    fraud_value: float
    """Amount of the frauds, in the stream's currency."""
    genuine_value: float

    @property
    def precision(self) -> float | None:
        """Share of fraud among those whose truth is known."""
        known = self.frauds + self.genuine
        return self.frauds / known if known else None


class RuleFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One rule on the past."""

    name: str
    action: str
    stage: str
    mode: str
    all: Part
    """What it hits."""
    beyond: Part
    """What it hits and no rule before it does, in the order in which they may decide."""
    precision: float | None
    decided: int
    """What it would have decided: live, not decided by a rule before it, and within its bound of the day."""
    suspended_days: int
    """Days on which it would have reached its bound."""


class SetFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A rule set on the past."""

    rules: str
    """Its id."""
    first_day: Day
    last_day: Day
    rows: int
    frauds: int
    fraud_value: float
    without_score: bool
    """There was no lineup to give a score: what looks at it never hits."""
    stopped: Part
    """What live rules would have declined or sent to review."""
    each: tuple[RuleFigures, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """Rows with their truth: n of them, in the order of event time.

    Attributes:
        rows: as a lineup would have seen them.
        label: int8[n], see `streams.history`.
        score: float64[n], the lineup's; NaN where there was none.
    """

    rows: Rows
    label: NDArray[np.int8]
    score: NDArray[np.float64]


def past_of_table(service: Service, history: History) -> Past:
    """A table of past transactions, with the features that a lane would have computed."""
    with FeaturesAhead(service, history) as features:
        taken = features.taken(0, len(history))
        rows = Rows(
            tx_hash=history.tx_hash[taken],
            event_time=history.event_time[taken],
            amount=history.amount[taken],
            features=features.x[taken],
            fields=fields_of(service.spec, features.names),
            entities=dict(zip(service.spec.entities, history.entities[taken].T, strict=True)),
        )
    return Past(rows, history.label[taken], np.full(len(taken), np.nan))


def past_of_log(service: Service, fields: Fields) -> Past:
    """The closed days of a service's outcome log, with the scores that its lineup gave.

    Raises:
        RuleError: no day has closed.
    """
    days = log.closed_days(service.outcomes)
    if not days:
        raise RuleError(str(service.outcomes), "no closed day", "one at least; or --spec and --data")
    tables = [pq.read_table(log.path_of(service.outcomes, day)) for day in days]
    table = pa.concat_tables(tables, promote_options="default")
    label = table["label"].to_numpy(zero_copy_only=False)
    known = np.array([UNKNOWN if truth is None else int(truth) for truth in label.tolist()], np.int8)
    return Past(rows_in(table, fields), known, table["score"].to_numpy().astype(np.float64))


def try_on(rules: RuleSet, past: Past) -> SetFigures:
    """Let a rule set act on the past, one lane, from the first row on.

    Args:
        rules: the set.
        past: at least one row.

    Raises:
        RuleError: no row, or a condition that means nothing on its fields.
    """
    n, sequence = len(past.label), rules.sequence
    if not n:
        raise RuleError("history", "no row", "at least one")
    book = RuleBook.of(rules, past.rows.fields)
    verdict = np.zeros((n, len(sequence)), np.int8)
    suspended: dict[str, int] = {}
    for begin in range(0, n, CHUNK):
        at = slice(begin, begin + CHUNK)
        ruled = rule_on(book, _slice(past.rows, at), past.score[at])
        verdict[at], book = ruled.verdict, ruled.book
        for rule, _ in ruled.suspended:
            suspended[rule.name] = suspended.get(rule.name, 0) + 1
    stops = np.array([rule.action != "allow" for rule in sequence], np.bool_)
    fraud = past.label == FRAUD
    days = past.rows.event_time // DAY_MS
    return SetFigures(
        rules=rules.id,
        first_day=Day(int(days.min())),
        last_day=Day(int(days.max())),
        rows=n,
        frauds=int(fraud.sum()),
        fraud_value=float(past.rows.amount[fraud].sum()),
        without_score=bool(np.isnan(past.score).all()),
        stopped=_part(past, (verdict[:, stops] == DECIDED).any(axis=1)),
        each=_each(sequence, verdict, suspended, past),
    )


def _each(
    sequence: Sequence[Rule], verdict: NDArray[np.int8], suspended: Mapping[str, int], past: Past
) -> tuple[RuleFigures, ...]:
    made = list[RuleFigures]()
    before = np.zeros(len(past.label), np.bool_)
    for j, rule in enumerate(sequence):
        hit = verdict[:, j] > NO_HIT
        whole = _part(past, hit)
        made.append(
            RuleFigures(
                name=rule.name,
                action=rule.action,
                stage=rule.stage,
                mode=rule.mode,
                all=whole,
                beyond=_part(past, hit & ~before),
                precision=whole.precision,
                decided=int((verdict[:, j] == DECIDED).sum()),
                suspended_days=suspended.get(rule.name, 0),
            )
        )
        before |= hit
    return tuple(made)


def _part(past: Past, rows: NDArray[np.bool_]) -> Part:
    fraud, genuine = rows & (past.label == FRAUD), rows & (past.label == GENUINE)
    return Part(
        hits=int(rows.sum()),
        frauds=int(fraud.sum()),
        genuine=int(genuine.sum()),
        fraud_value=float(past.rows.amount[fraud].sum()),
        genuine_value=float(past.rows.amount[genuine].sum()),
    )


def _slice(rows: Rows, at: slice) -> Rows:
    return Rows(
        tx_hash=rows.tx_hash[at],
        event_time=rows.event_time[at],
        amount=rows.amount[at],
        features=rows.features[at],
        fields=rows.fields,
        entities={name: keys[at] for name, keys in rows.entities.items()},
    )

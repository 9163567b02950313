"""All of a spec: the label, the clock, the fields, and what is left out because it knows the label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from streams.infer.answers import Answers, UnclearError
from streams.infer.clock import Clock, clock, is_another_clock
from streams.infer.columns import Column, columns_of
from streams.infer.fields import Fields, choose_amount, choose_entities, choose_features, choose_id
from streams.infer.label import Truth, reread, truth
from streams.infer.leaks import leak
from streams.infer.sample import Sample
from streams.table_columns import labels

FEW_DAYS = 14.0  # days are judged as wholes, after their label delay, by agents that others have taught
SHORT_DAYS = 28.0  # of a table whose label delay can't be a week


@dataclass(frozen=True, slots=True)
class Proposal:
    """A spec in pieces, with the reasons.

    Attributes:
        where: the file.
        rows: of the table.
        truth: the label.
        clock: event time.
        fields: everything else.
        label_delay: a guess.
        sampled: rows that the columns were judged by.
        warnings: for the user's eye, beside the spec.
    """

    where: str
    rows: int
    truth: Truth
    clock: Clock
    fields: Fields
    label_delay: str
    sampled: int
    warnings: tuple[str, ...]

    @property
    def ahead_max(self) -> str:
        """More than the longest time without a row, so that the row after it isn't taken for an error."""
        return f"{max(7, ceil(self.clock.gap_days) + 1)}d"


def propose(sample: Sample, answers: Answers) -> Proposal:
    """Say what each column is for.

    Raises:
        UnclearError: the table doesn't tell the id, the time or the label, or lacks a column that was named.
    """
    columns = columns_of(sample)
    _refuse_unknown(answers, [c.name for c in columns])
    label = truth(columns, answers.label)
    rest = _without(columns, label.column.name)
    when = clock(sample, _without(rest, *_named(answers, but="time")), answers.time)
    rest = _without(rest, when.name)
    fields = Fields()
    named = _named(answers, but="id")
    choose_id(sample, _without(rest, *named), answers.id, fields)
    choose_amount(_without(rest, fields.tx_id, *(answers.entities or ())), answers.amount, fields)
    rest = _without(rest, fields.tx_id, fields.amount)
    warnings = [f"the rows span {when.days:.1f} days: a backtest needs weeks"] if when.days < FEW_DAYS else []
    warnings += _leave_out_leaks(rest, label, fields, keep=answers.entities or ())
    _leave_out_clocks_and_copies(rest, fields, keep=answers.entities or ())
    rest = _without(rest, *fields.left_out)
    choose_features(choose_entities(rest, answers.entities, fields), fields)
    return Proposal(
        where=sample.file.path.name,
        rows=sample.rows,
        truth=reread(label, sample.whole(label.column.name)),
        clock=when,
        fields=fields,
        label_delay="7d" if when.days >= SHORT_DAYS else "1d",
        sampled=len(sample.table),
        warnings=tuple(warnings),
    )


def _refuse_unknown(answers: Answers, names: Sequence[str]) -> None:
    said = {"--id": answers.id, "--time": answers.time, "--label": answers.label, "--amount": answers.amount}
    special = {"--id": ("rows",), "--time": ("rows",), "--amount": ("none",)}
    pairs = [*said.items(), *(("--entity", e) for e in answers.entities or ())]
    for flag, name in pairs:
        if name is not None and name not in names and name.partition(":")[0] not in special.get(flag, ()):
            raise UnclearError(flag, f"{name}, no column of the table", [*special.get(flag, ()), *names])


def _named(answers: Answers, *, but: str) -> list[str]:
    """The columns that the user keeps for something else."""
    said = {"id": answers.id, "time": answers.time, "amount": answers.amount}
    return [n for role, n in said.items() if role != but and n is not None] + list(answers.entities or ())


def _without(columns: Iterable[Column], *names: str) -> list[Column]:
    return [c for c in columns if c.name not in names]


def _leave_out_leaks(columns: Sequence[Column], label: Truth, fields: Fields, keep: Sequence[str]) -> list[str]:
    """What tells the label alone goes; what nearly does is worth a warning."""
    known = labels(label.column.values, label.table)
    warnings = []
    for column in columns:
        found = leak(column, known)
        if found is None or column.name in keep:
            continue
        if found.is_whole:
            fields.left_out[column.name] = f"it knows the label: {found.rule}, in all {found.frauds:,} frauds looked at"
            warnings.append(f"{column.name} predicts the label perfectly and is left out: {found.rule}")
        elif found.is_almost:
            warnings.append(
                f"{column.name} is kept, but {found.rule} in all but {found.wrong:,} rows: is it known in time?"
            )
    return warnings


def _leave_out_clocks_and_copies(columns: Sequence[Column], fields: Fields, keep: Sequence[str]) -> None:
    seen: dict[int, str] = {}
    for column in columns:
        if column.name in fields.left_out or column.name in keep or column.kind == "nested":
            continue
        if is_another_clock(column):
            fields.left_out[column.name] = "it goes with time: a model would learn the date"
        elif column.distinct > 1 and (first := seen.setdefault(column.fingerprint, column.name)) != column.name:
            fields.left_out[column.name] = f"the same as {first} in every row"

"""Which column is the truth, and which of its values mean fraud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from streams.history import FRAUD, GENUINE, UNKNOWN
from streams.infer.answers import UnclearError
from streams.infer.columns import Column
from streams.infer.sample import distinct
from streams.spec import TableSpec
from streams.table_columns import NO, YES, label_of, labels, texts

FLAG = "--label"
VALUES_SHOWN = 3
VALUES_MAX = 60  # of a label with names for kinds of fraud
GENUINE_NAMES = {"normal", "benign", "genuine", "legit", "legitimate", "ok", "good", "nonfraud", "notfraud", "clean"}
NAMES: tuple[frozenset[str], ...] = (
    frozenset({"isfraud", "fraud", "txfraud", "fraudlabel", "fraudulent", "isfraudulent", "fraudflag", "fraudbool"}),
    frozenset({"chargeback", "ischargeback", "frauds", "fraudind", "fraudindicator"}),
    frozenset({"label", "labels"}),
    frozenset({"class", "target", "outcome", "isattack", "attack", "anomaly", "isanomaly", "y"}),
)


@dataclass(frozen=True, slots=True)
class Truth:
    """The label, how it is read, how many rows are what, and which value means what."""

    column: Column
    table: TableSpec
    frauds: int
    genuine: int
    unknown: int
    meaning: str


def truth(columns: Sequence[Column], named: str | None) -> Truth:
    """The label's column and values.

    Raises:
        UnclearError: no column, or several, or the named one has no values to tell fraud by.
    """
    readable = {c.name: reading for c in columns if (reading := _reading(c)) is not None}
    if named is not None:
        if named not in readable:
            raise UnclearError(FLAG, f"{named}, whose values don't say what is fraud", [*readable] or ["none in here"])
        return readable[named]
    found: list[Truth] = []
    for names in NAMES:
        found = [t for t in readable.values() if t.column.word in names]
        if len(found) == 1:
            return found[0]
        if found:
            break
    two_valued = [n for n, t in readable.items() if t.column.distinct == 2]
    candidates = [t.column.name for t in found] or two_valued or [*readable]
    if not candidates:
        raise UnclearError(FLAG, "no column whose values could be fraud and genuine", ["a table with labels"])
    what = "several columns that could be the label" if found else "no column that is called like a label"
    raise UnclearError(FLAG, what, candidates)


def reread(found: Truth, whole: pa.Array) -> Truth:
    """The same label with the values and counts of every row.

    Raises:
        UnclearError: rows beyond the sample have values that say nothing of fraud.
    """
    again = _reading(replace(found.column, values=whole, distinct=distinct(whole)))
    if again is None:
        raise UnclearError(FLAG, f"{found.column.name}, whose values don't say what is fraud", ["another column"])
    return replace(again, column=found.column)


def _reading(column: Column) -> Truth | None:
    """How a column would be read as a label; None where it can't be."""
    if column.kind in {"time", "nested"} or not 2 <= column.distinct <= VALUES_MAX:
        return None
    if column.kind == "number" and not column.is_whole:
        return None
    counts = _counts(column)
    table = _values(column.name, counts)
    if table is None:
        return None
    read = labels(column.values, table)
    frauds, genuine = int((read == FRAUD).sum()), int((read == GENUINE).sum())
    if not frauds or not genuine:
        return None
    return Truth(column, table, frauds, genuine, len(read) - frauds - genuine, _meaning(table, counts))


def _counts(column: Column) -> dict[str, int]:
    words, places = texts(column.values)
    found = np.bincount(places[places >= 0], minlength=len(words))
    counts: Counter[str] = Counter()
    for word, n in zip(words, found.tolist(), strict=True):
        if word is not None and n:
            counts[word] += n
    return dict(counts)


def _values(name: str, counts: dict[str, int]) -> TableSpec | None:
    """0 and 1, yes and no; a name for genuine among many; else the rarer of two."""
    plain = TableSpec(label=name)
    if all(w.strip().lower() in (*YES, *NO) for w in counts):
        return plain
    genuine = [w for w in counts if w.strip(" .").lower().replace("-", "").replace("_", "") in GENUINE_NAMES]
    if len(genuine) == 1:
        return TableSpec(label=name, genuine=(genuine[0],))
    if {"0", "1"} < set(counts) and len(counts) <= 4:
        return TableSpec(label=name, fraud=("1",), genuine=("0",))
    if len(counts) == 2:
        rarer, other = sorted(counts, key=lambda w: (counts[w], w))
        return TableSpec(label=name, fraud=(rarer,), genuine=(other,))
    return None


def _meaning(table: TableSpec, counts: dict[str, int]) -> str:
    """In words: which values mean what."""
    of: dict[int, list[str]] = {GENUINE: [], FRAUD: [], UNKNOWN: []}
    for word in sorted(counts):
        of[label_of(word, table)].append(word)
    said = {GENUINE: "genuine", FRAUD: "fraud", UNKNOWN: "unknown"}
    return "; ".join(
        f"{', '.join(words[:VALUES_SHOWN])}{' …' * (len(words) > VALUES_SHOWN)} is {said[truth]}"
        for truth, words in of.items()
        if words
    )

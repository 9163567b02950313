"""What each column of a table holds, before anybody says what it is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from streams.cards import is_card_number
from streams.infer.sample import Sample, distinct, joined
from streams.table_columns import NUMBER, keys, numbers, texts

Kind = Literal["flag", "number", "text", "time", "nested"]
CARDS_TRIED = 5_000  # values
TRIED_FIRST = 100  # rows, before all of them are looked at
NOT_ZERO = np.uint64(0x9E3779B97F4A7C15)  # the bits of no number that anybody writes: 0.0 is no missing value


@dataclass(frozen=True)
class Column:
    """A column of a sample.

    Attributes:
        name: in the table.
        kind: what its values are; numbers written as text are numbers.
        is_whole: numbers without a fraction.
        is_text: written as text.
        missing: rows without a value.
        distinct: values.
        values: of the sample.
    """

    name: str
    kind: Kind
    is_whole: bool
    is_text: bool
    missing: int
    distinct: int
    values: pa.Array

    @property
    def rows(self) -> int:
        """With a value."""
        return len(self.values) - self.missing

    @property
    def rows_per_value(self) -> float:
        """On average."""
        return self.rows / max(self.distinct, 1)

    @property
    def word(self) -> str:
        """The name's letters and digits only, in lower case."""
        return re.sub(r"[^a-z0-9]", "", self.name.lower())

    @property
    def words(self) -> tuple[str, ...]:
        """The name's parts in lower case: `TX_FRAUD`, `isFraud` and `tx.fraud` have two."""
        parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", self.name)
        return tuple(re.findall(r"[a-z0-9]+", parted.lower()))

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """float64[n], NaN where it is missing."""
        return numbers(self.values)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """uint64[n], equal where the values are; 0 where it is missing."""
        if self.kind == "number":
            bits = (self.numbers + 0.0).view(np.uint64) ^ NOT_ZERO
            return np.where(np.isnan(self.numbers), np.uint64(0), bits)
        return keys(self.values, None)

    @cached_property
    def fingerprint(self) -> int:
        """Equal for columns with equal values in every row of the sample."""
        return xxhash.xxh3_64_intdigest(self.keys.tobytes())

    @cached_property
    def card_share(self) -> float:
        """Share of its values that are card numbers by length and Luhn's test."""
        if self.kind not in {"text", "number"} or not (self.is_text or self.is_whole) or not self.rows:
            return 0.0
        if self.kind == "number" and not np.nanmax(self.numbers) >= 1e12:
            return 0.0
        found, _ = texts(self.values)
        tried = [re.sub(r"[ -]", "", w) for w in found[:CARDS_TRIED] if w]
        return sum(w.isdigit() and is_card_number(w) for w in tried) / max(len(tried), 1)


def columns_of(sample: Sample) -> list[Column]:
    """Every column of a sample, in its order."""
    return [_column(name, joined(sample.table[name])) for name in sample.table.column_names]


def _column(name: str, values: pa.Array) -> Column:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    is_text = bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_time(kind):
        return Column(name, "nested", False, False, values.null_count, 0, values)
    if pa.types.is_null(kind):
        return Column(name, "text", False, True, len(values), 0, values.cast(pa.string()))
    missing = values.null_count
    n = distinct(values)
    if pa.types.is_temporal(kind):
        return Column(name, "time", False, False, missing, n, values)
    if pa.types.is_boolean(kind):
        return Column(name, "flag", False, False, missing, n, values)
    if is_text and not _are_numbers(values):
        return Column(name, "text", False, True, missing, n, values)
    if is_text or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        found = numbers(values)
        there = found[np.isfinite(found)]
        is_whole = bool((there == np.floor(there)).all())
        return Column(name, "number", is_whole, is_text, len(found) - len(there), len(np.unique(there)), values)
    return Column(name, "number", True, False, missing, n, values)


def _are_numbers(values: pa.Array) -> bool:
    """Every text is a number, and none begins with a zero that would be lost."""
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    there = plain.filter(pc.not_equal(plain, "NA"))
    if not len(there) or not pc.all(pc.match_substring_regex(there[:TRIED_FIRST], NUMBER)).as_py():
        return False
    with_zero = there.filter(pc.starts_with(there, "0"))
    if pc.any(pc.match_substring_regex(with_zero, r"^0\d+$")).as_py():
        return False
    return bool(pc.all(pc.match_substring_regex(there, NUMBER)).as_py())

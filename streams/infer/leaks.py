"""Columns that know the label: written after it, or made from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.history import FRAUD, GENUINE
from streams.infer.columns import Column

FRAUDS_MIN = 10  # fewer are told apart by chance
ROWS_PER_VALUE_MIN = 20.0  # where values are few, each one's label is no accident
ALMOST = 0.01  # share of wrong rows, of the frauds


@dataclass(frozen=True, slots=True)
class Leak:
    """How well one column alone tells the label.

    Attributes:
        wrong: rows, at the best rule.
        frauds: rows.
        rule: in words.
    """

    wrong: int
    frauds: int
    rule: str

    @property
    def is_whole(self) -> bool:
        """Every labelled row is told right."""
        return self.wrong == 0

    @property
    def is_almost(self) -> bool:
        """So few rows are told wrong that the column is worth a second look."""
        return self.wrong <= ALMOST * self.frauds


def leak(column: Column, label: NDArray[np.int8]) -> Leak | None:
    """How a column tells the label, None where that would be by chance.

    Three rules are tried: whether there is a value, what most rows of the same value are, and a threshold.

    Args:
        column: of a sample.
        label: int8[n] of its rows.
    """
    known = (label == FRAUD) | (label == GENUINE)
    fraud = label[known] == FRAUD
    frauds, genuine = int(fraud.sum()), int((~fraud).sum())
    if min(frauds, genuine) < FRAUDS_MIN or column.kind == "nested":
        return None
    keys = column.keys[known]
    found = [Leak(_wrong(keys == 0, fraud), frauds, "whether it has a value tells the label")]
    if len(keys) >= ROWS_PER_VALUE_MIN * column.distinct:
        found.append(Leak(_wrong_by_value(keys, fraud), frauds, "each of its values has one label only"))
    if column.kind == "number":
        found.append(Leak(_wrong_by_threshold(column.numbers[known], fraud), frauds, "a threshold tells the label"))
    return min(found, key=lambda x: x.wrong)


def _wrong(side: NDArray[np.bool_], fraud: NDArray[np.bool_]) -> int:
    n = int((side ^ fraud).sum())
    return min(n, len(fraud) - n)


def _wrong_by_value(keys: NDArray[np.uint64], fraud: NDArray[np.bool_]) -> int:
    _, value = np.unique(keys, return_inverse=True)
    frauds = np.bincount(value, weights=fraud)
    return int(np.minimum(frauds, np.bincount(value) - frauds).sum())


def _wrong_by_threshold(numbers: NDArray[np.float64], fraud: NDArray[np.bool_]) -> int:
    """The best cut between two values that differ; a missing value is on the low side."""
    order = np.argsort(np.where(np.isnan(numbers), -np.inf, numbers), kind="stable")
    values, frauds_below = numbers[order], np.cumsum(fraud[order])
    edges = np.flatnonzero(values[1:] != values[:-1])
    if not len(edges):
        return int(min(fraud.sum(), (~fraud).sum()))
    below, total = edges + 1, int(fraud.sum())
    wrong = frauds_below[edges] + (len(fraud) - below - (total - frauds_below[edges]))
    return int(np.minimum(wrong, len(fraud) - wrong).min())

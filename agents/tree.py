"""One grown tree, whoever grew it, and its way into the arrays of a forest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.forest import SET, Forest

LEAST, LARGEST = np.finfo(np.float32).min, np.finfo(np.float32).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """s splits and s + 1 leaves; a child is a later split, or `~leaf`.

    Attributes:
        feature: int64[s], the grower's column of a split.
        threshold: float64[s]; up to it a row goes left.
        left: int64[s].
        right: int64[s].
        missing_left: bool[s], whether a missing value goes left.
        value: float64[s + 1], of the leaves.
        codes: for each split over a category, its codes that go left, ascending; every other code goes right.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    codes: dict[int, NDArray[np.int64]]


def place(forest: Forest, at: tuple[int, int], tree: Tree, added: float) -> None:
    """Put a tree whose columns are the forest's into a forest of blanks; splits over categories come in `place_sets`.

    Args:
        forest: changed in place.
        at: expert and round.
        tree: with no more splits than the forest has room for.
        added: to every leaf.
    """
    value = tree.value + added
    forest.value[at][: len(value)] = value
    if len(value) == 1:
        return
    splits = slice(0, len(value) - 1)
    forest.feature[at][splits] = tree.feature
    forest.threshold[at][splits] = _not_above(tree.threshold)
    forest.left[at][splits], forest.right[at][splits] = tree.left, tree.right
    forest.missing_left[at][splits] = tree.missing_left


def place_sets(forest: Forest, at: tuple[int, int], tree: Tree, first: int, rows: dict[int, NDArray[np.int64]]) -> None:
    """The splits over categories of a tree that `place` has put in.

    Args:
        forest: changed in place.
        at: expert and round.
        tree: the same.
        first: number of its first set.
        rows: per split over a category, the embedding rows that go left.
    """
    for number, split in enumerate(tree.codes, start=first):
        forest.sets[number, rows[split]] = 1
        forest.threshold[at][split], forest.missing_left[at][split] = number, SET


def _not_above(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 up to each: float32 rows then go the same way as against the float64.

    Where only what is missing is told apart, a threshold is infinity or close to it: every number is below the largest
    float32 as well, and weights stay finite.
    """
    near = np.clip(threshold, LEAST, LARGEST).astype(np.float32)
    return np.where(near.astype(np.float64) > threshold, np.nextafter(near, np.float32(-np.inf)), near)

"""LightGBM's text format: trees as arrays, and what the file says about them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.errors import WeightsError
from agents.tree import Tree

IS_CATEGORY, DEFAULT_LEFT, MISSING_IS_ZERO, MISSING_IS_NAN = 1, 2, 4, 8  # bits of LightGBM's decision_type
WORD_BITS = 32  # of its sets of codes
WHERE = "LightGBM model"


def header_of(text: str) -> dict[str, str]:
    """What stands before the trees, e.g. `objective` and `feature_names`."""
    return dict(line.split("=", 1) for line in text.split("\nTree=", maxsplit=1)[0].splitlines() if "=" in line)


def trees_of(text: str) -> list[Tree]:
    """Every tree of a booster, columns as LightGBM counts them.

    Raises:
        WeightsError: trees with linear models in their leaves, or that take zeros for missing.
    """
    parts = text.split("end of trees", maxsplit=1)[0].split("\nTree=")[1:]
    return [_tree(dict(line.split("=", 1) for line in part.splitlines() if "=" in line)) for part in parts]


def _tree(lines: dict[str, str]) -> Tree:
    if lines.get("is_linear", "0") != "0":
        raise WeightsError(WHERE, "linear models in its leaves", "linear_tree = false")
    value = _numbers(lines, "leaf_value")
    flags, threshold = _numbers(lines, "decision_type").astype(np.int64), _numbers(lines, "threshold")
    if (flags & MISSING_IS_ZERO).any():
        raise WeightsError(WHERE, "zeros that count as missing", "zero_as_missing = false")
    # Where training saw nothing missing, LightGBM takes a missing value for 0.
    missing_left = np.where(flags & MISSING_IS_NAN, flags & DEFAULT_LEFT > 0, threshold >= 0)
    return Tree(
        feature=_numbers(lines, "split_feature").astype(np.int64),
        threshold=threshold,
        left=_numbers(lines, "left_child").astype(np.int64),
        right=_numbers(lines, "right_child").astype(np.int64),
        missing_left=missing_left,
        value=value,
        codes={i: _codes(lines, int(threshold[i])) for i in np.flatnonzero(flags & IS_CATEGORY).tolist()},
    )


def _numbers(lines: dict[str, str], name: str) -> NDArray[np.float64]:
    return np.array(lines.get(name, "").split(), np.float64)


def _codes(lines: dict[str, str], number: int) -> NDArray[np.int64]:
    """The codes of one of a tree's sets, from its bits."""
    begin, end = lines["cat_boundaries"].split()[number : number + 2]
    words = np.array(lines["cat_threshold"].split()[int(begin) : int(end)], np.uint32)
    bits = (words[:, None] >> np.arange(WORD_BITS, dtype=np.uint32)) & 1
    return np.flatnonzero(bits.ravel())

"""Compiled loops over trees: arrays in, arrays out.

A tree of s splits: split `i` sends a row left where `row[feature[i]] <= threshold[i]`, a missing value where
`missing_left[i]` says. Where that is 2 the split is over a category: its column holds rows of embeddings, and those in
the set whose number is `threshold[i]` go left. A child is a later split, or `~leaf` where it is negative; so every walk
ends.
"""

from __future__ import annotations

import numpy as np
from numba import njit

kernel = njit(cache=True, nogil=True, error_model="numpy")


@kernel
def goes_left(x, threshold, missing_left, sets):
    """Whether a row with the value x goes left; sets are uint8[sets, rows]."""
    if missing_left == 2:
        return sets[int(threshold), int(x)] == 1
    if np.isnan(x):
        return missing_left == 1
    return x <= threshold


@kernel
def sum_trees(columns, feature, threshold, left, right, missing_left, sets, value, out):
    """Each expert's logit into out[n, experts], of columns[n, f] and trees [experts, rounds, ...]."""
    experts, rounds = feature.shape[0], feature.shape[1]
    for row in range(columns.shape[0]):
        for e in range(experts):
            total = 0.0
            for r in range(rounds):
                at = 0
                while at >= 0:
                    x = columns[row, feature[e, r, at]]
                    if goes_left(x, threshold[e, r, at], missing_left[e, r, at], sets):
                        at = left[e, r, at]
                    else:
                        at = right[e, r, at]
                total += value[e, r, ~at]
            out[row, e] = total

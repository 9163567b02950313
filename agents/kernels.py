"""Compiled loops over trees: arrays in, arrays out.

A tree of s splits: split `i` sends a row left where `row[feature[i]] <= threshold[i]`, a missing value where
`missing_left[i]` says. A child is a later split, or `~leaf` where it is negative; so every walk ends.
"""

from __future__ import annotations

import numpy as np
from numba import njit

kernel = njit(cache=True, nogil=True, error_model="numpy")


@kernel
def sum_trees(columns, feature, threshold, left, right, missing_left, value, out):
    """Each expert's logit into out[n, experts], of columns[n, f] and trees [experts, rounds, ...]."""
    experts, rounds = feature.shape[0], feature.shape[1]
    for row in range(columns.shape[0]):
        for e in range(experts):
            total = 0.0
            for r in range(rounds):
                at = 0
                while at >= 0:
                    x = columns[row, feature[e, r, at]]
                    goes_left = missing_left[e, r, at] if np.isnan(x) else x <= threshold[e, r, at]
                    at = left[e, r, at] if goes_left else right[e, r, at]
                total += value[e, r, ~at]
            out[row, e] = total

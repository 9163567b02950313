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
quick = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})  # sums in any order
SURE = 600.0  # an expert's logit: what lies beyond it is 0 or 1 to every number that follows


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


@quick
def add_bins(numbers, edges, steps, at):
    """Add to at[n, units] what each number stands for: its bin's lower edge, and as much of the bin as it fills.

    Args:
        numbers: float32[q, n], a row for each feature.
        edges: float32[q, bins + 1]; every number lies within.
        steps: float32[q, bins, 2, units], of a bin what its lower edge adds and what all of it adds to that.
        at: float32[n, units].
    """
    n, bins = at.shape[0], edges.shape[1] - 1
    below, filled = np.empty(n, np.int32), np.empty(n, np.float32)
    for f in range(numbers.shape[0]):
        x, edge = numbers[f], edges[f]
        below[:] = 0
        for j in range(1, bins):
            inner = edge[j]
            for row in range(n):
                below[row] += np.int32(x[row] >= inner)
        for row in range(n):
            b = below[row]
            filled[row] = (x[row] - edge[b]) / (edge[b + 1] - edge[b])
        for row in range(n):
            mine, begin, inside, part = at[row], steps[f, below[row], 0], steps[f, below[row], 1], filled[row]
            for u in range(at.shape[1]):
                mine[u] += begin[u] + part * inside[u]


@quick
def mix(at, gate, places, first_of, gate_of, last, bias, out):
    """Logits of a mixture into out[n], from its units and its gate as far as the numbers have made them.

    A category adds its row of `first_of`, and of `gate_of` to the gate. Experts of h units are `last . relu(units) +
    bias`; with h = 0 a unit is an expert. The rest is `agents.mixture.Mixture`, without what cancels in its difference.

    Args:
        at: float32[n, units]; changed.
        gate: float32[n, experts]; changed.
        places: int64[n, c], rows of the tables.
        first_of: float32[rows, units].
        gate_of: float32[rows, experts].
        last: float32[experts, h].
        bias: float32[experts].
        out: float32[n].
    """
    experts, own = gate.shape[1], last.shape[1]
    said = np.empty(experts, np.float64)
    for row in range(out.shape[0]):
        units, weight = at[row], gate[row]
        for c in range(places.shape[1]):
            of_units, of_gate = first_of[places[row, c]], gate_of[places[row, c]]
            for u in range(len(units)):
                units[u] += of_units[u]
            for e in range(experts):
                weight[e] += of_gate[e]
        most = weight[0]
        for e in range(experts):
            most = max(most, weight[e])
            if own == 0:
                said[e] = units[e]
            else:
                mine, of_mine = units[e * own : (e + 1) * own], last[e]
                total = bias[e]
                for u in range(own):
                    total += max(mine[u], np.float32(0.0)) * of_mine[u]
                said[e] = total
        speaks_for, speaks_against = 0.0, 0.0
        for e in range(experts):
            less = np.exp(-min(abs(said[e]), SURE))
            share = np.exp(np.float64(weight[e] - most)) / (1.0 + less)
            speaks_for += share * (less if said[e] < 0.0 else 1.0)
            speaks_against += share * (1.0 if said[e] < 0.0 else less)
        out[row] = np.log(speaks_for) - np.log(speaks_against)

"""Features to numbers that a network can take: fitted on the training rows, kept with the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Features = NDArray[np.float32]  # [n, d]
CODES_MAX = 4096  # most frequent category codes kept per feature; rarer ones count as unknown
UNKNOWN, MISSING = 0, 1  # rows of an embedding; known codes follow
LINEAR_WITHIN = 2.0  # standard deviations; values further out come closer, and never trade places


@dataclass(frozen=True, slots=True)
class InputStats:
    """What the training rows looked like.

    Attributes:
        numeric: columns of the numeric features.
        categorical: columns of the categorical ones.
        median: float32[d], per column; a category's is its most frequent code.
        center: float32[q] and scale: float32[q], of the squashed numeric features.
        edges: float32[q, bins + 1], quantiles of the standardised numeric features.
        codes: per categorical feature its known codes, ascending.
    """

    numeric: NDArray[np.int64]
    categorical: NDArray[np.int64]
    median: NDArray[np.float32]
    center: NDArray[np.float32]
    scale: NDArray[np.float32]
    edges: NDArray[np.float32]
    codes: tuple[NDArray[np.float32], ...]

    @classmethod
    def fit(cls, x: Features, categorical: Sequence[int], bins: int) -> InputStats:
        """From training rows float32[n, d], n >= 1."""
        is_category = np.zeros(x.shape[1], np.bool_)
        is_category[list(categorical)] = True
        numeric = np.flatnonzero(~is_category)
        median = np.array([_typical(x[:, j], bool(is_category[j])) for j in range(x.shape[1])], np.float32)
        filled = _squash(np.where(np.isfinite(x[:, numeric]), x[:, numeric], median[numeric]))
        center = filled.mean(axis=0) if len(numeric) else np.zeros(0)
        scale = filled.std(axis=0) if len(numeric) else np.zeros(0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        standard = _softly(torch.from_numpy((filled - center) / scale)).numpy()
        edges = np.stack([_edges(standard[:, j], bins) for j in range(len(numeric))]) if len(numeric) else None
        codes = tuple(_known_codes(x[:, j]) for j in np.flatnonzero(is_category))
        return cls(
            numeric=numeric.astype(np.int64),
            categorical=np.flatnonzero(is_category).astype(np.int64),
            median=median,
            center=center.astype(np.float32),
            scale=scale.astype(np.float32),
            edges=np.zeros((0, bins + 1), np.float32) if edges is None else edges.astype(np.float32),
            codes=codes,
        )

    @classmethod
    def blank(cls, features: int, categories: int, bins: int, codes: Sequence[int]) -> InputStats:
        """Arrays of the right dtype and shape, for comparison with a file: d features, c of them categories."""
        q = features - categories
        return cls(
            numeric=np.zeros(q, np.int64),
            categorical=np.zeros(categories, np.int64),
            median=np.zeros(features, np.float32),
            center=np.zeros(q, np.float32),
            scale=np.ones(q, np.float32),
            edges=np.zeros((q, bins + 1), np.float32),
            codes=tuple(np.zeros(known, np.float32) for known in codes),
        )

    def fits(self, features: int) -> bool:
        """Whether each column is used once, scales are positive, and edges and codes ascend."""
        columns = np.sort(np.concatenate([self.numeric, self.categorical]))
        return (
            np.array_equal(columns, np.arange(features))
            and bool((self.scale > 0).all())
            and bool((np.diff(self.edges, axis=1) >= 0).all())
            and all(bool((np.diff(known) > 0).all()) for known in self.codes)
        )

    def numbers(self, x: Features) -> Tensor:
        """float32[n, q]: numeric features, missing ones at their median, squashed, standardised, in training's range.

        A feature that drifts away from what training saw stops at its end: a network goes on in a straight line there,
        and months later that line decides.
        """
        values = torch.from_numpy(np.take(x, self.numeric, axis=1))  # a copy, changed in place from here on
        values = torch.where(values.isfinite(), values, torch.from_numpy(self.median[self.numeric]))
        squashed = values.abs().log1p_().copysign_(values)
        standard = _softly(squashed.sub_(torch.from_numpy(self.center)).div_(torch.from_numpy(self.scale)))
        edges = torch.from_numpy(self.edges)
        return standard.clamp(edges[:, 0], edges[:, -1])

    def rows(self, x: Features) -> Tensor:
        """int64[n, c]: row of each category's embedding; a code that training never saw is unknown."""
        columns = [embedding_rows(x[:, j], known) for j, known in zip(self.categorical, self.codes, strict=True)]
        return torch.from_numpy(np.stack(columns, axis=1) if columns else np.zeros((len(x), 0), np.int64))

    def tensors(self) -> dict[str, Tensor]:
        """For the weights' file."""
        named = {
            "numeric": self.numeric, "categorical": self.categorical, "median": self.median, "center": self.center,
            "scale": self.scale, "edges": self.edges,
        }  # fmt: skip
        codes = {f"codes.{i}": known for i, known in enumerate(self.codes)}
        return {f"inputs.{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in {**named, **codes}.items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> InputStats:
        """From the weights' file."""
        found = {k.removeprefix("inputs."): v.numpy() for k, v in tensors.items() if k.startswith("inputs.")}
        count = len(found["categorical"])
        return cls(
            numeric=found["numeric"],
            categorical=found["categorical"],
            median=found["median"],
            center=found["center"],
            scale=found["scale"],
            edges=found["edges"],
            codes=tuple(found[f"codes.{i}"] for i in range(count)),
        )


def _squash(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Signed logarithm: amounts and counts have heavy tails."""
    wide = values.astype(np.float64)
    return np.asarray(np.sign(wide) * np.log1p(np.abs(wide)))


def _softly(standard: Tensor) -> Tensor:
    """Linear near zero, logarithmic in the tails: shares of fraud lie far out, and their order matters there."""
    beyond = (standard.abs() - LINEAR_WITHIN).clamp_min_(0.0)
    return (standard.clamp(-LINEAR_WITHIN, LINEAR_WITHIN)).add_(beyond.log1p_().copysign_(standard))


def typical_row(x: Features, categorical: Sequence[int]) -> tuple[float | None, ...]:
    """Of rows float32[n, d] each feature's median, a category's most frequent code; None where it is never known."""
    return tuple(_typical(x[:, j], j in categorical) if np.isfinite(x[:, j]).any() else None for j in range(x.shape[1]))


def _typical(column: NDArray[np.float32], is_category: bool) -> float:
    known = column[np.isfinite(column)]
    if not len(known):
        return 0.0
    if not is_category:
        return float(np.median(known))
    values, counts = np.unique(known, return_counts=True)
    return float(values[counts.argmax()])


def _edges(column: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Quantiles, closer together in the upper tail where fraud is, and apart where many rows share a value."""
    tail = max(bins // 3, 1)
    levels = np.concatenate([np.linspace(0.0, 0.9, bins - tail + 1), 1.0 - 0.1 * 0.25 ** np.arange(1, tail), [1.0]])
    edges = np.quantile(column, levels)
    return np.maximum.accumulate(edges + np.arange(bins + 1) * 1e-4)


def _known_codes(column: NDArray[np.float32]) -> NDArray[np.float32]:
    values, counts = np.unique(column[np.isfinite(column) & (column != 0)], return_counts=True)
    frequent = values[np.argsort(-counts, kind="stable")[:CODES_MAX]]
    return np.sort(frequent).astype(np.float32)


def embedding_rows(column: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.int64]:
    """Row int64[n] of each code's embedding, of codes float32[n] where `known` are float32[c], ascending."""
    at = np.searchsorted(known, column)
    inside = np.minimum(at, max(len(known) - 1, 0))
    hit = (known[inside] == column) if len(known) else np.zeros(len(column), np.bool_)
    rows = np.where(hit, inside + 2, UNKNOWN)
    return np.where(np.isnan(column) | (column == 0), MISSING, rows).astype(np.int64)

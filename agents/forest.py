"""The trees of an agent's experts as plain arrays: scored by a compiled loop, saved like any other weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents import kernels
from agents.genome import Genome
from agents.inputs import Features, InputStats

PREFIX = "trees."
TREES = "trees"  # the expert that is made of them
SET = 2  # in `missing_left`: a split over a category


@dataclass(frozen=True, slots=True)
class Forest:
    """Boosters of e experts, r trees each, with s splits and s + 1 leaves at most; f columns.

    Columns are the numeric features as they are, then each category's share of fraud, then how often it was seen:
    categories enter as counts and rates only. In trees from outside a category may be split into sets of codes: there
    the rows of its codes' embeddings follow. Unused splits send every row to leaf 0.

    Attributes:
        feature: int32[e, r, s], column of a split.
        threshold: float32[e, r, s]; up to it a row goes left.
        left: int16[e, r, s], a later split, or `~leaf`.
        right: int16[e, r, s], the same.
        missing_left: uint8[e, r, s], 1 where a missing value goes left, 2 where the threshold is the number of a set.
        value: float32[e, r, s + 1], of the leaves.
        rates: per categorical feature float32[known + 2], log odds of fraud of each of its rows.
        counts: per categorical feature float32[known + 2], log of how often each of its rows was seen.
        sets: uint8[sets, rows], 1 where a category's row goes left; none in trees that were grown here.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    missing_left: NDArray[np.uint8]
    value: NDArray[np.float32]
    rates: tuple[NDArray[np.float32], ...] = ()
    counts: tuple[NDArray[np.float32], ...] = ()
    sets: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    @classmethod
    def blank(cls, genome: Genome, codes: Sequence[int], sets: int = 0) -> Forest:
        """Trees of one leaf with the value 0, in the shapes that a genome's have; codes known per category."""
        shape = (genome.experts, genome.rounds, genome.leaves - 1)
        return cls(
            feature=np.zeros(shape, np.int32),
            threshold=np.zeros(shape, np.float32),
            left=np.full(shape, -1, np.int16),
            right=np.full(shape, -1, np.int16),
            missing_left=np.zeros(shape, np.uint8),
            value=np.zeros((*shape[:2], genome.leaves), np.float32),
            rates=tuple(np.zeros(known + 2, np.float32) for known in codes),
            counts=tuple(np.zeros(known + 2, np.float32) for known in codes),
            sets=np.zeros((sets, max(codes, default=0) + 2 if sets else 0), np.uint8),
        )

    def fits(self, inputs: InputStats) -> bool:
        """Whether every split looks at a column there is and leads to a later split or a leaf there is."""
        splits = np.arange(self.feature.shape[2])
        leads_on = all(
            bool(((child > splits) & (child <= splits[-1]) | (child < 0) & (~child <= len(splits))).all())
            for child in (self.left, self.right)
        )
        over_sets = self.missing_left == SET
        numbers = self.threshold[over_sets]
        q, c = len(inputs.numeric), len(inputs.categorical)
        first, last = np.where(over_sets, q + 2 * c, 0), np.where(over_sets, q + 3 * c, q + 2 * c)
        return (
            leads_on
            and bool(((self.feature >= first) & (self.feature < last)).all())
            and bool(((numbers >= 0) & (numbers < len(self.sets)) & (numbers == numbers.astype(np.int64))).all())
        )

    def logits(self, inputs: InputStats, x: Features) -> NDArray[np.float32]:
        """float32[n, d] to each expert's logit float32[n, e]."""
        out = np.empty((len(x), len(self.feature)), np.float32)
        kernels.sum_trees(self.columns(inputs, x), *self._walk(), self.value, out)
        return out

    def columns(self, inputs: InputStats, x: Features) -> Features:
        """What the splits look at, float32[n, f]."""
        rows = inputs.rows(x).numpy()
        rates = [known[rows[:, i]] for i, known in enumerate(self.rates)]
        counts = [known[rows[:, i]] for i, known in enumerate(self.counts)]
        split = list(rows.astype(np.float32).T) if len(self.sets) else []
        return joined(inputs, x, rates + counts + split)

    def tensors(self) -> dict[str, Tensor]:
        """For the weights' file."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        each = {k: v for k, v in arrays.items() if not isinstance(v, tuple) and v.size}
        tables = {f"{k}.{i}": known for k in ("rates", "counts") for i, known in enumerate(arrays[k])}
        return {f"{PREFIX}{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in {**each, **tables}.items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Forest | None:
        """From the weights' file; None where it holds no trees."""
        found = {k.removeprefix(PREFIX): v.numpy() for k, v in tensors.items() if k.startswith(PREFIX)}
        if not found:
            return None
        tables = {
            name: tuple(found.pop(f"{name}.{i}") for i in range(sum(k.startswith(f"{name}.") for k in found)))
            for name in ("rates", "counts")
        }
        return cls(**found, **tables)  # type: ignore[arg-type]  # names and dtypes were compared with a blank one's

    def _walk(self) -> tuple[NDArray[np.generic], ...]:
        return self.feature, self.threshold, self.left, self.right, self.missing_left, self.sets


def joined(inputs: InputStats, x: Features, of_categories: Sequence[NDArray[np.float32]]) -> Features:
    """Numeric features, what isn't finite as missing, beside the categories' rates and counts."""
    numeric = x[:, inputs.numeric]
    numeric = np.where(np.isfinite(numeric), numeric, np.float32(np.nan))
    return np.ascontiguousarray(np.column_stack([numeric, *of_categories]), np.float32)

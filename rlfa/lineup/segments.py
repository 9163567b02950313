"""Segments: which transactions a slot plays, as an expression over the stream's own fields.

`channel == "ecom" and amount > 100`: the language of `agents.expressions`, in which the user's rules are written too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.errors import ExpressionError
from agents.expressions import Condition, Fields, condition, met, names_in
from rlfa.errors import RlfaError
from streams.codec import categorical_features, raw_feature_names
from streams.keys import category_codes
from streams.spec import StreamSpec

__all__ = ["WHOLE", "Fields", "Mask", "Part", "SegmentError", "check", "fields_of", "inside", "names_in", "part_of"]

SEGMENTS_MAX = 256  # read and kept at once

Mask = NDArray[np.bool_]  # [n]


class SegmentError(RlfaError):
    """A segment that means nothing on this stream: what was found, what is allowed."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found, allowed)

    def __str__(self) -> str:
        return "segment: found {!r}, allowed: {}".format(*self.args)


@dataclass(frozen=True, slots=True)
class Part:
    """What a slot plays: a segment, all of the stream when empty, and which features hold codes of categories."""

    segment: str
    categorical: frozenset[str]


WHOLE = Part("", frozenset())


def part_of(spec: StreamSpec, segment: str) -> Part:
    """A segment of a stream."""
    return Part(segment, categorical_features(spec))


def fields_of(spec: StreamSpec, names: Sequence[str] = ()) -> Fields:
    """The columns of a stream's feature matrix; by default those that a record has by itself."""
    return Fields(tuple(names) or raw_feature_names(spec), categorical_features(spec))


def inside(segment: str, features: NDArray[np.float32], fields: Fields) -> Mask:
    """The rows of a segment.

    Args:
        segment: an expression; empty: every row.
        features: float32[n, d]; NaN is a missing number, code 0 a missing category.
        fields: names of the columns.

    Returns:
        bool[n].

    Raises:
        SegmentError: it can't be read, or names a field or compares with a value that can't be.
    """
    if not segment:
        return np.ones(len(features), np.bool_)
    rule = _condition(segment, fields)
    columns = {name: features[:, fields.names.index(name)] for name in rule.reads}
    return met([rule], columns, len(features))[:, 0]


def check(segment: str, fields: Fields) -> None:
    """Refuse an expression that means nothing on these fields.

    Raises:
        SegmentError: what was found and what is allowed.
    """
    inside(segment, np.empty((0, len(fields.names)), np.float32), fields)


@lru_cache(SEGMENTS_MAX)
def _condition(segment: str, fields: Fields) -> Condition:
    try:
        return condition(segment, fields, category_codes)
    except ExpressionError as error:
        raise SegmentError(*error.args[1:]) from error

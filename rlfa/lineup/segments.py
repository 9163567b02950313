"""Segments: which transactions a slot plays, as an expression over the stream's own fields.

`channel == "ecom" and amount > 100`: comparisons of a field with a value, `in` lists, `is missing`, `and`, `or`, `not`
and brackets. It is read by Python's parser and never run by it: every node that isn't listed here is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rlfa.errors import RlfaError
from streams.codec import categorical_features, category_codes, raw_feature_names
from streams.spec import StreamSpec

LENGTH_MAX = 500  # characters
NUMBER_MAX = 1e38  # of a single-precision number
MISSING = "missing"
MISSING_CODE = 0.0  # of a category

Mask = NDArray[np.bool_]  # [n]
Column = NDArray[np.float32]  # [n]
Literal = str | float

_ORDERS: dict[type[ast.cmpop], Callable[[Column, np.float32], Mask]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}


class SegmentError(RlfaError):
    """A segment that means nothing on this stream: what was found, what is allowed."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found, allowed)

    def __str__(self) -> str:
        return "segment: found {!r}, allowed: {}".format(*self.args)


@dataclass(frozen=True, slots=True)
class Fields:
    """The columns of a feature matrix, and which of them hold codes of categories."""

    names: tuple[str, ...]
    categorical: frozenset[str]


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


@dataclass(frozen=True, slots=True)
class _Rows:
    features: NDArray[np.float32]
    fields: Fields

    def column(self, name: str) -> Column:
        if name not in self.fields.names:
            raise SegmentError(name, f"one of the fields {', '.join(self.fields.names)}")
        return np.asarray(self.features[:, self.fields.names.index(name)])


def inside(segment: str, features: NDArray[np.float32], fields: Fields) -> Mask:
    """The rows of a segment.

    Numbers are compared in single precision, as they are kept. A missing value equals nothing and is neither more nor
    less than anything, so `x != 1` and `not x > 1` are true of it.

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
    return _value(_parsed(segment), _Rows(features, fields))


def names_in(segment: str) -> tuple[str, ...]:
    """The fields that an expression looks at."""
    found = (node.id for node in ast.walk(_parsed(segment)) if isinstance(node, ast.Name))
    return tuple(dict.fromkeys(name for name in found if name != MISSING))


def check(segment: str, fields: Fields) -> None:
    """Refuse an expression that means nothing on these fields.

    Raises:
        SegmentError: what was found and what is allowed.
    """
    inside(segment, np.empty((0, len(fields.names)), np.float32), fields)


@cache
def _parsed(segment: str) -> ast.expr:
    if len(segment) > LENGTH_MAX:
        raise SegmentError(segment[:20] + "…", f"at most {LENGTH_MAX} characters")
    try:
        return ast.parse(segment.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SegmentError(segment, 'an expression such as channel == "ecom" and amount > 100') from error


def _value(node: ast.expr, rows: _Rows) -> Mask:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return _all([_value(p, rows) for p in parts])
        case ast.BoolOp(op=ast.Or(), values=parts):
            return ~_all([~_value(p, rows) for p in parts])
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return ~_value(part, rows)
        case ast.Compare(left=first, ops=ops, comparators=rest):
            sides = [first, *rest]
            return _all([_compare(a, op, b, rows) for a, op, b in zip(sides, ops, rest, strict=False)])
        case _:
            raise SegmentError(ast.unparse(node), "comparisons joined by and, or, not")


def _all(masks: Sequence[Mask]) -> Mask:
    return np.asarray(np.logical_and.reduce(masks), np.bool_)


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, rows: _Rows) -> Mask:
    if not isinstance(left, ast.Name) and isinstance(right, ast.Name) and type(op) in _MIRRORED:
        return _compare(right, _MIRRORED[type(op)](), left, rows)
    if not isinstance(left, ast.Name):
        raise SegmentError(ast.unparse(left), "a field on one side of each comparison and a value on the other")
    column, is_category = rows.column(left.id), left.id in rows.fields.categorical
    match op:
        case ast.Is() | ast.IsNot():
            missing = _missing(column, right, is_category)
            return missing if isinstance(op, ast.Is) else ~missing
        case ast.In() | ast.NotIn():
            found = _among(column, left.id, _items(right), is_category)
            return found if isinstance(op, ast.In) else ~found
        case ast.Eq() | ast.NotEq():
            found = _among(column, left.id, [_literal(right)], is_category)
            return found if isinstance(op, ast.Eq) else ~found
        case _ if type(op) in _ORDERS and not is_category:
            return _ORDERS[type(op)](column, _number(left.id, _literal(right)))
        case _:
            raise SegmentError(f"{left.id} {_symbol(op)}", "==, !=, in, not in, is missing for a category")


def _missing(column: Column, right: ast.expr, is_category: bool) -> Mask:
    if not (isinstance(right, ast.Name) and right.id == MISSING):
        raise SegmentError(f"is {ast.unparse(right)}", f"is {MISSING}, is not {MISSING}")
    return np.equal(column, MISSING_CODE) if is_category else np.isnan(column)


def _among(column: Column, name: str, values: Collection[Literal], is_category: bool) -> Mask:
    if not is_category:
        return np.isin(column, [_number(name, v) for v in values])
    numbers = [v for v in values if not isinstance(v, str)]
    if numbers:
        raise SegmentError(f"{name} and {numbers[0]:g}", f'a text for the category {name}, such as "{numbers[0]:g}"')
    return np.isin(column, category_codes([str(v) for v in values]))


def _items(node: ast.expr) -> list[Literal]:
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        raise SegmentError(f"in {ast.unparse(node)}", 'a list such as ["DE", "AT"]')
    return [_literal(item) for item in node.elts]


def _literal(node: ast.expr) -> Literal:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Constant(value=int() | float() as number) if number <= NUMBER_MAX:
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if number <= NUMBER_MAX:
            return -float(number)
        case _:
            raise SegmentError(ast.unparse(node), f"a text in quotes or a number, at most {NUMBER_MAX:g}")


def _number(name: str, value: Literal) -> np.float32:
    if isinstance(value, str):
        raise SegmentError(f"{name} and {value!r}", f"a number for {name}")
    return np.float32(value)


def _symbol(op: ast.cmpop) -> str:
    return {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}[type(op)]

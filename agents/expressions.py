"""Conditions over columns: text to an Arrow expression, evaluated on whole columns, never by `eval`.

`channel == "ecom" and amount > 3 * customer_mean_7d`: fields, numbers and texts, `+ - * /`, comparisons, `in` lists,
`is missing`, `and`, `or`, `not` and brackets. A field whose name is no Python name is written `field["user.age"]`. The
text is read by Python's parser and never run by it: every node that isn't listed here is refused. What is left becomes
one expression of `pyarrow.compute`, which knows no files, no network and no functions but those named here.

Numbers are compared in single precision, as features are kept. A missing value equals nothing and is neither more nor
less than anything, so `x != 1` and `not x > 1` are true of it, and what is computed from it is missing too: Arrow
compares floats as IEEE 754 says. (Polars counts NaN as the largest number: there a ratio without a denominator would
pass `> 3`.)
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import acero

from agents.errors import ExpressionError

LENGTH_MAX = 500  # characters
NUMBER_MAX = 1e38  # of a single-precision number
MISSING = "missing"
MISSING_CODE = 0.0  # of a category
FIELD = "field"

Codes = Callable[[Sequence[str]], NDArray[np.float32]]  # of a category's texts
Literal = str | float

_ORDERS: dict[type[ast.cmpop], Callable[[pc.Expression, pc.Expression], pc.Expression]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[pc.Expression, pc.Expression], pc.Expression]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: pc.divide,  # `/` of an expression would raise where it divides by zero
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}
_SYMBOLS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True, slots=True)
class Fields:
    """The columns of a feature matrix, and which of them hold codes of categories."""

    names: tuple[str, ...]
    categorical: frozenset[str]


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that means something on some fields.

    Attributes:
        text: as it was written.
        reads: the fields that it looks at.
        arrow: the expression, true of the rows that meet it.
    """

    text: str
    reads: tuple[str, ...]
    arrow: pc.Expression


def parsed(text: str) -> ast.expr:
    """An expression's tree.

    Raises:
        ExpressionError: too long, or no expression.
    """
    if len(text) > LENGTH_MAX:
        raise _refusal(text[:20] + "…", f"at most {LENGTH_MAX} characters")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal(text, 'an expression such as channel == "ecom" and amount > 100') from error


def names_in(text: str) -> tuple[str, ...]:
    """The fields that an expression looks at, each once, in the order in which a reader meets them.

    Raises:
        ExpressionError: it can't be read.
    """
    tree = parsed(text)
    found = [(n.lineno, n.col_offset, name) for n in ast.walk(tree) if isinstance(n, ast.expr) and (name := _field(n))]
    return tuple(dict.fromkeys(name for *_, name in sorted(found)))


def coded(text: str, fields: Fields, codes: Codes) -> str:
    """The same expression over numbers alone: categories by their codes, as genomes have them.

    Args:
        text: an expression that means something on the fields.
        fields: that it may name.
        codes: of a category's texts.

    Raises:
        ExpressionError: it means nothing on the fields.
    """
    condition(text, fields, codes)
    return ast.unparse(_Coder(fields, codes).visit(parsed(text)))


def condition(text: str, fields: Fields, codes: Codes) -> Condition:
    """Read an expression over some fields.

    Args:
        text: of the expression.
        fields: that it may name.
        codes: of a category's texts, as the columns hold them.

    Raises:
        ExpressionError: it can't be read, or names a field or compares with a value that can't be.
    """
    reader = _Reader(fields, codes)
    return Condition(text, names_in(text), reader.predicate(parsed(text)))


def met(conditions: Sequence[Condition], columns: Mapping[str, NDArray[np.float32]], rows: int) -> NDArray[np.bool_]:
    """Which rows meet which conditions: all of them in one projection.

    Args:
        conditions: r of them.
        columns: float32[n] per field that some condition reads; NaN is a missing number, code 0 a missing category.
        rows: n.

    Returns:
        bool[n, r].
    """
    out = np.empty((rows, len(conditions)), np.bool_)
    if not conditions:
        return out
    wanted = dict.fromkeys(name for c in conditions for name in c.reads)
    # Arrow names a column by a path, in which dots and brackets mean something: numbers don't.
    table = pa.table([pa.array(columns[name], pa.float32()) for name in wanted], [_column(name) for name in wanted])
    source = acero.Declaration("table_source", acero.TableSourceNodeOptions(table))
    labels = [str(j) for j in range(len(conditions))]
    project = acero.ProjectNodeOptions([c.arrow for c in conditions], labels)
    found = acero.Declaration("project", project, [source]).to_table(use_threads=False)
    for j in range(len(conditions)):
        out[:, j] = found.column(j).to_numpy()
    return out


def _refusal(found: str, allowed: str) -> ExpressionError:
    return ExpressionError("expression", found, allowed)


def _column(name: str) -> str:
    return "f" + name.encode().hex()


def _field(node: ast.expr) -> str:
    """The name of the field that a node stands for; empty for none."""
    match node:
        case ast.Name(id=name) if name not in {MISSING, FIELD}:
            return name
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as text)) if name == FIELD:
            return text
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class _Reader:
    fields: Fields
    codes: Codes

    def predicate(self, node: ast.expr) -> pc.Expression:
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                return _joined(operator.and_, [self.predicate(p) for p in parts])
            case ast.BoolOp(op=ast.Or(), values=parts):
                return _joined(operator.or_, [self.predicate(p) for p in parts])
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return ~self.predicate(part)
            case ast.Compare(left=first, ops=ops, comparators=rest):
                sides = [first, *rest]
                pairs = zip(sides, ops, rest, strict=False)
                return _joined(operator.and_, [self._compare(a, op, b) for a, op, b in pairs])
            case _:
                raise _refusal(ast.unparse(node), "comparisons joined by and, or, not")

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pc.Expression:
        if not _looks_up(left) and _looks_up(right) and type(op) in _MIRRORED:
            return self._compare(right, _MIRRORED[type(op)](), left)
        if not _looks_up(left):
            raise _refusal(ast.unparse(left), "a field on one side of each comparison")
        name = _field(left)
        is_category = bool(name) and self._known(name) in self.fields.categorical
        match op:
            case ast.Is() | ast.IsNot():
                missing = self._missing(left, right, is_category=is_category)
                return missing if isinstance(op, ast.Is) else ~missing
            case ast.In() | ast.NotIn():
                found = self._among(left, name, _items(right), is_category=is_category)
                return found if isinstance(op, ast.In) else ~found
            case ast.Eq() | ast.NotEq() if is_category:
                found = self._among(left, name, [_literal(right)], is_category=True)
                return found if isinstance(op, ast.Eq) else ~found
            case ast.Eq() | ast.NotEq():
                equal = self._number(left) == self._operand(left, right)
                return equal if isinstance(op, ast.Eq) else ~equal
            case _ if type(op) in _ORDERS and not is_category:
                return _ORDERS[type(op)](self._number(left), self._operand(left, right))
            case _:
                found_text = f"{name} {_SYMBOLS[type(op)]}"
                raise _refusal(found_text, "==, !=, in, not in, is missing for a category")

    def _operand(self, left: ast.expr, right: ast.expr) -> pc.Expression:
        """The other side of a comparison of numbers."""
        if isinstance(right, ast.Constant) and isinstance(right.value, str):
            raise _refusal(f"{ast.unparse(left)} and {right.value!r}", f"a number for {ast.unparse(left)}")
        return self._number(right)

    def _number(self, node: ast.expr) -> pc.Expression:
        name = _field(node)
        if name:
            if self._known(name) in self.fields.categorical:
                raise _refusal(name, f"a number: {name} is a category, compared with texts only")
            return pc.field(_column(name))
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _ARITHMETIC[type(op)](self._number(left), self._number(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
                return pc.negate(self._number(operand))
            case ast.BinOp():
                raise _refusal(ast.unparse(node), "+, -, *, / between numbers")
            case _:
                value = _literal(node)
                if isinstance(value, str):
                    raise _refusal(repr(value), "a number")
                return _scalar(value)

    def _missing(self, left: ast.expr, right: ast.expr, *, is_category: bool) -> pc.Expression:
        if not (isinstance(right, ast.Name) and right.id == MISSING):
            raise _refusal(f"is {ast.unparse(right)}", f"is {MISSING}, is not {MISSING}")
        if is_category:
            return pc.field(_column(_field(left))) == _scalar(MISSING_CODE)
        return self._number(left).is_nan()

    def _among(self, left: ast.expr, name: str, values: Sequence[Literal], *, is_category: bool) -> pc.Expression:
        texts = [v for v in values if isinstance(v, str)]
        numbers = [v for v in values if not isinstance(v, str)]
        if not is_category:
            if texts:
                raise _refusal(f"{ast.unparse(left)} and {texts[0]!r}", f"a number for {ast.unparse(left)}")
            # Arrow looks numbers up by their bits: 0 more makes -0 the same as 0.
            return pc.add(self._number(left), _scalar(0.0)).isin(pa.array([v + 0.0 for v in numbers], pa.float32()))
        if numbers:
            raise _refusal(f"{name} and {numbers[0]:g}", f'a text for the category {name}, such as "{numbers[0]:g}"')
        return pc.field(_column(name)).isin(pa.array(self.codes(texts), pa.float32()))

    def _known(self, name: str) -> str:
        if name not in self.fields.names:
            raise _refusal(name, f"one of the fields {', '.join(self.fields.names)}")
        return name


class _Coder(ast.NodeTransformer):
    """Texts become codes, and a missing category code 0."""

    def __init__(self, fields: Fields, codes: Codes) -> None:
        self.fields, self.codes = fields, codes

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        sides = [node.left, *node.comparators]
        if not any(_field(side) in self.fields.categorical for side in sides):
            return node
        swaps: dict[type[ast.cmpop], ast.cmpop] = {ast.Is: ast.Eq(), ast.IsNot: ast.NotEq()}
        node.ops = [swaps.get(type(op), op) for op in node.ops]
        coded_sides = [self._coded(side) for side in sides]
        node.left, node.comparators = coded_sides[0], coded_sides[1:]
        return node

    def _coded(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant(value=str() as text):
                return ast.Constant(float(self.codes([text])[0]))
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return ast.List([self._coded(item) for item in items], ast.Load())
            case ast.Name(id=name) if name == MISSING:
                return ast.Constant(MISSING_CODE)
            case _:
                return node


def _joined(
    how: Callable[[pc.Expression, pc.Expression], pc.Expression], parts: Sequence[pc.Expression]
) -> pc.Expression:
    whole = parts[0]
    for part in parts[1:]:
        whole = how(whole, part)
    return whole


def _looks_up(node: ast.expr) -> bool:
    """Whether a side of a comparison is a field, or computed from one."""
    match node:
        case ast.BinOp(left=left, right=right):
            return _looks_up(left) or _looks_up(right)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _looks_up(operand)
        case _:
            return bool(_field(node))


def _items(node: ast.expr) -> list[Literal]:
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        raise _refusal(f"in {ast.unparse(node)}", 'a list such as ["DE", "AT"]')
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
            raise _refusal(ast.unparse(node), f"a text in quotes or a number, at most {NUMBER_MAX:g}")


def _scalar(value: float) -> pc.Expression:
    return pc.scalar(pa.scalar(value, pa.float32()))

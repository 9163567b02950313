"""Which columns are id, amount, entities, categories and numbers, and which are nothing, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.infer.answers import NONE, ROWS, UnclearError
from streams.infer.columns import Column
from streams.infer.sample import Sample

ENTITIES_MAX = 4  # each brings some 25 features
ENTITY_VALUES_MIN = 30
CATEGORY_VALUES_MAX = 1_000  # above: a text's code is too rare to be learnt, its history isn't
CATEGORY_ROWS_MIN = 5.0  # of each value, on average
ROWS_PER_VALUE_MIN = 1.05  # below: nearly every row has a value of its own, and nobody a history
NEGATIVE_MAX = 0.01  # share of an amount's rows
CARD_SHARE = 0.5  # of the values; one in ten passes Luhn's test by chance
ID_TX = {"transaction", "tx", "trans", "txn", "payment", "order", "event", "record", "row"}
ID_KEY = {"id", "no", "num", "number", "key", "ref", "uuid", "guid", "index"}
ID_ALONE = {"id", "uuid", "guid", "rowid", "index"}
AMOUNT = {"amount", "amt", "txamount", "transactionamount", "transactionamt", "amountcents", "amountusd", "amounteur"}
AMOUNT_ALSO = {"value", "price", "total", "sum", "transactionvalue"}
# In the order in which they make a good key: whoever pays before what is paid with before whom.
WHO = ("customer", "cust", "client", "user", "account", "acct", "card", "pan", "cc", "nameorig", "orig", "source",
       "sender", "payer", "email", "phone", "device", "ip", "terminal", "merchant", "namedest", "dest", "payee",
       "beneficiary", "receiver", "target", "iban", "shop", "store")  # fmt: skip
WHOSE = {"id", "no", "nr", "num", "number", "key", "ref", "hash", "hashed", "uuid", "name", "addr", "address", "tx"}
CODES = {"id", "code", "type", "zip", "mcc", "category", "class", "no", "nr", "number", "num"}


@dataclass(slots=True)
class Fields:
    """Columns by what they are for; `reasons` and `left_out` say why, by column."""

    tx_id: str = ""
    amount: str = ""
    amount_divisor: float = 1.0
    entities: dict[str, str] = field(default_factory=dict)
    categorical: list[str] = field(default_factory=list)
    numeric: list[str] = field(default_factory=list)
    card_numbers: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def choose_id(sample: Sample, columns: Sequence[Column], named: str | None, into: Fields) -> None:
    """The column of ids, or the row's number.

    Raises:
        UnclearError: several columns are called like an id and are one.
    """
    if named == ROWS and named not in {c.name for c in columns}:
        into.reasons["tx_id"] = "the row's number, as you say"
        return
    if named is not None:
        column = next(c for c in columns if c.name == named)
        twice = "" if sample.is_unique(named) else "; it repeats, and a repeated id is refused as a duplicate"
        into.tx_id, into.reasons["tx_id"] = named, f"as you say{twice}"
        if column.missing:
            into.reasons["tx_id"] += f"; {column.missing:,} rows lack it and are refused"
        return
    called = [c for c in columns if _is_called_id(c)]
    unique = [c for c in called if not c.missing and c.card_share == 0 and sample.is_unique(c.name)]
    best = [c for c in unique if c.word not in ID_ALONE] or unique
    if len(best) > 1:
        raise UnclearError("--id", "several columns that could be the id", [*(c.name for c in best), ROWS])
    if best:
        into.tx_id, into.reasons["tx_id"] = best[0].name, f"{best[0].name} is there in every row and never repeats"
        return
    into.reasons["tx_id"] = "the row's number: " + (
        f"{called[0].name} {_why_no_id(called[0])}" if called else "no column is called like an id"
    )


def _is_called_id(column: Column) -> bool:
    if column.kind not in {"text", "number"} or not (column.is_text or column.is_whole):
        return False
    words = set(column.words)
    return column.word in ID_ALONE or bool(words & ID_TX and words & ID_KEY) or column.word in {"txid", "transactionid"}


def _why_no_id(column: Column) -> str:
    if column.missing:
        return f"is missing in {column.missing:,} rows"
    if column.card_share:
        return "has values that look like card numbers, which an id must not be"
    return "repeats"


def choose_amount(columns: Sequence[Column], named: str | None, into: Fields) -> None:
    """The column of amounts, or none."""
    if named == NONE and named not in {c.name for c in columns}:
        into.reasons["amount"] = "none, as you say: every amount is 1, and costs count transactions"
        return
    column = next((c for c in columns if c.name == named), None) if named else _amount_among(columns)
    if column is None:
        into.reasons["amount"] = "no column is called like an amount: every amount is 1, and costs count transactions"
        return
    if column.kind != "number":
        raise UnclearError("--amount", f"{column.name}, which holds no numbers", [c.name for c in _numbers(columns)])
    reason = "as you say" if named else f"{column.name} is called like an amount"
    negative = int((column.numbers < 0).sum())
    if negative or column.missing:
        reason += f"; {negative:,} rows below 0 and {column.missing:,} without a value are refused"
    if "cents" in column.words or "cent" in column.words:
        into.amount_divisor = 100.0
        reason += "; it counts cents"
    into.amount, into.reasons["amount"] = column.name, reason


def _numbers(columns: Sequence[Column]) -> list[Column]:
    return [c for c in columns if c.kind == "number"]


def _amount_among(columns: Sequence[Column]) -> Column | None:
    fit = [c for c in _numbers(columns) if c.rows and (c.numbers < 0).mean() <= NEGATIVE_MAX and c.distinct > 1]
    exact = [c for c in fit if c.word in AMOUNT]
    part = [c for c in fit if {"amount", "amt"} & set(c.words)]
    also = [c for c in fit if c.word in AMOUNT_ALSO]
    return next(iter([*exact, *part, *also]), None)


def choose_entities(columns: Sequence[Column], named: Sequence[str] | None, into: Fields) -> list[Column]:
    """Whose history is kept; returns the columns that are left."""
    by_name = {c.name: c for c in columns}
    found = [by_name[n] for n in named] if named is not None else _entities_among(columns)
    for column in found:
        slug = _slug(column, into.entities)
        into.entities[slug] = column.name
        lacking = f"; {column.missing:,} rows lack it" if column.missing else ""
        if column is found[0] and column.missing:
            lacking += " and are refused, since it is the key"
        size = f"{column.distinct:,} values, {column.rows_per_value:.1f} rows each"
        into.reasons[f"entity {slug}"] = f"{size}: its history says more than its name{lacking}"
        if column.card_share > 0:
            into.card_numbers.append(column.name)
    if not found:
        into.reasons["entities"] = (
            "none: no column repeats like an account, a card or a terminal, so there are no windows"
        )
    return [c for c in columns if c not in found]


def _entities_among(columns: Sequence[Column]) -> list[Column]:
    found = [c for c in columns if _is_entity(c)]
    # A key without a value refuses its row, so one that is always there goes first.
    return sorted(found, key=lambda c: (c.missing > 0, _rank(c)))[:ENTITIES_MAX]


def _is_entity(column: Column) -> bool:
    if column.kind not in {"text", "number"} or not (column.is_text or column.is_whole):
        return False
    if column.rows_per_value < ROWS_PER_VALUE_MIN or column.distinct < ENTITY_VALUES_MIN:
        return False
    if column.card_share >= CARD_SHARE:
        return True
    is_called = _rank(column) < len(WHO)
    if column.kind == "text":
        return is_called or column.distinct > CATEGORY_VALUES_MAX
    return is_called or (column.words[-1:] in (("id",), ("key",)) and column.distinct > CATEGORY_VALUES_MAX)


def _rank(column: Column) -> int:
    """Place of its name among those of `WHO`; behind them all for another."""
    words = {*column.words, column.word}
    # An email's domain or a card's type is no email and no card.
    is_who = column.word in WHO or words - {column.word} <= {*WHO, *WHOSE}
    return next((i for i, who in enumerate(WHO) if who in words), len(WHO)) if is_who else len(WHO)


def _slug(column: Column, taken: dict[str, str]) -> str:
    words = [w for w in column.words if w not in {"id", "no", "num", "number", "key", "code"}] or list(column.words)
    slug = re.sub(r"^(\d)", r"entity_\1", "_".join(words)) or "entity"
    return slug if slug not in taken else f"{slug}_{len(taken)}"


def choose_features(columns: Sequence[Column], into: Fields) -> None:
    """Everything else: categories, numbers, or left out."""
    for column in columns:
        reason = _why_out(column)
        if reason:
            into.left_out[column.name] = reason
        elif column.card_share > 0:
            into.categorical.append(column.name)
            into.card_numbers.append(column.name)
        elif column.kind == "number" and not _is_code(column):
            into.numeric.append(column.name)
        else:
            into.categorical.append(column.name)


def _why_out(column: Column) -> str:
    if column.kind == "nested":
        return "its values are nested or bytes"
    if column.kind == "time":
        return "another time: a model would learn the date"
    if not column.rows:
        return "no value in any row"
    if column.distinct == 1 and not column.missing:
        return "the same value in every row"
    if column.kind == "text" and column.rows_per_value < ROWS_PER_VALUE_MIN and column.distinct > ENTITY_VALUES_MIN:
        return f"text of {column.distinct:,} values in {column.rows:,} rows: nearly every row has its own"
    if column.kind == "text" and column.distinct > ENTITY_VALUES_MIN and column.rows_per_value < CATEGORY_ROWS_MIN:
        return f"text of {column.distinct:,} values in {column.rows:,} rows: too few of each to learn from"
    if column.kind == "text" and column.distinct > CATEGORY_VALUES_MAX:
        return f"text of {column.distinct:,} values: too many for a category, and {ENTITIES_MAX} entities are enough"
    return ""


def _is_code(column: Column) -> bool:
    """Whole numbers that name something, by their name; of so many values that each can be learnt."""
    return column.is_whole and bool(set(column.words[-1:]) & CODES) and 2 < column.distinct <= CATEGORY_VALUES_MAX

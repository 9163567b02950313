"""Rows, rule sets and books with defaults."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agents.expressions import Fields
from rlfa.lineup.slots import DAY_MS
from rlfa.lineup.voting import Rows
from rlfa.rules.deciding import RuleBook
from rlfa.rules.reading import rules_of
from rlfa.rules.ruleset import RuleSet
from streams.keys import category_codes, entity_key
from streams.spec import StreamSpec, parse_spec

SPEC = """
tx_id = "id"
event_time = "at"
amount = "amount"
categorical = ["channel"]
numeric = ["age"]
card_numbers = ["pan"]
hmac_key_file = "{key}"
[entities]
customer = "customer_id"
card = "pan"
[windows]
windows = ["1d"]
label_delay = "1d"
[windows.entities]
customer = ["count"]
"""
FIELDS = Fields(("amount", "age", "channel"), frozenset({"channel"}))
DAY = 20_000


def stream(folder: Path) -> StreamSpec:
    """A stream with a declared card number; its key lies in the folder."""
    key = folder / "key"
    key.write_text("a key for tests")
    return parse_spec(SPEC.format(key=key), "stream.toml")


PLAIN = parse_spec(SPEC.replace('card_numbers = ["pan"]\nhmac_key_file = "{key}"\n', ""), "stream.toml")


def rules(text: str, spec: StreamSpec = PLAIN, folder: Path = Path()) -> RuleSet:
    return rules_of(text, spec, FIELDS, where="rules.toml", folder=folder)


def book(text: str) -> RuleBook:
    return RuleBook.of(rules(text), FIELDS)


def rows(
    amount: list[float],
    *,
    age: list[float] | None = None,
    channel: list[str | None] | None = None,
    customer: list[str] | None = None,
    day: list[int] | None = None,
) -> Rows:
    n = len(amount)
    names = customer or ["ann"] * n
    return Rows(
        tx_hash=np.arange(n, dtype=np.uint64),
        event_time=np.array(day or [DAY] * n, np.int64) * DAY_MS + np.arange(n),
        amount=np.array(amount, np.float64),
        features=np.stack(
            [
                np.array(amount, np.float32),
                np.array(age or [30.0] * n, np.float32),
                category_codes(channel or ["pos"] * n),
            ],
            axis=1,
        ),
        fields=FIELDS,
        entities={
            "customer": np.array([entity_key(c) for c in names], np.uint64),
            "card": np.zeros(n, np.uint64),
        },
    )

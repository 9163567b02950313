"""A segment is read, never run, and means the same on every machine and day."""

from __future__ import annotations

import numpy as np
import pytest

from rlfa.lineup.segments import Fields, SegmentError, check, inside
from streams.keys import category_codes

FIELDS = Fields(("amount", "is_night", "channel"), frozenset({"channel"}))
CHANNELS = category_codes(["ecom", "pos", "ecom", None, "atm"])
X = np.stack([np.array([50, 150, 250, 20.1, np.nan]), np.array([0, 1, 0, 1, 0]), CHANNELS], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("segment", "rows"),
    [
        ("", [0, 1, 2, 3, 4]),
        ('channel == "ecom"', [0, 2]),
        ('"ecom" == channel', [0, 2]),
        ('channel == "ecom" and amount > 100', [2]),
        ('channel == "ecom" or amount > 100', [0, 1, 2]),
        ('channel in ["pos", "atm"]', [1, 4]),
        ('channel not in ("pos", "atm")', [0, 2, 3]),
        ('channel != "ecom"', [1, 3, 4]),
        ("channel in []", []),
        ("channel is missing", [3]),
        ("channel is not missing and amount is missing", [4]),
        ("not amount > 100", [0, 3, 4]),
        ("amount != 50", [1, 2, 3, 4]),
        ("50 < amount <= 250", [1, 2]),
        ("amount == 20.1", [3]),
        ("amount in {50, 250}", [0, 2]),
        ("amount >= -1", [0, 1, 2, 3]),
        ("is_night == True", [1, 3]),
        ("amount > is_night", [0, 1, 2, 3]),
        ("amount + 1 > 151 or -amount > -50", [2, 3]),
        ("amount / is_night > 1e6", [0, 2]),
        ("not amount / 2 > 50", [0, 3, 4]),
        ("amount / 2 is missing", [4]),
        ("2 * amount - 50 in [50]", [0]),
        ('field["amount"] > 200', [2]),
        ('not (channel == "ecom" or (amount > 100 and is_night == 1))', [3, 4]),
    ],
)
def test_a_segment_is_the_rows_that_it_says(segment: str, rows: list[int]) -> None:
    check(segment, FIELDS)
    assert np.flatnonzero(inside(segment, X, FIELDS)).tolist() == rows


@pytest.mark.parametrize(
    ("segment", "found", "allowed"),
    [
        ("amount >", "amount >", "an expression such as"),
        ("chanel == 'ecom'", "chanel", "one of the fields amount, is_night, channel"),
        ("__import__('os').system('true')", "__import__('os').system('true')", "comparisons joined by and, or, not"),
        ("amount.__class__ == 1", "amount.__class__", "a field on one side"),
        ("open('/etc/passwd') == 1", "open('/etc/passwd')", "a field on one side"),
        ("amount", "amount", "comparisons joined by and, or, not"),
        ("True", "True", "comparisons joined by and, or, not"),
        ("amount > channel", "channel", "a number: channel is a category"),
        ("amount ** 2 > 2", "amount ** 2", "+, -, *, / between numbers"),
        ("-'a' < amount", "-'a'", "a text in quotes or a number"),
        ("amount + '1' > 2", "'1'", "a number"),
        ("1 + 1 == 2", "1 + 1", "a field on one side"),
        ("field[0] > 1", "field[0]", "a field on one side"),
        ("is_night is missing + 1", "is missing + 1", "is missing, is not missing"),
        ("amount > 'ten'", "amount and 'ten'", "a number for amount"),
        ("amount == f'{amount}'", "f'{amount}'", "a text in quotes or a number"),
        ("channel == 5411", "channel and 5411", 'a text for the category channel, such as "5411"'),
        ("channel > 'a'", "channel >", "==, !=, in, not in, is missing for a category"),
        ("channel in 'ecom'", "in 'ecom'", "a list such as"),
        ("channel in [c for c in ['a']]", "in [c for c in ['a']]", "a list such as"),
        ("channel is None", "is None", "is missing, is not missing"),
        ("amount > 1e999", "1e309", "at most 1e+38"),
        ("amount > " + "9" * 400, "9" * 400, "at most 1e+38"),
        ("(" * 240 + "amount > 1" + ")" * 240, "(", "an expression such as"),
        ("amount > 1" + " or amount > 1" * 100, "amount > 1 or amount", "at most 500 characters"),
        ("(lambda: amount > 1)()", "(lambda: amount > 1)()", "comparisons joined by"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(segment: str, found: str, allowed: str) -> None:
    with pytest.raises(SegmentError) as refused:
        check(segment, FIELDS)
    assert str(refused.value.args[0]).startswith(found)
    assert allowed in refused.value.args[1]
    assert "\n" not in str(refused.value)

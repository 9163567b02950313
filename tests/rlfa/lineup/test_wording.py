"""Reasons in words: what the user's analysts say, with what is usual beside it, and nothing that names anybody."""

from __future__ import annotations

import numpy as np
import pytest

from rlfa.lineup.wording import Wording
from streams.codec import raw_feature_names
from streams.features.columns import feature_names
from streams.spec import StreamSpec, parse_spec

SPEC = """
tx_id = "id"
event_time = "at"
amount = "value"
currency = "currency"
categorical = ["merchant_category"]
numeric = ["items", "amount"]
[entities]
customer = "customer_id"
terminal = "terminal_id"
company = "company_id"
[windows]
windows = ["15m", "1h", "1d", "7d"]
label_delay = "7d"
"""
NAN = float("nan")


@pytest.fixture(scope="module")
def spec() -> StreamSpec:
    return parse_spec(SPEC, "stream.toml")


@pytest.mark.parametrize(
    ("feature", "value", "usual", "text"),
    [
        ("terminal_count_1d", 7, 1, "7 payments at this terminal in 24 h, usually 1"),
        ("customer_count_1h", 1, 0, "1 payment by this customer in 1 h, usually 0"),
        ("company_count_7d", 1200, NAN, "1,200 payments for this company in 7 days"),
        ("customer_sum_7d", 1250, 180.2, "1,250.00 in all by this customer in 7 days, usually 180.20"),
        ("customer_mean_7d", 245.1, 31.204, "245.10 on average by this customer in 7 days, usually 31.20"),
        ("customer_distinct_1d", 5, 1, "5 different terminals by this customer in 24 h, usually 1"),
        ("terminal_distinct_15m", 1, 2, "1 different customer at this terminal in 15 min, usually 2"),
        ("customer_since_last", 45, 18_000, "45 s after the last payment by this customer, usually 5 h"),
        ("customer_since_last", 260_000, 600, "3 days after the last payment by this customer, usually 10 min"),
        ("customer_since_last", NAN, 600, "no earlier payment by this customer is known"),
        ("terminal_delayed_count_7d", 3, 2,
         "3 payments at this terminal in the 7 days up to 7 days ago, usually 2"),
        ("terminal_fraud_share_7d", 0.4, 0,
         "40% of the payments at this terminal in the 7 days up to 7 days ago were fraud, usually 0%"),
        ("terminal_fraud_share_7d", 0.004, 0.0001,
         "0.4% of the payments at this terminal in the 7 days up to 7 days ago were fraud, usually 0.01%"),
        ("terminal_count_1d", NAN, 1, "terminal missing"),
        ("amount", 812.5, 24.9, "amount 812.50 EUR, usually 24.90"),
        ("amount", 24.9, 24.9, "amount 24.90 EUR"),
        ("hour", 3.2, 14.1, "paid at 03:12 UTC, usually 14:06"),
        ("is_night", 1, 0, "at night (UTC), usually by day"),
        ("is_weekend", 1, 1, "on a weekend (UTC)"),
        ("items", 7, 1.5, "items 7, usually 1.50"),
        ("items", NAN, 1, "items missing, usually 1"),
        ("items", float("inf"), 0.012, "items missing, usually 0.012"),
        ("amount_field", 3, 3, "amount 3"),
        ("merchant_category", 12, 12, 'merchant_category "travel"'),
        ("merchant_category", 12, 99, 'merchant_category "travel", usually another'),
    ],
)  # fmt: skip
def test_a_feature_is_said_in_the_users_terms(
    spec: StreamSpec, feature: str, value: float, usual: float, text: str
) -> None:
    label = "travel" if feature == "merchant_category" else None
    assert Wording.of(spec).text(feature, value, usual, label=label, currency="EUR") == text


def test_a_category_without_its_text_is_missing_or_its_code(spec: StreamSpec) -> None:
    wording = Wording.of(spec)
    assert wording.text("merchant_category", 0, 99) == "merchant_category missing, usually another"
    assert wording.text("merchant_category", 1234, 99) == "merchant_category of code 1234, usually another"


@pytest.mark.parametrize(
    "label", ["4111 1111 1111 1111", "4111-1111-1111-1111", "customer 20260301", "ada@example.org", "x" * 65]
)
def test_a_category_that_looks_like_somebody_is_withheld(spec: StreamSpec, label: str) -> None:
    text = Wording.of(spec).text("merchant_category", 12, NAN, label=label)
    assert text == "merchant_category withheld: it looks like an identifier"


def test_every_feature_of_a_stream_has_words_of_its_own_whatever_its_value(spec: StreamSpec) -> None:
    names = (*raw_feature_names(spec), *feature_names(spec.windows, tuple(spec.entities)))
    wording = Wording.of(spec)
    for value in (0.0, 1.0, 1e30, -3.5, NAN, float("inf")):
        texts = [wording.text(name, value, usual, label="a") for name in names for usual in (2.0, NAN)]
        assert all(text and "nan" not in text and "inf" not in text for text in texts)
    assert len({wording.text(name, 5.0, NAN, label="a") for name in names}) == len(names)


def test_words_are_of_kinds_of_entities_never_of_one(spec: StreamSpec) -> None:
    """No text is made of anything but numbers, names of the spec and a category's own text."""
    wording = Wording.of(spec)
    allowed = {"customer", "terminal", "company"}
    for name, feature in wording.windows.items():
        words = wording.text(name, 5.0, 1.0).split()
        assert allowed & {word.strip(",").removesuffix("s") for word in words} >= {feature.entity}
        assert np.all([len(word) < 12 for word in words])

"""Reasons in the user's terms: "7 payments at this terminal in 24 h, usually 1". No ids, no card numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.codec import CALENDAR, categories, feature_of
from streams.features.columns import WindowFeature, described
from streams.spec import StreamSpec

LABEL_CHARACTERS_MAX = 64
# Eight digits or more, however they are spaced, or an address: a category should name a kind, not somebody.
_IDENTIFIER = re.compile(r"(?:\d[ -]?){8,}|@")
_WHERE = {
    "account": "from", "atm": "at", "card": "with", "cardholder": "by", "client": "by", "customer": "by",
    "device": "on", "ip": "from", "merchant": "at", "shop": "at", "store": "at", "terminal": "at", "user": "by",
}  # fmt: skip
_UNITS = {"s": "s", "m": "min", "h": "h", "d": "days"}
_YES_OR_NO = {"is_weekend": ("on a weekday", "on a weekend"), "is_night": ("by day", "at night")}


@dataclass(frozen=True, slots=True)
class Wording:
    """The names of one stream's features, and what they mean.

    Args:
        windows: the window features by name.
        fields: the user's own fields by the names of their features.
        categorical: those of them that name something.
        label_delay: how old what `delayed_count` and `fraud_share` look at is, at least.
    """

    windows: Mapping[str, WindowFeature]
    fields: Mapping[str, str]
    categorical: frozenset[str]
    label_delay: str

    @classmethod
    def of(cls, spec: StreamSpec) -> Wording:
        """Of a stream."""
        named = categories(spec)
        return cls(
            windows={feature.name: feature for feature in described(spec.windows, tuple(spec.entities))},
            fields={feature_of(field): field for field in (*spec.numeric, *named)},
            categorical=frozenset(map(feature_of, named)),
            label_delay=_span(spec.windows.label_delay),
        )

    def text(self, feature: str, value: float, usual: float, *, label: str | None = None, currency: str = "") -> str:
        """A feature's value in words, beside what is usual where that reads differently.

        Args:
            feature: its name.
            value: NaN or infinite where it is missing; a category's code.
            usual: in a typical genuine row; NaN where nobody knows.
            label: a category's own name, where it is at hand.
            currency: of the amount.
        """
        value, usual = (number if np.isfinite(number) else np.nan for number in (value, usual))
        if feature in self.fields:
            return self._field(feature, value, usual, label)
        if feature in self.windows:
            return self._window(self.windows[feature], value, usual)
        if feature == "amount":
            return _beside(f"amount {_money(value)}", currency, _money(value), _money(usual))
        if feature == CALENDAR[0]:
            return _beside(f"paid at {_clock(value)} UTC", "", _clock(value), _clock(usual))
        no, yes = _YES_OR_NO.get(feature, ("", ""))
        if not yes:
            return _beside(f"{feature} {_number(value)}", "", _number(value), _number(usual))
        said, as_usual = ("missing" if np.isnan(flag) else yes if flag else no for flag in (value, usual))
        return _beside(f"{said} (UTC)", "", said, as_usual)

    def _field(self, feature: str, value: float, usual: float, label: str | None) -> str:
        name = self.fields[feature]
        if feature not in self.categorical:
            return _beside(f"{name} {_number(value)}", "", _number(value), _number(usual))
        is_usual = np.isnan(usual) or value == usual
        return f"{name} {_named(value, label)}" + ("" if is_usual else ", usually another")

    def _window(self, of: WindowFeature, value: float, usual: float) -> str:
        who = f"{_WHERE.get(of.entity, 'for')} this {of.entity}"
        if of.aggregate == "since_last":
            if np.isnan(value):
                return f"no earlier payment {who} is known"
            return _beside(f"{_time(value)} after the last payment {who}", "", _time(value), _time(usual))
        if np.isnan(value):
            return f"{of.entity} missing"
        window = f"in {_span(of.window)}"
        delayed = f"in the {_span(of.window)} up to {self.label_delay} ago"
        said, as_usual = _number(value), _number(usual)
        if of.aggregate == "count":
            text = f"{said} {_plural('payment', value)} {who} {window}"
        elif of.aggregate == "delayed_count":
            text = f"{said} {_plural('payment', value)} {who} {delayed}"
        elif of.aggregate == "distinct":
            text = f"{said} different {_plural(of.counterpart, value)} {who} {window}"
        elif of.aggregate == "fraud_share":
            said, as_usual = _percent(value), _percent(usual)
            text = f"{said} of the payments {who} {delayed} were fraud"
        else:
            said, as_usual = _money(value), _money(usual)
            text = f"{said} {'on average' if of.aggregate == 'mean' else 'in all'} {who} {window}"
        return _beside(text, "", said, as_usual)


def _beside(text: str, unit: str, said: str, usual: str) -> str:
    """A text with its unit, and what is usual where it is known and reads differently."""
    whole = f"{text} {unit}" if unit else text
    return whole if usual in {"missing", said} else f"{whole}, usually {usual}"


def _named(code: float, label: str | None) -> str:
    if label is None:
        return "missing" if np.isnan(code) or code == 0 else f"of code {code:.0f}"
    if _IDENTIFIER.search(label) or len(label) > LABEL_CHARACTERS_MAX:
        return "withheld: it looks like an identifier"
    return f'"{label}"'


def _number(value: float) -> str:
    if np.isnan(value):
        return "missing"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.2g}"


def _money(value: float) -> str:
    return "missing" if np.isnan(value) else f"{value:,.2f}"


def _percent(share: float) -> str:
    if np.isnan(share):
        return "missing"
    return f"{100 * share:.0f}%" if share == 0 or share >= 0.1 else f"{100 * share:.2g}%"


def _clock(hour: float) -> str:
    if np.isnan(hour):
        return "missing"
    minutes = int(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _time(seconds: float) -> str:
    """The largest unit of which there are two."""
    if np.isnan(seconds):
        return "missing"
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _span(duration: str) -> str:
    """A window's length: one day is 24 h, as it doesn't begin at midnight."""
    number, unit = duration[:-1], duration[-1]
    return "24 h" if duration == "1d" else f"{number} {_UNITS[unit]}"


def _plural(noun: str, count: float) -> str:
    if count == 1:
        return noun
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"

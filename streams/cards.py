"""Card numbers: recognised by Luhn's test, refused or replaced by a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import re

# 13 to 19 digits, possibly in groups: what a card number looks like inside any text.
_LOOKS_LIKE_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_card_number(digits: str) -> bool:
    """Luhn's test on 13 to 19 digits."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    total = sum(_DOUBLED[int(d)] if i % 2 else int(d) for i, d in enumerate(reversed(digits)))
    return total % 10 == 0


def find_card_number(text: str) -> str | None:
    """The first card number within a text, as it stands there."""
    for match in _LOOKS_LIKE_CARD.finditer(text):
        if is_card_number(re.sub(r"[ -]", "", match[0])):
            return match[0]
    return None


def masked(text: str) -> str:
    """The text with every card number's digits but the last four replaced."""

    def hide(match: re.Match[str]) -> str:
        found = match[0]
        if not is_card_number(re.sub(r"[ -]", "", found)):
            return found
        return re.sub(r"\d", "*", found[:-4]) + found[-4:]

    return _LOOKS_LIKE_CARD.sub(hide, text)


def card_token(number: str, key: bytes) -> str:
    """HMAC-SHA-256 of a card number, hex: the same card, the same token, and no way back without the key."""
    return hmac.new(key, number.encode(), hashlib.sha256).hexdigest()

"""Durations as people write them: 90s, 15m, 36h, 7d."""

from streams.errors import StreamsError

UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class DurationError(StreamsError):
    """Text that is no duration."""


def parse_duration(text: str) -> int:
    """Milliseconds of a duration such as "7d".

    Raises:
        DurationError: no positive whole number with one of the units s, m, h, d.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS_MS or not number.isascii() or not number.isdigit() or int(number) == 0:
        raise DurationError(f"duration: found {text!r}, allowed: a whole number and s, m, h or d, such as 7d")
    return int(number) * UNITS_MS[unit]

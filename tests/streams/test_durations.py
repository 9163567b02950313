"""Durations as people write them."""

import pytest

from streams.durations import DurationError, parse_duration


@pytest.mark.parametrize(("text", "ms"), [("1s", 1_000), ("15m", 900_000), ("36h", 129_600_000), ("7d", 604_800_000)])
def test_a_duration_is_a_whole_number_and_a_unit(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "d", "7", "7w", "0d", "-1d", "1.5h", "1 d", "٣d"])
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(DurationError, match="allowed: a whole number and s, m, h or d"):
        parse_duration(text)

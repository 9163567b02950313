"""The same windows in plain Python, over what a rival's state holds: a list of payments per entity."""

from __future__ import annotations

from bisect import bisect_right
from zlib import crc32

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WINDOWS = {"1h": HOUR_MS, "1d": DAY_MS, "7d": 7 * DAY_MS}
DELAY_MS = 4 * DAY_MS
LONGEST_MS = 7 * DAY_MS + DELAY_MS

Payment = tuple[int, float, str]  # event time, amount, counterpart
CATEGORICAL = ("category", "channel", "country", "currency")


def of_row(row: dict) -> dict[str, float]:
    """What a record has by itself."""
    day, in_day = divmod(row["event_time"], DAY_MS)
    hour = in_day / HOUR_MS
    return {
        "amount": row["amount"],
        "hour": hour,
        "is_weekend": float((day + 3) % 7 >= 5),
        "is_night": float(int(hour) <= 6),
        **{name: float(crc32(str(row[name]).encode()) & 0xFFFFFF) for name in CATEGORICAL},
    }


def of_customer(past: list[Payment], now: int) -> dict[str, float]:
    """Of a customer's payments, the newest included."""
    found = {"customer_since_last": (now - past[-2][0]) / 1000 if len(past) > 1 else float("nan")}
    for name, payments in _inside(past, now, 0):
        found[f"customer_count_{name}"] = float(len(payments))
        found[f"customer_mean_{name}"] = sum(p[1] for p in payments) / max(len(payments), 1)
        found[f"customer_distinct_{name}"] = float(len({p[2] for p in payments}))
    return found


def of_terminal(past: list[Payment], now: int) -> dict[str, float]:
    """Of a terminal's payments; without labels, whose shares stay 0."""
    found: dict[str, float] = {}
    for name, payments in _inside(past, now, 0):
        found[f"terminal_count_{name}"] = float(len(payments))
        found[f"terminal_mean_{name}"] = sum(p[1] for p in payments) / max(len(payments), 1)
        found[f"terminal_distinct_{name}"] = float(len({p[2] for p in payments}))
    for name, payments in _inside(past, now, DELAY_MS):
        found[f"terminal_delayed_count_{name}"] = float(len(payments))
        found[f"terminal_fraud_share_{name}"] = 0.0
    return found


def kept(past: list[Payment], payment: Payment) -> list[Payment]:
    """A list with one more payment, without what no window sees any more."""
    past = [p for p in past if p[0] > payment[0] - LONGEST_MS]
    past.append(payment)
    return past


def _inside(past: list[Payment], now: int, delay: int) -> list[tuple[str, list[Payment]]]:
    times = [p[0] for p in past]
    end = bisect_right(times, now - delay)
    return [(name, past[bisect_right(times, now - delay - width) : end]) for name, width in WINDOWS.items()]

"""Small tables as they come from others: none is like the next."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from streams.cards import is_card_number

N = 2_000


def card(number: int) -> str:
    """A card number that Luhn's test passes."""
    return next(text for check in range(10) if is_card_number(text := f"4{number:014d}{check}"))


def shop() -> pa.Table:
    """Everything that a stream has, under names with spaces and dots, and a chargeback date that knows the label."""
    random = np.random.default_rng(1)
    fraud = random.random(N) < 0.05
    begin = dt.datetime(2024, 3, 1)
    hours = np.sort(random.uniform(0, 60 * 24, N))
    codes = random.integers(0, 9, N)
    return pa.table(
        {
            "order.id": [f"o-{i}" for i in range(N)],
            "created at": [(begin + dt.timedelta(hours=h)).isoformat(" ", "seconds") for h in hours],
            "customer ref": [f"c{k}" for k in random.integers(0, 300, N)],
            "Card Number": [card(k) for k in random.integers(0, 400, N)],
            "amount": np.round(random.lognormal(3, 1, N), 2),
            "basket.items": random.integers(1, 9, N),
            "mood": pa.nulls(N, pa.int64()),
            "channel": [("web", "app", None)[k % 3] for k in codes],
            "postcode": [f"0{k}123" for k in codes],
            "currency": ["EUR"] * N,
            "note": pa.nulls(N),
            "comment": [f"free text {i}" for i in range(N)],
            "chargeback date": [("2024-06-01" if f else None) for f in fraud],
            "is_fraud": ["yes" if f else "no" for f in fraud],
        }
    )


def mobile_money() -> pa.Table:
    """Hours as steps, no id, an account that nearly never comes again, a flag that is nobody's label."""
    random = np.random.default_rng(2)
    return pa.table(
        {
            "step": np.sort(random.integers(1, 744, N)),
            "type": [("PAYMENT", "TRANSFER", "CASH_OUT")[k] for k in random.integers(0, 3, N)],
            "amount": random.lognormal(8, 1, N),
            "nameOrig": [f"C{i}" for i in range(N)],
            "nameDest": [f"M{k}" for k in random.integers(0, 400, N)],
            "oldbalanceOrg": random.lognormal(9, 1, N),
            "isFraud": (random.random(N) < 0.1).astype(np.int8),
            "isFlaggedFraud": (random.random(N) < 0.01).astype(np.int8),
        }
    )


def connections() -> pa.Table:
    """No id, no time, no amount, no entity; the label names each attack; two columns are one."""
    random = np.random.default_rng(3)
    sent = random.integers(0, 5_000, N)
    return pa.table(
        {
            "protocol": pa.array([("tcp", "udp")[k] for k in random.integers(0, 2, N)]).dictionary_encode(),
            "bytes": sent,
            "bytes_copy": sent.astype(np.float64),
            "root": np.zeros(N, np.int64),
            "label": pa.array(
                [("normal.", "normal.", "smurf.", "neptune.")[k] for k in random.integers(0, 4, N)]
            ).dictionary_encode(),
        }
    )


def half_labelled() -> pa.Table:
    """A numbering of rows for a time, and 2 where nobody knows."""
    random = np.random.default_rng(4)
    return pa.table(
        {
            "Time": np.arange(N),
            "Source": [f"S{k}" for k in random.integers(0, 500, N)],
            "Target": [f"T{k}" for k in random.integers(0, 60, N)],
            "Amount": random.lognormal(3, 1, N),
            "Labels": random.integers(0, 3, N),
        }
    )


def ledger() -> pa.Table:
    """Dates as the British write them, amounts in cents, an id that repeats, labels that are missing."""
    random = np.random.default_rng(5)
    days = np.sort(random.integers(0, 90, N))
    begin = dt.date(2023, 1, 1)
    return pa.table(
        {
            "payment_id": [f"p{i // 2}" for i in range(N)],
            "booked_on_date": [(begin + dt.timedelta(days=int(d))).strftime("%d/%m/%Y") for d in days],
            "AMOUNT_CENTS": random.integers(1, 90_000, N),
            "account": pa.array(
                [None if i % 50 == 0 else k for i, k in enumerate(random.integers(0, 200, N).tolist())]
            ),
            "rating": [str(k) for k in random.integers(0, 100, N)],
            "fraud": [None if k == 0 else k == 1 for k in random.integers(0, 30, N).tolist()],
        }
    )


TABLES = {f.__name__: f for f in (shop, mobile_money, connections, half_labelled, ledger)}

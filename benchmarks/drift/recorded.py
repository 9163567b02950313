"""Recorded fraud streams of the data folder: UCSD-FICO, the handbook, synccfd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import handbook_data
from benchmarks.drift.history import History, with_windows
from benchmarks.handbook_data import DAY_MS
from streams.features.spec import WindowSpec

DELAY_DAYS = 7
FICO_WORDS = ("state", "zip3", "email_domain")
FICO_NUMBERS = (
    "amount", "hour", "field1", "field2", "flag1", "field3", "field4", "indicator1", "indicator2", "flag2", "flag3",
    "flag4", "flag5",
)  # fmt: skip
FICO_SPEC = WindowSpec(windows=("1d", "7d", "30d"), label_delay=f"{DELAY_DAYS}d")
HANDBOOK_DAYS = 125  # 90 of them are scored
FIRST_DAY = 35
SYNCCFD_START_MS = 1_735_689_600_000  # 2025-01-01


def ucsd_fico(folder: Path) -> History:
    """Real: the stream's own fields, ids only through exact windows."""
    table = pq.read_table(folder / "transactions.parquet")
    fraud = table["is_fraud"].to_numpy().astype(bool)
    event_time = pc.cast(table["event_time"], "int64").to_numpy()
    amount = table["amount"].to_numpy().astype(np.float64)
    ids = {name: table[name].to_numpy().astype(np.int64) for name in ("card", "email")}
    windows, values, entities = with_windows(FICO_SPEC, ids, event_time, amount, fraud, DELAY_DAYS)
    words = [table[name].combine_chunks().indices.fill_null(-1).to_numpy() + 1 for name in FICO_WORDS]
    numbers = [table[name].to_numpy() for name in FICO_NUMBERS]
    return History(
        name="UCSD-FICO",
        names=(*FICO_NUMBERS, *FICO_WORDS, *windows),
        categorical=FICO_WORDS,
        x=np.column_stack([*numbers, *words, values]).astype(np.float32),
        fraud=fraud,
        day=table["day"].to_numpy().astype(np.int64),
        event_time=event_time,
        amount=amount,
        entities=entities,
        delay_days=DELAY_DAYS,
        first_day=30,
        budget=50,
        window_days=90,
    )


def handbook(folder: Path, days: int = HANDBOOK_DAYS) -> History:
    """Simulated: the published protocol's inputs, over 125 of its 183 days unless more are wanted."""
    table = handbook_data.read(folder / "transactions.parquet", ties_as_published=False)
    n = int(np.searchsorted(table.day, days))
    event_time, amount, fraud = table.event_time[:n], table.amount[:n], table.fraud[:n]
    ids = {"customer": table.customer[:n], "terminal": table.terminal[:n]}
    windows, values, entities = with_windows(handbook_data.SPEC, ids, event_time, amount, fraud, DELAY_DAYS)
    weekend = (event_time // DAY_MS + 3) % 7 >= 5
    night = (event_time % DAY_MS) // 3_600_000 <= 6
    return History(
        name="handbook",
        names=("amount", "weekend", "night", *windows),
        categorical=(),
        x=np.column_stack([amount, weekend, night, values]).astype(np.float32),
        fraud=fraud,
        day=table.day[:n],
        event_time=event_time,
        amount=amount,
        entities=entities,
        delay_days=DELAY_DAYS,
        first_day=FIRST_DAY,
    )


def synccfd(folder: Path) -> History:
    """Simulated: windows, the kind of payment, and how far shipping, billing and terminal lie apart."""
    table = pq.read_table(folder / "transactions.parquet").sort_by([("TX_TIME_SECONDS", "ascending")])
    seconds = table["TX_TIME_SECONDS"].to_numpy().astype(np.int64)
    amount = table["AMOUNT_CENTS"].to_numpy() / 100
    fraud = table["TX_FRAUD"].to_numpy().astype(bool)
    ids = {
        "customer": table["CUSTOMER_ID"].to_numpy().astype(np.int64),
        "terminal": table["TERMINAL_ID"].to_numpy().astype(np.int64),
    }
    event_time = seconds * 1000 + SYNCCFD_START_MS
    windows, values, entities = with_windows(handbook_data.SPEC, ids, event_time, amount, fraud, DELAY_DAYS)
    ship = _places(table, "TX_SHIPP_LAT", "TX_SHIPP_LONG")
    bill = _at(_by_id(folder / "customers.parquet", "CUSTOMER_ID"), ids["customer"])
    term = _at(_by_id(folder / "terminals.parquet", "TERMINAL_ID"), ids["terminal"])
    online = np.array([kind == "CNP" for kind in table["TX_TYPE"].to_pylist()], np.float32)
    columns = {
        "amount": amount,
        "online": online,
        "hour": seconds % 86_400 / 3600,
        "weekday": (seconds // 86_400 + 2) % 7,
        "ship_to_bill": _apart(ship, bill),
        "terminal_to_bill": _apart(term, bill),
    }
    return History(
        name="synccfd",
        names=(*columns, *windows),
        categorical=(),
        x=np.column_stack([*columns.values(), values]).astype(np.float32),
        fraud=fraud,
        day=seconds // 86_400,
        event_time=event_time,
        amount=amount,
        entities=entities,
        delay_days=DELAY_DAYS,
        first_day=FIRST_DAY,
    )


def _by_id(path: Path, key: str) -> np.ndarray:
    """Latitude and longitude by id, float64[ids, 2]."""
    table = pq.read_table(path)
    ids = table[key].to_numpy()
    out = np.full((int(ids.max()) + 1, 2), np.nan)
    for j, column in enumerate(name for name in table.column_names if name != key):
        out[ids, j] = table[column].to_numpy()
    return out


def _at(places: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return places[np.minimum(ids, len(places) - 1)]


def _places(table: pa.Table, latitude: str, longitude: str) -> np.ndarray:
    return np.column_stack([table[c].to_numpy(zero_copy_only=False) for c in (latitude, longitude)])


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees as the crow flies, near enough for a tree."""
    return np.hypot(a[:, 0] - b[:, 0], a[:, 1] - b[:, 1])

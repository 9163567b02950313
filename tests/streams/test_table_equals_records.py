"""A table through its reader and the same rows as records through the codec: the same bits."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.codec import TransactionCodec, raw_features
from streams.history import History
from streams.kafka.source import Record
from streams.spec import StreamSpec, parse_spec
from streams.tables import history_of, read_history

NOW = 1_700_000_000_000
TEXT = """
tx_id = "the id"
event_time = "at.ms"
amount = "cents"
amount_divisor = 100
amount_max = 1e6
categorical = ["country", "hour", "is new"]
numeric = ["age", "ratio"]
card_numbers = ["pan"]
hmac_key_file = "KEY"
[entities]
customer = "who"
card = "pan"
[table]
label = "truth"
"""
SCHEMA = pa.schema(
    {
        "the id": pa.string(), "at.ms": pa.int64(), "cents": pa.int64(), "country": pa.string(), "hour": pa.int32(),
        "is new": pa.bool_(), "age": pa.int16(), "ratio": pa.float64(), "who": pa.int64(), "pan": pa.string(),
        "truth": pa.int8(),
    }
)  # fmt: skip
CARDS = st.sampled_from(["4111111111111111", "5555 5555 5555 4444", "4111-1111-1111-1112"])
ROW = st.fixed_dictionaries(
    {
        "at.ms": st.integers(-5, NOW),
        "cents": st.integers(-2, 10**9) | st.none(),
        "country": st.none() | st.text('aZé0" ', max_size=3) | CARDS | st.just("NA"),
        "hour": st.none() | st.integers(-9, 99),
        "is new": st.none() | st.booleans(),
        "age": st.none() | st.integers(-9, 999),
        "ratio": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "who": st.none() | st.integers(0, 9) | st.just(4111111111111111),
        "pan": st.none() | CARDS,
        "truth": st.sampled_from([0, 1, None]),
    }
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> StreamSpec:
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text("secret")
    return parse_spec(TEXT.replace("KEY", str(key)), "stream.toml")


def records(rows: list[dict[str, Any]]) -> list[Record]:
    visible = [{k: v for k, v in row.items() if k != "truth"} for row in rows]
    return [Record("t", 0, i, NOW, b"", msgspec.json.encode(row)) for i, row in enumerate(visible)]


def assert_same(history: History, rows: list[dict[str, Any]], spec: StreamSpec) -> None:
    decoded, dead = TransactionCodec(spec, spec.hmac_key()).decode(records(rows))
    decoded = decoded.take(np.argsort(decoded.event_time, kind="stable"))
    assert history.tx_id == decoded.tx_id
    assert sum(history.refused.values()) == len(dead)
    for name in ("tx_hash", "event_time", "amount", "entities"):
        np.testing.assert_array_equal(getattr(history, name), getattr(decoded, name))
    np.testing.assert_array_equal(history.raw.view(np.int32), raw_features(decoded, spec).view(np.int32))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine
@given(rows=st.lists(ROW, max_size=30))
def test_a_table_is_read_as_its_rows_would_be(rows: list[dict[str, Any]], spec: StreamSpec) -> None:
    named = [{"the id": f"t{i}", **row} for i, row in enumerate(rows)]
    assert_same(history_of(pa.Table.from_pylist(named, SCHEMA), spec), named, spec)


def test_a_file_of_many_batches_is_read_as_its_rows_would_be(spec: StreamSpec, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    n = 20_000
    drawn = (
        random.integers(1, NOW, n), random.integers(0, 10**7, n), random.normal(size=n), random.integers(0, 10**6, n),
    )  # fmt: skip
    rows = [
        {
            "the id": f"t{i}", "at.ms": t, "cents": c, "country": ("DE", "", "NA", None)[k % 4],
            "hour": k % 24, "is new": None, "age": None if k % 7 == 0 else k % 90, "ratio": r, "who": k % 50,
            "pan": None, "truth": None,
        }
        for i, (t, c, r, k) in enumerate(zip(*(column.tolist() for column in drawn), strict=True))
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / "table.parquet", row_group_size=9_000)
    assert_same(read_history(tmp_path / "table.parquet", spec), rows, spec)
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, SCHEMA.names, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    empty_is_missing = [{**row, "country": row["country"] or None, "hour": str(row["hour"])} for row in rows]
    assert_same(read_history(tmp_path / "table.csv", spec), empty_is_missing, spec)

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from streams.codec import TransactionCodec, raw_features
from streams.history import HistoryError
from streams.kafka.source import Record
from streams.messages import transaction_messages
from streams.spec import parse_spec
from streams.synthetic import Simulator, demo_scenario
from streams.synthetic.tables import TRUTH
from streams.tables import history_of, read_history

SPEC = parse_spec(
    """
tx_id = "tx_id"
event_time = "event_time"
amount = "amount"
currency = "currency"
categorical = ["category", "channel", "country"]
[entities]
customer = "customer_id"
terminal = "terminal_id"
""",
    "spec",
)
TABLE = pa.Table.from_batches([Simulator(demo_scenario().scaled(300), seed=1).day(0).transactions])


def test_a_table_has_the_columns_that_its_records_would_have() -> None:
    history = history_of(TABLE, SPEC, "is_fraud")
    messages = transaction_messages(TABLE, time="event_time", key="customer_id", hidden=TRUTH)
    now = time.time_ns() // 1_000_000
    records = [Record("t", 0, i, now, k, v) for i, (k, v) in enumerate(zip(messages.key, messages.value, strict=True))]
    decoded, dead = TransactionCodec(SPEC, None).decode(records)
    assert not dead
    assert history.tx_id == decoded.tx_id
    for name in ("tx_hash", "event_time", "amount", "entities"):
        np.testing.assert_array_equal(getattr(history, name), getattr(decoded, name))
    np.testing.assert_array_equal(history.raw, raw_features(decoded, SPEC))
    np.testing.assert_array_equal(history.label == 1, TABLE["is_fraud"].to_numpy())


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_the_same_from_either_kind_of_file_and_in_any_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    shuffled = TABLE.take(pa.array(np.random.default_rng(0).permutation(len(TABLE))))
    (pa_csv.write_csv if suffix == ".csv" else pq.write_table)(shuffled, path)
    found, wanted = read_history(path, SPEC), history_of(TABLE, SPEC, "is_fraud")
    order, expected = np.lexsort((found.tx_hash, found.event_time)), np.lexsort((wanted.tx_hash, wanted.event_time))
    for name in ("tx_hash", "event_time", "amount", "entities", "raw", "label", "label_time"):
        np.testing.assert_array_equal(getattr(found, name)[order], getattr(wanted, name)[expected])


def test_rows_that_cannot_be_read_are_counted_by_reason() -> None:
    table = TABLE.slice(0, 5)
    amounts = [1.0, -2.0, None, 3.0, 4.0]
    customers = ["a", "b", "c", None, "e"]
    table = table.set_column(table.column_names.index("amount"), "amount", pa.array(amounts))
    table = table.set_column(table.column_names.index("customer_id"), "customer_id", pa.array(customers))
    history = history_of(table, SPEC, "is_fraud")
    assert len(history) == 2
    assert history.refused == {"amount_negative": 1, "not_finite": 1, "entity_missing": 1}


def test_a_label_that_is_neither_is_never_known() -> None:
    table = TABLE.slice(0, 4).append_column("truth", pa.array([0, 1, 2, None]))
    assert history_of(table, SPEC, "truth").label.tolist() == [0, 1, -1, -1]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(HistoryError, match="no column is_fraud"):
        history_of(TABLE.drop_columns(["is_fraud"]), SPEC, "is_fraud")

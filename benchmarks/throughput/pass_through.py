"""The bare loop: consume, decode JSON, encode a decision of the usual size, produce, all in Kafka transactions.

No features, no scores, no journal, and nothing between it and the client: what is left is what Kafka and JSON cost.
"""

from __future__ import annotations

import time
from itertools import cycle

import msgspec
from confluent_kafka import TopicPartition

from benchmarks.throughput.job import Job, Meter, given, hand_back
from streams.decisions import Decision
from streams.kafka.confluent import ConfluentSource, ConfluentTransactionalSink
from streams.kafka.settings import KafkaSettings

PRODUCERS = 3  # in turn, as a lane's
AGENTS = {f"{name}-0123456789abcdef": 0.0012345678 for name in ("first", "second", "third")}


class Wire(msgspec.Struct, gc=False):
    """What a decision names of a transaction."""

    tx_id: str
    customer_id: str
    event_time: int
    amount: float


def main(job: Job) -> None:
    settings = KafkaSettings(bootstrap_servers=job.bootstrap_servers)
    sinks = [ConfluentTransactionalSink(settings, f"{job.group}-{i}", 30.0) for i in range(PRODUCERS)]
    source = ConfluentSource(settings, job.group)
    source.assign({(job.transactions_topic, p): 0 for p in source.partitions(job.transactions_topic)})
    consumer, producers = source.consumer, cycle([sink.producer for sink in sinks])
    decoder, encoder = msgspec.json.Decoder(Wire), msgspec.json.Encoder()
    meter, done = Meter(job), 0
    while done < job.transactions:
        offsets: dict[int, int] = {}
        producer, now = next(producers), time.time_ns() // 1_000_000
        messages = [m for m in consumer.consume(min(job.batch, job.transactions - done), 0.1) if m.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        for message in messages:
            row = decoder.decode(message.value())
            decision = Decision(
                tx_id=row.tx_id,
                score=0.0012345678,
                action="approve",
                reasons=[],
                epoch=1,
                agents=AGENTS,
                propensity=1.0,
                event_time=row.event_time,
                decided_at=now,
                degraded=False,
            )
            producer.produce(job.decisions_topic, encoder.encode(decision), message.key())
            offsets[message.partition()] = message.offset() + 1
        places = [TopicPartition(job.transactions_topic, p, offset) for p, offset in offsets.items()]
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30.0)
        producer.commit_transaction(30.0)
        done += len(messages)
        meter.saw(done)
    hand_back(job, meter.stop(done))
    source.close()


if __name__ == "__main__":
    main(given())

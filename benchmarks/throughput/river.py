"""kafka-python with River's adaptive random forest: windows in dictionaries, a row at a time, Kafka transactions.

The forest has learnt from history before the clock starts, and only predicts from there on.
"""

from __future__ import annotations

import json
import time

import numpy as np
from river import forest

from benchmarks.throughput.job import Job, Meter, given, hand_back
from benchmarks.throughput.windows import Payment, kept, of_customer, of_row, of_terminal
from streams.kafka.python import PythonSource, PythonTransactionalSink
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import Message


def main(job: Job) -> None:
    settings = KafkaSettings(bootstrap_servers=job.bootstrap_servers)
    model = _learned(job)
    sink = PythonTransactionalSink(settings, job.group, 30.0)
    source = PythonSource(settings, job.group)
    source.assign({(job.transactions_topic, p): 0 for p in source.partitions(job.transactions_topic)})
    customers: dict[str, list[Payment]] = {}
    terminals: dict[str, list[Payment]] = {}
    meter, done = Meter(job), 0
    while done < job.transactions:
        records = source.consume(min(job.batch, job.transactions - done), 1.0)
        messages = []
        for record in records:
            row = json.loads(record.value or b"")
            now, customer, terminal = row["event_time"], row["customer_id"], row["terminal_id"]
            customers[customer] = kept(customers.get(customer, []), (now, row["amount"], terminal))
            terminals[terminal] = kept(terminals.get(terminal, []), (now, row["amount"], customer))
            features = of_row(row) | of_customer(customers[customer], now) | of_terminal(terminals[terminal], now)
            score = model.predict_proba_one({name: features[name] for name in job.columns}).get(True, 0.0)
            decision = {
                "tx_id": row["tx_id"],
                "score": score,
                "action": "review" if score > 0.5 else "approve",
                "event_time": now,
                "decided_at": time.time_ns() // 1_000_000,
            }
            messages.append(Message(job.decisions_topic, record.key, json.dumps(decision).encode()))
        if records:
            offsets = {(record.topic, record.partition): record.offset + 1 for record in records}
            sink.commit(messages, offsets, source)
            done += len(records)
            meter.saw(done)
    hand_back(job, meter.stop(done))


def _learned(job: Job) -> forest.ARFClassifier:
    history = np.load(job.model)
    model = forest.ARFClassifier(n_models=10, seed=0)
    for row, fraud in zip(history["x"].tolist(), history["fraud"].tolist(), strict=True):
        model.learn_one(dict(zip(job.columns, row, strict=True)), fraud)
    return model


if __name__ == "__main__":
    main(given())

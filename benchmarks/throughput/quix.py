"""Quix Streams: a record at a time, windows in its RocksDB state, LightGBM, exactly once.

The terminal's state is another key's, so records are grouped by it in between, as the library's documentation has it.
It runs in a Python of its own, since it wants an older confluent-kafka than ours: see `requirements-quix.txt`.
"""

from __future__ import annotations

import math
import time

import lightgbm
import numpy as np
from quixstreams import Application

from benchmarks.throughput.job import Job, Meter, given, hand_back
from benchmarks.throughput.windows import kept, of_customer, of_row, of_terminal


def main(job: Job) -> None:
    model = lightgbm.Booster(model_file=job.model)
    meter, counted = Meter(job), [0]
    app = Application(
        broker_address=job.bootstrap_servers,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_every=job.batch,
        state_dir=f"{job.folder}/state",
        loglevel="ERROR",
    )

    def customer(row: dict, state) -> dict:
        now = row["event_time"]
        past = kept(state.get("past", []), (now, row["amount"], row["terminal_id"]))
        state.set("past", past)
        return {**row, "features": {**of_row(row), **of_customer(past, now)}}

    def terminal(row: dict, state) -> dict:
        now = row["event_time"]
        past = kept(state.get("past", []), (now, row["amount"], row["customer_id"]))
        state.set("past", past)
        features = row["features"] | of_terminal(past, now)
        x = np.array([[features[name] for name in job.columns]])
        score = float(model.predict(x, num_threads=1)[0])
        return {
            "tx_id": row["tx_id"],
            "score": score,
            "action": "review" if score > 0.5 else "approve",
            "event_time": now,
            "decided_at": time.time_ns() // 1_000_000,
        }

    def count(_: dict) -> None:
        counted[0] += 1
        meter.saw(counted[0])
        if counted[0] == job.transactions:
            hand_back(job, meter.stop(counted[0]))
            app.stop()

    rows = app.dataframe(app.topic(job.transactions_topic, value_deserializer="json", key_deserializer="bytes"))
    rows = rows.apply(customer, stateful=True)
    rows = rows.apply(_without_nan)
    decisions = rows.group_by("terminal_id").apply(_with_nan).apply(terminal, stateful=True)
    decisions.to_topic(app.topic(job.decisions_topic, value_serializer="json")).update(count)
    app.run()


def _without_nan(row: dict) -> dict:
    """JSON between the two has no number for a missing one."""
    return {**row, "features": {k: None if math.isnan(v) else v for k, v in row["features"].items()}}


def _with_nan(row: dict) -> dict:
    return {**row, "features": {k: math.nan if v is None else v for k, v in row["features"].items()}}


if __name__ == "__main__":
    main(given())

"""Bad records among good ones: each bad one is a dead letter with its reason, each good one is decided once."""

from __future__ import annotations

import base64
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from rlfa.cluster import start_service
from rlfa.lineup.slots import Day
from rlfa.outcomes import log
from streams.kafka.embedded import EmbeddedBroker
from tests.end_to_end.services import HISTORY_DAYS, bench, wait_until

DAY_MS = 86_400_000


@pytest.mark.usefixtures("local_ray")
def test_bad_records_never_stop_the_stream_and_never_vanish(noida: EmbeddedBroker, tmp_path: Path) -> None:
    ready = bench(tmp_path, noida.bootstrap_servers, "bad")
    topics = ready.service.settings.topics
    start = ready.simulator.scenario.start_ms + HISTORY_DAYS * DAY_MS
    good = {
        "tx_id": "good-1", "event_time": start, "customer_id": "c1", "terminal_id": "m1", "amount": 10.0,
        "currency": "EUR", "category": "grocery", "channel": "pos", "country": "DE",
    }  # fmt: skip

    def tx(**fields: object) -> bytes:
        return msgspec.json.encode({**good, **fields})

    wanted = {
        "not_json": b"{nope",
        "wrong_type": tx(tx_id="b2", amount="ten"),
        "not_finite": tx(tx_id="b3").replace(b"10.0", b"NaN"),
        "amount_negative": tx(tx_id="b4", amount=-1),
        "amount_too_large": tx(tx_id="b5", amount=1e15),
        "id_missing": tx(tx_id=""),
        "event_time_in_future": tx(tx_id="b6", event_time=int(time.time() * 1000) + 30 * DAY_MS),
        "event_time_too_far_ahead": tx(tx_id="b7", event_time=start + 40 * DAY_MS),
        "event_time_too_old": tx(tx_id="b8", event_time=start - 10 * DAY_MS),
        "duplicate_id": tx(amount=11.0),
        "card_number": tx(tx_id="b9", country="4111111111111111"),
        "record_too_large": tx(tx_id="b10", note="x" * 1_000_000),
    }
    ready.send(topics.transactions, b"c1", tx())
    for value in wanted.values():
        ready.send(topics.transactions, b"c1", value)
    ready.send(topics.transactions, b"c1", tx(tx_id="good-2", category="never seen before"))
    ready.send(topics.labels, b"c1", b"{}")
    unknown = {"tx_id": "nobody", "is_fraud": True, "event_time": start, "source": "chargeback"}
    ready.send(topics.labels, b"c1", msgspec.json.encode(unknown))
    running = start_service(ready.service)
    try:
        published = 2 + ready.publish(HISTORY_DAYS, HISTORY_DAYS + 3)
        counts = ready.wait_for(published, running)
        wait_until(lambda: len(ready.dead()) >= len(wanted) + 2, running)
        ready.send(topics.transactions, b"c1", tx(tx_id="good-3", event_time=start + 3 * DAY_MS))
        counts = ready.wait_for(published + 1, running)
    finally:
        running.stop()
    assert set(counts.values()) == {1}
    assert {"good-1", "good-2", "good-3"} <= set(counts)
    reasons = Counter(str(letter["reason"]) for letter in ready.dead())
    assert reasons == Counter([*wanted, "wrong_type", "unknown_transaction"])
    originals = {str(d["reason"]): base64.b64decode(str(d["value"])) for d in ready.dead() if d["offset"] != 0}
    assert originals["not_json"] == b"{nope"
    assert b"4111111111111111" not in originals["card_number"]


@pytest.mark.usefixtures("local_ray")
def test_labels_reach_the_outcome_log_after_their_delay(noida: EmbeddedBroker, tmp_path: Path) -> None:
    ready = bench(tmp_path, noida.bootstrap_servers, "labels")
    running = start_service(ready.service)
    try:
        published = ready.publish(HISTORY_DAYS, HISTORY_DAYS + 7)
        ready.wait_for(published, running)
        first = ready.simulator.scenario.start_ms // DAY_MS + HISTORY_DAYS
        wait_until(lambda: (s := running.manager_status()) is not None and s.day >= first + 1, running)
    finally:
        running.stop()
    cohort = log.load_cohort(log.path_of(ready.service.outcomes, Day(first)))
    truth = ready.simulator.day(HISTORY_DAYS)
    assert len(cohort) == truth.transactions.num_rows
    assert cohort.fraud.sum() > 0
    assert cohort.fraud.sum() <= sum(truth.transactions.column("is_fraud").to_pylist())
    assert len(cohort.logits) == 3

"""Several lanes that share terminals: one decision each, and the windows of one place, whatever is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import ray
from msgspec.structs import replace
from numpy.typing import NDArray

from rlfa.cluster import RunningService, start_service
from rlfa.config import Service
from rlfa.lanes.intake import intake_of
from rlfa.lanes.session import awaiting
from rlfa.shards.shard import Shard
from rlfa.shards.split import lane_state, shard_of, shard_state
from streams.features.snapshot import load_snapshot
from streams.features.windows import FeatureState
from streams.kafka.embedded import EmbeddedBroker
from streams.synthetic.messages import chunks
from tests.end_to_end.services import HISTORY_DAYS, Bench, bench, wait_until
from tests.rlfa.lanes.builders import records_of

DAYS = 4


@pytest.mark.usefixtures("local_ray")
def test_lanes_and_a_shard_killed_in_the_middle_leave_the_windows_of_one_place(
    noida: EmbeddedBroker, tmp_path: Path
) -> None:
    ready = bench(tmp_path, noida.bootstrap_servers, "shards", partitions=3, lanes="count = 2\nshards = 2\n")
    running = start_service(ready.service)
    try:
        published = ready.publish(HISTORY_DAYS, HISTORY_DAYS + 2)
        wait_until(lambda: sum(ready.decided().values()) > published // 2, running)
        kill(running.shards[0])
        published += ready.publish(HISTORY_DAYS + 2, HISTORY_DAYS + 3)
        wait_until(lambda: sum(ready.decided().values()) > published * 3 // 4, running)
        kill(running.lanes[1])
        once_each(ready, published, running)
    finally:
        running.stop()
    again = start_service(in_order(ready.service))
    try:
        published += ready.publish(HISTORY_DAYS + 3, HISTORY_DAYS + DAYS)
        once_each(ready, published, again)
    finally:
        again.stop()
    assert_same_windows(ready)


def in_order(service: Service) -> Service:
    lanes = replace(service.settings.lanes, in_order=True)
    return replace(service, settings=replace(service.settings, lanes=lanes))


def once_each(ready: Bench, published: int, running: RunningService) -> None:
    counts = ready.wait_for(published, running)
    assert (len(counts), set(counts.values())) == (published, {1})


def kill(actor: object) -> None:
    """End an actor's process as a power cut would."""
    os.kill(ray.get(actor.pid.remote()), signal.SIGKILL)  # type: ignore[attr-defined]


def assert_same_windows(ready: Bench) -> None:
    """What lanes and shards have kept, against the whole stream taken in by one state."""
    service = ready.service
    one = intake_of(service)
    hashes, keys = [], []
    for number, chunk in enumerate(chunks(ready.simulator, 0, HISTORY_DAYS + DAYS)):
        absorbed = one.absorb(records_of("transactions", chunk.transactions, number * 1_000_000), [])
        hashes.append(absorbed.transactions.tx_hash)
        keys.append(absorbed.transactions.entities)
    tx_hash, terminal = np.concatenate(hashes), np.concatenate(keys)[:, 1:]
    owner = shard_of(terminal, service.settings.lanes.shards)[:, 0]
    names = [i for i, name in enumerate(one.state.names) if "fraud" not in name]  # labels come when they come
    width = len(lane_state(service.spec).names)
    expected = one.state.read(tx_hash)
    for number in range(service.settings.lanes.shards):
        shard = Shard(shard_state(service.spec))
        load_snapshot(service.shard_snapshot(number), shard.state)
        mine = owner == number
        assert mine.sum() > 100
        shown = [i for i in names if i >= width]
        found = shard.state.read(tx_hash[mine])[:, [i - width for i in shown]]
        np.testing.assert_array_equal(found, expected[mine][:, shown])
    for lane in range(service.settings.lanes.count):
        assert_own_windows(awaiting(service.snapshot(lane)), lane_state(service.spec), tx_hash, expected, names)


def assert_own_windows(
    path: Path, state: FeatureState, tx_hash: NDArray[np.uint64], expected: NDArray[np.float64], names: list[int]
) -> None:
    """Each transaction that a lane holds has its customer's windows; a customer's whole stream is in one lane."""
    load_snapshot(path, state)
    shown = [i for i in names if i < len(state.names)]
    found = state.read(tx_hash)[:, shown]
    newest = ~np.isnan(found).all(axis=1)
    newest[: len(newest) * 3 // 4] = False  # history is in every lane
    assert newest.sum() > 50
    np.testing.assert_array_equal(found[newest], expected[newest][:, shown])

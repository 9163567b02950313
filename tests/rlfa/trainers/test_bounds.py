"""The memory of a training is bounded, and its end breaks nothing else."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import ray
from msgspec.structs import replace

from rlfa.free_agency.events import TrainingGivenUp
from rlfa.free_agency.state import Candidate
from rlfa.trainers.actor import collect, submit
from rlfa.trainers.bounds import memory_bound
from tests.rlfa.free_agency.builders import rules
from tests.rlfa.free_agency.service import Service as Life
from tests.rlfa.trainers.history import incumbent, live, order, service

MIB = 2**20


def test_process_that_takes_more_than_its_bound_is_noticed() -> None:
    over = threading.Event()
    with memory_bound(32, over.set):
        taken = np.ones(200 * MIB, np.uint8)
        assert over.wait(60.0)
        assert taken.size == 200 * MIB


def test_process_within_its_bound_is_left_alone_and_the_watch_ends_with_its_block() -> None:
    over = threading.Event()
    before = threading.active_count()
    with memory_bound(1024, over.set):
        taken = np.ones(8 * MIB, np.uint8)
    assert threading.active_count() == before
    assert taken.size == 8 * MIB
    assert not over.is_set()


@ray.remote(max_retries=0)
def dies() -> None:
    os._exit(1)


def test_training_over_its_bound_is_a_failed_one_and_everybody_else_goes_on(tmp_path: Path, local_ray: None) -> None:
    here = service(tmp_path, "memory_max_mib = 384\nniceness = 0")
    live(here.outcomes, range(100, 104))
    fits = order(here, incumbent(here, range(100, 102)), range(100, 104))
    live(
        here.outcomes, range(104, 106), rows=50_000, features=300
    )  # 120 MB to train on, and several times that on the way
    live(here.outcomes, range(106, 108), features=300)
    giant = replace(fits, request="main/9/1", days=tuple(range(104, 108)))
    started = [submit(here, giant), submit(here, fits)]
    failed, delivered = (collect(s, here, o) for s, o in zip(started, (giant, fits), strict=True))
    assert (failed.candidate.request, failed.candidate.agent, failed.ref) == ("main/9/1", "", None)
    assert failed.candidate.error == "found a need for more than 384 MiB, allowed: trainers.memory_max_mib"
    assert delivered.candidate.error == ""
    assert delivered.seconds > 0.0


def test_trainer_whose_process_dies_is_a_failed_training(tmp_path: Path, local_ray: None) -> None:
    here = service(tmp_path)
    live(here.outcomes, range(100, 102))
    wanted = order(here, incumbent(here, range(100, 102)), range(100, 104))
    found = collect(dies.remote(), here, wanted)
    assert (found.candidate.request, found.ref) == (wanted.request, None)
    assert found.candidate.error == "the trainer's process died: WorkerCrashedError"


def test_failed_training_is_in_the_ledger_with_its_reason_and_the_slot_scouts_again() -> None:
    life = Life(rules(), {"a": 4.0})
    life.scout_early = {"s0"}
    life.live()
    error = "found a need for more than 512 MiB, allowed: trainers.memory_max_mib"
    life.candidates = [Candidate(slot=c.slot, family=c.family, request=c.request, error=error) for c in life.candidates]
    life.live()
    assert {e.reason for e in life.of(TrainingGivenUp)} == {
        f"training of {family} failed: {error}" for family in ("moe", "wide")
    }
    assert life.state.requests == ()

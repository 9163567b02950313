"""Ray: one training or lesson as a task off the hot path, in a process of its own with bounded cores and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa
import ray
from ray.exceptions import RayError, RayTaskError

from rlfa.config import Service
from rlfa.trainers.bounds import MIB, memory_bound
from rlfa.trainers.lessons import Lesson, Taught, failed, teach
from rlfa.trainers.orders import Delivery, Order, failure, fulfil

Came = TypeVar("Came", Delivery, Taught)


@ray.remote(max_retries=0, max_calls=1)
def train_candidate(service: Service, order: Order) -> Delivery:
    """See `fulfil`; behind everything that decides, and within its memory."""
    return _bounded(service, order.request, lambda: fulfil(service, order))


@ray.remote(max_retries=0, max_calls=1)
def teach_agent(service: Service, lesson: Lesson) -> Taught:
    """See `teach`; likewise."""
    return _bounded(service, lesson.agent, lambda: teach(service, lesson))


def submit(service: Service, order: Order) -> ray.ObjectRef[Delivery]:
    """Start a training where Ray has its cores and its memory free."""
    reference: ray.ObjectRef[Delivery] = train_candidate.options(**_needs(service)).remote(service, order)
    return reference


def submit_lesson(service: Service, lesson: Lesson) -> ray.ObjectRef[Taught]:
    """Start a lesson, likewise."""
    reference: ray.ObjectRef[Taught] = teach_agent.options(**_needs(service)).remote(service, lesson)
    return reference


def collect(reference: ray.ObjectRef[Delivery], service: Service, order: Order) -> Delivery:
    """What came of a training; whatever became of its process, it is at worst a failed training."""
    return _outcome(reference, service, order.request, lambda error: failure(order, error))


def collect_lesson(reference: ray.ObjectRef[Taught], service: Service, lesson: Lesson) -> Taught:
    """What came of a lesson, likewise."""
    return _outcome(reference, service, lesson.agent, lambda error: failed(lesson, error))


def _needs(service: Service) -> dict[str, int]:
    """What one takes of a Ray cluster."""
    trainers = service.settings.trainers
    return {"num_cpus": trainers.threads, "memory": trainers.memory_max_mib * MIB}


def _bounded(service: Service, name: str, work: Callable[[], Came]) -> Came:
    began = time.monotonic()
    os.nice(service.settings.trainers.niceness)
    pa.set_cpu_count(service.settings.trainers.threads)  # torch and LightGBM are told with the training
    marker = _marker(service, name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)

    def end() -> None:
        marker.touch()
        os._exit(1)

    with memory_bound(service.settings.trainers.memory_max_mib, end):
        came = work()
    return msgspec.structs.replace(came, seconds=time.monotonic() - began)


def _outcome(reference: ray.ObjectRef[Came], service: Service, name: str, failure_of: Callable[[str], Came]) -> Came:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        return failure_of(str(error.cause))
    except RayError as error:
        marker = _marker(service, name)
        if not marker.exists():
            return failure_of(f"the trainer's process died: {type(error).__name__}")
        marker.unlink()
        most = service.settings.trainers.memory_max_mib
        return failure_of(f"found a need for more than {most} MiB, allowed: trainers.memory_max_mib")


def _marker(service: Service, name: str) -> Path:
    """A file that a training or a lesson leaves when it is ended for its memory."""
    return service.state / "trainings" / f"{name.replace('/', '-')}.over"

"""Ray: one training as a task off the hot path, in a process of its own with bounded cores and memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pyarrow as pa
import ray
from ray.exceptions import RayError, RayTaskError

from rlfa.config import Service
from rlfa.trainers.bounds import MIB, memory_bound
from rlfa.trainers.orders import Delivery, Order, failure, fulfil


@ray.remote(max_retries=0, max_calls=1)
def train_candidate(service: Service, order: Order) -> Delivery:
    """See `fulfil`; behind everything that decides, and within its memory."""
    began = time.monotonic()
    os.nice(service.settings.trainers.niceness)
    pa.set_cpu_count(service.settings.trainers.threads)  # torch and LightGBM are told with the training
    marker = _marker(service, order)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)

    def end() -> None:
        marker.touch()
        os._exit(1)

    with memory_bound(service.settings.trainers.memory_max_mib, end):
        delivery = fulfil(service, order)
    return msgspec.structs.replace(delivery, seconds=time.monotonic() - began)


def submit(service: Service, order: Order) -> ray.ObjectRef[Delivery]:
    """Start a training where Ray has its cores and its memory free."""
    trainers = service.settings.trainers
    task = train_candidate.options(num_cpus=trainers.threads, memory=trainers.memory_max_mib * MIB)
    reference: ray.ObjectRef[Delivery] = task.remote(service, order)
    return reference


def collect(reference: ray.ObjectRef[Delivery], service: Service, order: Order) -> Delivery:
    """What came of a training; whatever became of its process, it is at worst a failed training."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        return failure(order, str(error.cause))
    except RayError as error:
        marker = _marker(service, order)
        if not marker.exists():
            return failure(order, f"the trainer's process died: {type(error).__name__}")
        marker.unlink()
        most = service.settings.trainers.memory_max_mib
        return failure(order, f"found a need for more than {most} MiB, allowed: trainers.memory_max_mib")


def _marker(service: Service, order: Order) -> Path:
    """A file that a training leaves when it is ended for its memory."""
    return service.state / "trainings" / f"{order.request.replace('/', '-')}.over"

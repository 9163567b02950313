"""Ray: one training as a task off the hot path."""

from __future__ import annotations

import os

import ray

from rlfa.config import Service
from rlfa.trainers.orders import Delivery, Order, fulfil


@ray.remote(num_cpus=1, max_retries=0, max_calls=1)
def train_candidate(service: Service, order: Order) -> Delivery:
    """See `fulfil`; behind everything that decides."""
    os.nice(service.settings.trainers.niceness)
    return fulfil(service, order)

"""A training from order to delivery: what to train, and what came of it, compared with the incumbent at its end."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from agents.errors import AgentsError
from agents.genome import Genome
from rlfa.config import Service
from rlfa.errors import RlfaError
from rlfa.free_agency.state import Candidate
from rlfa.hosts.scoring import AgentRef, InlineHost
from rlfa.hosts.sealed import offline_seal
from rlfa.lineup.segments import part_of
from rlfa.lineup.slots import AgentId, Day, SlotId
from rlfa.outcomes import log
from rlfa.trainers.offline_gate import OfflineResult, compare_offline
from rlfa.trainers.training import TrainingError, keep, train_on


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A training that the manager asked for."""

    request: str
    slot: SlotId
    family: str
    genome: Genome
    incumbent: AgentRef
    days: tuple[Day, ...]
    segment: str = ""
    """The part of the stream that its slot plays."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order: the candidate, and where its weights lie unless the training failed."""

    candidate: Candidate
    ref: AgentRef | None = None


def fulfil(service: Service, order: Order) -> Delivery:
    """Train, save, and compare with the incumbent on the newest matured days, which the training didn't see.

    A training that fails is a delivery without an agent.
    """
    try:
        return _deliver(service, order)
    except (RlfaError, AgentsError) as error:
        failed = Candidate(slot=order.slot, family=order.family, request=order.request, error=str(error))
        return Delivery(candidate=failed)


def _deliver(service: Service, order: Order) -> Delivery:
    trainers = service.settings.trainers
    held_out = order.days[-trainers.gate_days :]
    agent = train_on(
        service.outcomes,
        order.days[: -trainers.gate_days],
        order.genome,
        frozenset(service.spec.categorical),
        part=part_of(service.spec, order.segment),
        threads=trainers.threads,
    )
    ref = keep(agent, service.agents)
    offline = _compare(service, held_out, ref, order)
    candidate = Candidate(
        slot=order.slot, family=order.family, request=order.request, agent=AgentId(agent.id), offline=offline
    )
    return Delivery(candidate=candidate, ref=ref)


def _compare(service: Service, days: Sequence[Day], candidate: AgentRef, order: Order) -> OfflineResult:
    whole = log.load_training([log.path_of(service.outcomes, day) for day in days], unseen=True)
    data, incumbent = whole.within(part_of(service.spec, order.segment)), order.incumbent
    if not len(data.fraud):
        raise TrainingError(f"offline gate: found no transaction of {order.slot} in {len(days)} days, allowed: one")
    host = InlineHost(data.feature_names, offline_seal(service.settings.hosts.seal_rules))
    host.load([candidate, incumbent])
    logits = host.score([candidate.id, incumbent.id], data.features)
    host.load([])  # a sealed incumbent's process
    return compare_offline(
        data.event_time,
        data.amount,
        data.fraud,
        np.ascontiguousarray(logits[:, 0]),
        np.ascontiguousarray(logits[:, 1]),
        service.settings.free_agency.costs,
        data.weight,
        share=len(data.fraud) / len(whole.fraud),
    )

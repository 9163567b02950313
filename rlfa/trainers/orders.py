"""A training from order to delivery: what to train, and what came of it, compared with the incumbent at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.errors import AgentsError
from agents.genome import Genome
from agents.metrics import average_precision
from agents.model import Agent
from rlfa.config import Service
from rlfa.errors import RlfaError
from rlfa.free_agency.state import Candidate
from rlfa.hosts.scoring import AgentRef, InlineHost
from rlfa.hosts.sealed import offline_seal
from rlfa.lineup.segments import part_of
from rlfa.lineup.slots import AgentId, Day, SlotId
from rlfa.outcomes import log
from rlfa.outcomes.log import TrainingSet
from rlfa.rewards.money import Costs
from rlfa.trainers.offline_gate import OfflineResult, compare_offline, passes
from rlfa.trainers.record import record_of
from rlfa.trainers.starts import How, trained_ways
from rlfa.trainers.training import TrainingError, keep


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
    seconds: float = 0.0
    """That it took, by the clock of the wall: for people, never for a decision."""


class _Judged(msgspec.Struct, frozen=True, kw_only=True):
    """An agent on the newest matured days."""

    offline: OfflineResult
    average_precision: float

    @property
    def rank(self) -> tuple[float, float]:
        """The least is best: the loss that the gate looks at, and where that ties the order of all rows."""
        return round(self.offline.loss_candidate, 9), -self.average_precision


def fulfil(service: Service, order: Order) -> Delivery:
    """Train, compare with the incumbent on the newest matured days, which the training didn't see, and save.

    With `[trainers] refit` what passes the gate is trained once more, these days included.
    A training that fails is a delivery without an agent.
    """
    try:
        return _deliver(service, order)
    except (RlfaError, AgentsError) as error:
        return failure(order, str(error))


def failure(order: Order, error: str) -> Delivery:
    """The delivery of a training that brought nothing."""
    return Delivery(candidate=Candidate(slot=order.slot, family=order.family, request=order.request, error=error))


def _deliver(service: Service, order: Order) -> Delivery:
    trainers, margin = service.settings.trainers, service.settings.free_agency.scout.gate_margin
    part = part_of(service.spec, order.segment)
    agents = trained_ways(service, order.genome, order.incumbent, order.days[: -trainers.gate_days], part)
    found = _judge(service, order.days[-trainers.gate_days :], list(agents.values()), order)
    judged = dict(zip(agents, found, strict=True))
    best = min(agents, key=lambda how: judged[how].rank)
    agent, offline = agents[best], judged[best].offline
    again: dict[How, Agent] = {}
    if trainers.refit and passes(offline, margin):
        again = trained_ways(service, order.genome, order.incumbent, order.days, part, only=best)
        agent = again.get(best, agent)
    ref = keep(agent, service.agents)
    losses = {f"loss_{how}": judged[how].offline.loss_candidate for how in agents if len(agents) > 1}
    candidate = Candidate(
        slot=order.slot,
        family=order.family,
        request=order.request,
        agent=AgentId(agent.id),
        offline=offline,
        trained=record_of(agent.card, agent.genome.deltas if best == "deltas" else 0, refitted=bool(again), **losses),
    )
    return Delivery(candidate=candidate, ref=ref)


def _judge(service: Service, days: Sequence[Day], agents: Sequence[Agent], order: Order) -> list[_Judged]:
    """Each agent against the incumbent, on days that it wasn't trained on and in the slot's part of the stream."""
    whole = log.load_training([log.path_of(service.outcomes, day) for day in days], unseen=True)
    data, incumbent = whole.within(part_of(service.spec, order.segment)), order.incumbent
    if not len(data.fraud):
        raise TrainingError(f"offline gate: found no transaction of {order.slot} in {len(days)} days, allowed: one")
    host = InlineHost(data.feature_names, offline_seal(service.settings.hosts.seal_rules))
    with TemporaryDirectory() as folder:
        refs = [keep(agent, Path(folder)) for agent in agents]
        host.load([*refs, incumbent])
        logits = host.score([*(ref.id for ref in refs), incumbent.id], data.features)
        host.load([])  # a sealed incumbent's process
    *mine, theirs = (np.ascontiguousarray(column) for column in logits.T)
    share = len(data.fraud) / len(whole.fraud)
    return [_judged(data, each, theirs, service.settings.free_agency.costs, share) for each in mine]


def _judged(
    data: TrainingSet, candidate: NDArray[np.float32], incumbent: NDArray[np.float32], costs: Costs, share: float
) -> _Judged:
    columns = (data.event_time, data.amount, data.fraud, candidate, incumbent)
    seen = (data.weight > 0) & np.isfinite(candidate)
    fraud = data.fraud[seen]
    return _Judged(
        offline=compare_offline(*columns, costs, data.weight, share=share),
        average_precision=average_precision(fraud, candidate[seen].astype(np.float64)) if fraud.any() else 0.0,
    )

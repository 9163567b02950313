"""The trainings that an order is worth: from nothing, from the incumbent's weights, and as deltas over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from agents.forest import TREES
from agents.genome import Genome
from agents.model import Agent
from agents.warm_start import plain
from agents.weights import load_agent
from rlfa.config import Service
from rlfa.hosts.scoring import AgentRef
from rlfa.lineup.segments import Part
from rlfa.lineup.slots import Day
from rlfa.outcomes.log import TrainingSet
from rlfa.trainers.training import rows_of, train_rows
from streams.codec import categorical_features

How = Literal["cold", "warm", "deltas"]


def trained_ways(
    service: Service, genome: Genome, against: AgentRef, days: Sequence[Day], part: Part, only: How | None = None
) -> dict[How, Agent]:
    """An agent by each way of starting that the settings ask for and the incumbent allows.

    Deltas see the newest days only: what is older, the agent below them knows.

    Args:
        service: settings and outcome log.
        genome: the recipe.
        against: the incumbent.
        days: to train on, ascending.
        part: of the stream.
        only: this way, and no other.

    Raises:
        TrainingError: no day, or no fraud among them.
    """
    trainers = service.settings.trainers
    rows = rows_of(service.outcomes, days, part)
    ways: dict[How, Callable[[], Agent]] = {"cold": lambda: _trained(service, plain(genome), rows)}
    incumbent = _incumbent(genome, against, rows)
    if incumbent is not None and trainers.warm_start:
        ways["warm"] = lambda: _trained(service, incumbent.genome, rows, incumbent)
    if incumbent is not None and trainers.deltas and genome.penalty == "none":
        newest = rows.since(Day(int(days[-1]) - trainers.delta_days + 1))
        if newest.fraud.any():
            changed = incumbent.genome if incumbent.genome.deltas else _with_deltas(service, genome)
            ways["deltas"] = lambda: _trained(service, changed, newest, incumbent, frozen=True)
    return {how: train() for how, train in ways.items() if only in (None, how)}


def _incumbent(genome: Genome, against: AgentRef, rows: TrainingSet) -> Agent | None:
    """The incumbent, where its weights can be a start: of the same genome and features, and trained here."""
    if against.sealed or genome.expert == TREES:
        return None
    incumbent = load_agent(Path(against.folder), against.checksum)
    names = genome.features or rows.feature_names
    return incumbent if (plain(incumbent.genome), incumbent.feature_names) == (plain(genome), names) else None


def _with_deltas(service: Service, genome: Genome) -> Genome:
    trainers = service.settings.trainers
    return msgspec.structs.replace(genome, deltas=trainers.deltas, delta_rank=trainers.delta_rank)


def _trained(
    service: Service, genome: Genome, rows: TrainingSet, start: Agent | None = None, *, frozen: bool = False
) -> Agent:
    categorical, settings = categorical_features(service.spec), service.settings
    costs, threads = settings.free_agency.costs, settings.trainers.threads
    return train_rows(rows, genome, categorical, costs, threads=threads, warm_start=start, frozen=frozen)

"""One training: matured days of the outcome log in, a saved free agent out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agents.genome import Genome
from agents.model import Agent
from agents.training import train
from agents.weights import save_agent
from rlfa.errors import RlfaError
from rlfa.hosts.scoring import AgentRef
from rlfa.lineup.segments import WHOLE, Part
from rlfa.lineup.slots import AgentId, Day
from rlfa.outcomes import log
from rlfa.outcomes.log import TrainingSet
from rlfa.rewards.money import Costs, mistake_costs


class TrainingError(RlfaError):
    """There is nothing to train on."""


def train_on(
    outcomes: Path,
    days: Sequence[Day],
    genome: Genome,
    categorical: frozenset[str],
    costs: Costs,
    *,
    part: Part = WHOLE,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Agent:
    """Train a genome on closed days of the outcome log.

    Args:
        outcomes: root of the outcome log.
        days: closed; their labels have matured.
        genome: the recipe.
        categorical: names of the features that hold category codes.
        costs: of the user's mistakes, for the genomes that learn by them.
        part: of the stream that the agent will play.
        threads: of torch.
        progress: told the fraction done.

    Raises:
        TrainingError: no day, or no fraud among them.
    """
    return train_rows(rows_of(outcomes, days, part), genome, categorical, costs, threads=threads, progress=progress)


def rows_of(outcomes: Path, days: Sequence[Day], part: Part = WHOLE) -> TrainingSet:
    """The matured rows of a part of the stream on closed days.

    Raises:
        TrainingError: no day, or no fraud among them.
    """
    if not days:
        raise TrainingError("training: found no closed day, allowed: at least one")
    data = log.load_training([log.path_of(outcomes, day) for day in days]).within(part)
    if not data.fraud.any():
        raise TrainingError(f"training: found no fraud in {len(days)} days, allowed: at least one")
    return data


def train_rows(
    data: TrainingSet,
    genome: Genome,
    categorical: frozenset[str],
    costs: Costs,
    *,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
    warm_start: Agent | None = None,
    frozen: bool = False,
) -> Agent:
    """Train a genome on matured rows.

    Args:
        data: with fraud among it.
        genome: the recipe.
        categorical: names of the features that hold category codes.
        costs: of the user's mistakes, for the genomes that learn by them.
        threads: of torch.
        progress: told the fraction done.
        warm_start: an agent of this genome whose weights are the start.
        frozen: only the genome's deltas learn.
    """
    return train(
        genome,
        data.features,
        data.fraud,
        data.event_time,
        feature_names=data.feature_names,
        categorical=categorical,
        progress=progress,
        cost=mistake_costs(data.fraud, data.amount, costs),
        warm_start=warm_start,
        frozen=frozen,
        threads=threads,
    )


def keep(agent: Agent, agents: Path) -> AgentRef:
    """Save an agent in its own folder below `agents`."""
    folder = agents / agent.id
    checksum = save_agent(agent, folder)
    return AgentRef(id=AgentId(agent.id), folder=str(folder), checksum=checksum)


def window(closed: Sequence[Day], days_max: int) -> list[Day]:
    """The newest closed days, at most `days_max` of them."""
    return sorted(closed)[-days_max:]

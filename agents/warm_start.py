"""Where a training starts that does not start from nothing: another agent's weights, or deltas on top of them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import torch

from agents.errors import TrainingDataError
from agents.experts.deltas import freeze_below_deltas
from agents.gates.task_aware import TASKS
from agents.genome import Genome
from agents.inputs import MISSING, UNKNOWN, InputStats, embedding_rows
from agents.mixture import Committee
from agents.model import Agent


@dataclass(frozen=True, slots=True)
class Start:
    """An agent to start from.

    Attributes:
        agent: of the same features, and the same genome apart from deltas.
        frozen: its network, inputs and prior stay as they are, and only the genome's deltas learn.
    """

    agent: Agent
    frozen: bool

    def give(self, network: Committee, inputs: InputStats, task: int) -> None:
        """Let a new network of the genome begin as the agent."""
        if self.frozen:
            network.load_state_dict({**network.state_dict(), **self.agent.network.state_dict()})
            freeze_below_deltas(network)
        else:
            _take_over(network, inputs, task, self.agent)


def plain(genome: Genome) -> Genome:
    """A genome without its deltas."""
    return msgspec.structs.replace(genome, deltas=0, delta_rank=Genome().delta_rank)


def refuse_unfit_start(start: Start, genome: Genome, names: tuple[str, ...], categorical: frozenset[str]) -> None:
    """A start must have the genome and the features of what is trained from it.

    Raises:
        TrainingDataError: it hasn't, or nothing would be trained.
    """
    theirs = start.agent.genome
    if start.frozen and not genome.deltas:
        raise TrainingDataError("warm_start", "a genome without deltas", "deltas, where all else is frozen")
    if theirs != genome and not (start.frozen and theirs == plain(genome)):
        raise TrainingDataError("warm_start", f"an agent of {theirs.id}", f"one of {genome.id}")
    if start.agent.feature_names != names or start.agent.categorical != categorical & set(names):
        raise TrainingDataError("warm_start", "an agent of other features", f"one of {', '.join(names)}")


def _take_over(network: Committee, inputs: InputStats, task: int, agent: Agent) -> None:
    """Take over every tensor; the rows of an embedding, and of the tasks, go where their categories are now."""
    theirs = dict(agent.network.state_dict())
    for j, (codes, before) in enumerate(zip(inputs.codes, agent.inputs.codes, strict=True)):
        rows = torch.from_numpy(np.concatenate([[UNKNOWN, MISSING], embedding_rows(codes, before)]))
        tables = (f".embeddings.{j}.weight", *([TASKS] if j == task else []))
        for name in (n for n in theirs if n.endswith(tables)):
            theirs[name] = theirs[name][rows]
    network.load_state_dict(theirs)
    network.prior_shift.zero_()

"""A segment that an agent has never seen, from a few labelled rows: it takes the way of the known one most like it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from agents.errors import TrainingDataError
from agents.gates.task_aware import KNOWN, TASKS, task_at
from agents.inputs import InputStats
from agents.mixture import Committee
from agents.model import Agent, Features
from agents.weights import all_tensors


def nearest_task(agent: Agent, x: Features, y: NDArray[np.bool_]) -> float:
    """Code of the known task as whose rows these have the least log loss.

    Args:
        agent: with one category at least.
        x: float32[n, d], of one task.
        y: bool[n].

    Raises:
        TrainingDataError: no rows, or an agent that knows no task.
    """
    task = task_at(agent.genome, agent.card.categorical)
    known: Sequence[float] = agent.inputs.codes[task].tolist() if agent.inputs.codes else ()
    if not known or not len(x):
        raise TrainingDataError("tasks", f"{len(known)} known and {len(x)} rows of a new one", "some of both")
    column = int(agent.inputs.categorical[task])

    def loss(code: float) -> float:
        moved = x.copy()
        moved[:, column] = code
        logits = agent.logits(moved).astype(np.float64)
        return float(np.logaddexp(0.0, np.where(y, -logits, logits)).mean())

    return min(known, key=loss)


def with_task(agent: Agent, code: float, x: Features, y: NDArray[np.bool_]) -> Agent:
    """An agent that knows one task more, and scores it as the known task whose way fits these rows best.

    Nothing else changes, so it is no worse elsewhere; as the start of a training it gives the new task a place of its
    own, from where its gate learns on.

    Args:
        agent: whose weights are taken over.
        code: of the new task.
        x: float32[n, d], rows of the new task; a few frauds among them are enough.
        y: bool[n].

    Raises:
        TrainingDataError: the task is known already, no rows, or an agent that knows no task.

    Source: Gupta et al. 2022, "Sparsely Activated Mixture-of-Experts are Robust Multi-Task Learners": the
    router of a related task is reused.
    """
    like = nearest_task(agent, x, y)
    task = task_at(agent.genome, agent.card.categorical)
    known = agent.inputs.codes[task]
    if code in known:
        raise TrainingDataError("code", code, "one that the agent doesn't know yet")
    at, source = int(np.searchsorted(known, code)), int(np.searchsorted(known, like)) + KNOWN
    codes = tuple(np.insert(c, at, code) if j == task else c for j, c in enumerate(agent.inputs.codes))
    inputs = dataclasses.replace(agent.inputs, codes=codes)
    order = torch.from_numpy(np.insert(np.arange(len(known) + KNOWN), at + KNOWN, source))
    network, forest = _widened(agent, inputs, task, order), agent.forest
    if forest is not None:
        forest = dataclasses.replace(
            forest, rates=_rows(forest.rates, task, order.numpy()), counts=_rows(forest.counts, task, order.numpy())
        )
    card = msgspec.structs.replace(agent.card, warm_start=agent.id)
    wider = Agent("", agent.genome, card, inputs, network, agent.calibration, forest)
    digest = hashlib.sha256(save(all_tensors(wider))).hexdigest()[:8]
    return dataclasses.replace(wider, id=f"{agent.genome.id}-{digest}")


def _widened(agent: Agent, inputs: InputStats, task: int, order: torch.Tensor) -> Committee:
    """The same network, the tables of tasks with the rows in this order."""
    sizes = [len(c) + KNOWN for c in inputs.codes]
    network = Committee(agent.genome, torch.from_numpy(inputs.edges), sizes, 0.0, task)
    tables = (f".embeddings.{task}.weight", TASKS)
    tensors = {k: v[order] if k.endswith(tables) else v for k, v in agent.network.state_dict().items()}
    network.load_state_dict(tensors)
    return network.eval()


def _rows(
    tables: tuple[NDArray[np.float32], ...], task: int, order: NDArray[np.int64]
) -> tuple[NDArray[np.float32], ...]:
    return tuple(table[order] if j == task else table for j, table in enumerate(tables))

"""Agents of equal shape as one network with a leading axis: on a GPU one pass and one transfer each way a batch.

On CPUs the compiled loops of `agents.compiled` are faster; this is for `device="cuda"`, and tested on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, vmap

from agents.errors import GenomeError
from agents.inputs import LINEAR_WITHIN, MISSING, UNKNOWN
from agents.model import Agent, Features

NO_CODE = float("inf")  # fills up the tables of known codes: no category has it


def shape_of(agent: Agent) -> tuple[object, ...] | None:
    """Equal for agents that can be stacked; None for one that can't."""
    network = agent.network
    if agent.forest is not None or agent.genome.rules or any(member.sparse for member in network.members):
        return None
    state = {name: tuple(t.shape) for name, t in network.state_dict().items() if ".embeddings." not in name}
    return (agent.feature_names, agent.card.categorical, *sorted(state.items()))


class StackedAgents:
    """k agents of one `shape_of`, scored together.

    Args:
        agents: one or more.
        device: "cpu" or "cuda".
        rows_max: most rows of a pass; on a GPU every pass has so many, since its graph is recorded once.

    Raises:
        GenomeError: agents of different shapes.
    """

    def __init__(self, agents: Sequence[Agent], device: str, rows_max: int = 2048) -> None:
        shapes = {shape_of(agent) for agent in agents}
        if len(shapes) != 1 or None in shapes:
            raise GenomeError("stacked agents", [agent.id for agent in agents], "agents of one shape")
        self._agents, self._rows_max = tuple(agents), rows_max
        self._base = agents[0].network
        states = [agent.network.state_dict() for agent in agents]
        self._state = {name: _padded([s[name] for s in states], 0.0).to(device) for name in states[0]}
        inputs = [agent.inputs for agent in agents]
        self._numeric = torch.from_numpy(inputs[0].numeric).to(device)
        self._categorical = torch.from_numpy(inputs[0].categorical).to(device)
        columns = {
            "median": [i.median[i.numeric] for i in inputs],
            "center": [i.center for i in inputs],
            "scale": [i.scale for i in inputs],
            "low": [i.edges[:, 0] for i in inputs],
            "high": [i.edges[:, -1] for i in inputs],
        }
        self._columns = {name: torch.from_numpy(np.stack(each)).to(device) for name, each in columns.items()}
        self._codes = [
            _padded([torch.from_numpy(i.codes[c]) for i in inputs], NO_CODE, more=1).to(device)
            for c in range(len(inputs[0].categorical))
        ]
        d, pinned = len(agents[0].feature_names), device == "cuda"
        self._in = torch.zeros(rows_max, d, pin_memory=pinned)
        self._out = torch.zeros(len(agents), rows_max, pin_memory=pinned)
        self._on_device = torch.zeros(rows_max, d, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result = torch.zeros(0, device=device)
        if device == "cuda":
            self._record()

    def logits(self, x: Features) -> NDArray[np.float32]:
        """Calibrated logits float32[n, k] of float32[n, d]."""
        parts = [self._pass(x[at : at + self._rows_max]) for at in range(0, len(x), self._rows_max)]
        raw = np.concatenate(parts) if parts else np.zeros((0, len(self._agents)), np.float32)
        return np.stack([a.calibration.apply(raw[:, j]) for j, a in enumerate(self._agents)], axis=1)

    def _pass(self, x: Features) -> NDArray[np.float32]:
        n = len(x)
        with torch.inference_mode():
            if self._graph is None:
                found: NDArray[np.float32] = self._scored(torch.from_numpy(np.ascontiguousarray(x))).T.numpy()
                return found
            self._in[:n] = torch.from_numpy(x)  # rows behind them are those of an earlier batch, and nobody reads them
            self._on_device.copy_(self._in, non_blocking=True)
            self._graph.replay()
            self._out.copy_(self._result, non_blocking=True)
            torch.cuda.current_stream().synchronize()
            return self._out[:, :n].T.numpy().copy()

    def _record(self) -> None:
        """Record the pass as a graph, after a few on a stream of their own, as PyTorch's notes on CUDA graphs ask."""
        with torch.inference_mode():
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self._scored(self._on_device)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._result = self._scored(self._on_device)
            self._graph = graph

    def _scored(self, x: Tensor) -> Tensor:
        """float32[n, d] to the networks' logits float32[k, n]."""
        numbers = self._numbers(x[:, self._numeric])
        rows = [_rows(x[:, j], codes) for j, codes in zip(self._categorical.tolist(), self._codes, strict=True)]
        places = torch.stack(rows, dim=2) if rows else numbers.new_zeros(*numbers.shape[:2], 0, dtype=torch.int64)

        def one(state: dict[str, Tensor], numbers: Tensor, rows: Tensor) -> Tensor:
            found: Tensor = functional_call(self._base, state, (numbers, rows))
            return found

        scored: Tensor = vmap(one)(self._state, numbers, places)
        return scored

    def _numbers(self, x: Tensor) -> Tensor:
        """float32[n, q] to float32[k, n, q]: `agents.inputs.InputStats.numbers` of every agent."""
        at = {name: each[:, None] for name, each in self._columns.items()}
        values = torch.where(x.isfinite()[None], x[None], at["median"])
        standard = (values.abs().log1p().copysign(values) - at["center"]) / at["scale"]
        beyond = (standard.abs() - LINEAR_WITHIN).clamp_min(0.0).log1p().copysign(standard)
        return (standard.clamp(-LINEAR_WITHIN, LINEAR_WITHIN) + beyond).clamp(at["low"], at["high"])


def _rows(column: Tensor, codes: Tensor) -> Tensor:
    """int64[k, n] of codes float32[n]: `agents.inputs.embedding_rows` of every agent's known codes float32[k, c]."""
    every = column.expand(len(codes), -1).contiguous()
    at = torch.searchsorted(codes, every).clamp_max(codes.shape[1] - 1)
    rows = torch.where(codes.gather(1, at) == every, at + MISSING + 1, UNKNOWN)
    return torch.where(every.isnan() | (every == 0), MISSING, rows)


def _padded(tensors: Sequence[Tensor], filler: float, more: int = 0) -> Tensor:
    """Stacked; those with fewer rows get the filler behind them, and all of them so many rows more."""
    if not tensors[0].dim():
        return torch.stack(list(tensors))
    longest = max(map(len, tensors)) + more
    return torch.stack([torch.cat([t, t.new_full((longest - len(t), *t.shape[1:]), filler)]) for t in tensors])

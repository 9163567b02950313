"""A mixture as compiled loops over tables: the same scores within float32 rounding, for a fraction of the work.

A number that is spread over bins goes through a layer as one sum: the bins below it are full, those above it empty. So
what each bin adds is a table, and a product of hundreds of columns becomes one row of it for each feature. A row is
scored alone: its score doesn't depend on the batch that it came in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.encoders.periodic import Periodic
from agents.encoders.piecewise_linear import PiecewiseLinear
from agents.encoders.plain import Plain
from agents.experts.logistic import LogisticExperts
from agents.experts.mlp import MlpExperts
from agents.gates.maps import MAPS
from agents.gates.softmax import SoftmaxGate
from agents.kernels import add_bins, mix
from agents.mixture import Committee, Mixture

TABLE_ROWS_MAX = 20_000  # of categories: beyond it tables would be larger than the network
WIDTH_MIN = 1e-6  # of a bin; below it the encoder widens it

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CompiledMixture:
    """One mixture's tables: those not named here are arguments of `agents.kernels`.

    Attributes:
        encoder: what spreads the numbers, where that isn't by bins.
        first: float32[encoded, units] of what the encoder gives.
        gate_of_numbers: float32[q, experts].
        gate_bias: float32[experts].
        bounded_map: of the gate's inputs.
        offsets: int64[c], where each category's rows begin in the tables.
    """

    encoder: nn.Module | None
    first: Tensor
    first_bias: Tensor
    edges: Array
    steps: Array
    gate_of_numbers: Tensor
    gate_bias: Tensor
    bounded_map: str
    offsets: NDArray[np.int64]
    first_of: Array
    gate_of: Array
    last: Array
    bias: Array

    def logits(self, numbers: Tensor, rows: Tensor) -> Array:
        """float32[n, q] and int64[n, c] to float32[n]."""
        n = len(numbers)
        gate = torch.addmm(self.gate_bias, MAPS[self.bounded_map](numbers), self.gate_of_numbers).numpy()
        if self.encoder is None:
            at = self.first_bias.expand(n, -1).clone().numpy()
            add_bins(numbers.T.contiguous().numpy(), self.edges, self.steps, at)
        else:
            at = torch.addmm(self.first_bias, self.encoder(numbers), self.first).numpy()
        out, places = np.empty(n, np.float32), rows.numpy() + self.offsets
        mix(at, gate, places, self.first_of, self.gate_of, self.last, self.bias, out)
        return out


@dataclass(frozen=True, slots=True)
class CompiledCommittee:
    """The compiled form of a network that has one."""

    members: tuple[CompiledMixture, ...]
    network: Committee

    @classmethod
    def of(cls, network: Committee, edges: NDArray[np.float32]) -> CompiledCommittee | None:
        """Compile a network in evaluation mode; None where a part of it has no compiled form.

        Args:
            network: the mixtures.
            edges: float32[q, bins + 1] of the numeric features.
        """
        members = [_compiled(member, edges) for member in network.members]  # type: ignore[arg-type]
        made = tuple(member for member in members if member is not None)
        return cls(made, network) if len(made) == len(members) else None

    def logits(self, numbers: Tensor, rows: Tensor) -> Array:
        """float32[n, q] and int64[n, c] to logits float32[n], as the network's own."""
        each = [torch.from_numpy(member.logits(numbers, rows)) for member in self.members]
        found: Array = self.network.joined(torch.stack(each, dim=1)).numpy()
        return found


def _compiled(mixture: Mixture, edges: NDArray[np.float32]) -> CompiledMixture | None:
    layer = _first_layer(mixture.experts)
    tables = [table.weight.detach() for table in mixture.embeddings if isinstance(table, nn.Embedding)]
    rows = sum(map(len, tables))
    if layer is None or mixture.sparse or type(mixture.gate) is not SoftmaxGate or rows > TABLE_ROWS_MAX:
        return None
    encoder = mixture.encoder
    if not isinstance(encoder, PiecewiseLinear | Periodic | Plain) or (np.diff(edges, axis=1) < WIDTH_MIN).any():
        return None
    encoded, q = int(encoder.out_features), len(edges)
    weight, gate = layer.weight.detach(), mixture.gate.linear
    by_bins = isinstance(encoder, PiecewiseLinear)
    mlp = mixture.experts if isinstance(mixture.experts, MlpExperts) else None
    experts = len(gate.bias)
    mapped = [MAPS[mixture.gate.bounded_map](table) for table in tables]
    sizes = [len(table) for table in tables]
    return CompiledMixture(
        encoder=None if by_bins else encoder,
        first=weight[:, :encoded].T.contiguous(),
        first_bias=layer.bias.detach(),
        edges=edges,
        steps=_steps(weight, edges) if by_bins else np.zeros((0, 0, 2, 0), np.float32),
        gate_of_numbers=gate.weight.detach()[:, :q].T.contiguous(),
        gate_bias=gate.bias.detach(),
        bounded_map=mixture.gate.bounded_map,
        offsets=np.append(0, np.cumsum(sizes))[: len(sizes)].astype(np.int64),
        first_of=_through(tables, weight[:, encoded:]),
        gate_of=_through(mapped, gate.weight.detach()[:, q:]),
        last=mlp.last.detach().numpy() if mlp else np.zeros((experts, 0), np.float32),
        bias=mlp.bias.detach().numpy() if mlp else np.zeros(experts, np.float32),
    )


def _first_layer(experts: nn.Module) -> nn.Linear | None:
    """The layer that sees the row, where what follows it is compiled; one under deltas isn't."""
    layer = None
    if isinstance(experts, LogisticExperts):
        layer = experts.linear
    elif isinstance(experts, MlpExperts) and type(experts.activation) is nn.ReLU:
        layer = experts.first
    return layer if type(layer) is nn.Linear else None


def _steps(weight: Tensor, edges: NDArray[np.float32]) -> Array:
    """float32[q, bins, 2, units]: what a bin's lower edge adds, and what all of the bin adds to that."""
    q, bins = edges.shape[0], edges.shape[1] - 1
    wide, places = weight.double().numpy(), edges.astype(np.float64)
    of_bins = wide[:, : q * bins].reshape(len(wide), q, bins).transpose(1, 2, 0)  # [q, bins, units]
    of_number = wide[:, q * bins : q * bins + q].T[:, None]  # [q, 1, units]
    below = np.cumsum(of_bins, axis=1) - of_bins + places[:, :-1, None] * of_number
    inside = of_bins + np.diff(places, axis=1)[:, :, None] * of_number
    return np.ascontiguousarray(np.stack([below, inside], axis=2), np.float32)


def _through(tables: list[Tensor], weight: Tensor) -> Array:
    """float32[rows, out]: every row of the categories' tables through its columns of a layer."""
    parts, at = [np.zeros((0, len(weight)), np.float32)], 0
    for table in tables:
        columns = weight[:, at : at + table.shape[1]].double()
        parts.append((table.double() @ columns.T).float().numpy())
        at += table.shape[1]
    return np.concatenate(parts)

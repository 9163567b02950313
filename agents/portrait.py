"""What there is to say about an agent: its gate by expert and class, what it looks at, its calibration, its curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.experts.deltas import DeltaLinear
from agents.gate_metrics import DEAD_BELOW
from agents.gates.grkan import GrkanGate
from agents.gates.kan import KanLayer
from agents.mixture import Mixture
from agents.model import Agent, Features
from agents.rule_features import seen_names

ROWS_MAX = 20_000
SCORED_MAX = 400_000  # rows that are scored to see what each feature does; wide tables get fewer of each
BINS = 10
POINTS = 41  # of a curve

Score = Callable[[Features], NDArray[np.float32]]
Inside = tuple[NDArray[np.float64], NDArray[np.float64]]  # weights and experts' logits, [n, e] each
Ask = Callable[[Features], tuple[NDArray[np.float32], Inside | None]]  # rows to logits, and what is inside


class ExpertUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much one expert counts."""

    member: int
    expert: int
    weight: float
    """Mean of the gate's weight, within its member."""
    weight_fraud: float | None
    weight_genuine: float | None
    spoke_fraud: float | None
    """Share of the frauds in which it has the largest part of the probability of fraud."""
    dead: bool
    """Hardly a weight among frauds and among genuine rows: see `agents.gate_metrics`."""


class FeatureUse(msgspec.Struct, frozen=True, kw_only=True):
    """What changes where one feature's values are exchanged among the rows."""

    feature: str
    gate: float
    """Mean share of the weights that goes to other experts."""
    experts: float
    """Mean change of the experts' logits, as the gate weighs them."""
    logit: float
    """Mean change of the agent's logit."""

    @property
    def used(self) -> bool:
        """Whether anything changes at all."""
        return max(self.gate, self.experts, self.logit) > 0.0


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of about the same score: as many in each bin."""

    rows: int
    predicted: float
    seen: float


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """One Kolmogorov-Arnold layer: what each input adds to each output."""

    member: int
    layer: int
    axis: str
    """What the curves are drawn over."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    at: tuple[float, ...]
    values: tuple[tuple[tuple[float, ...], ...], ...]
    """By output, input and place."""

    def strongest(self, output: int, most: int) -> list[int]:
        """The inputs whose curves for an output rise and fall the most, the first first."""
        ranges = [max(curve) - min(curve) for curve in self.values[output]]
        return sorted(range(len(ranges)), key=lambda i: -ranges[i])[:most]


class Portrait(msgspec.Struct, frozen=True, kw_only=True):
    """An agent on some rows; without rows, what its weights alone say."""

    agent: str
    genome: str
    rows: int
    frauds: int
    experts: tuple[ExpertUse, ...] = ()
    features: tuple[FeatureUse, ...] = ()
    """The one that moves the logit most first."""
    bins: tuple[CalibrationBin, ...] = ()
    curves: tuple[Curves, ...] = ()
    deltas: tuple[float, ...] = ()
    """Size of each low-rank change against the layer that it changes, as norms."""


def portray(agent: Agent, x: Features, fraud: NDArray[np.bool_]) -> Portrait:
    """Look at an agent on matured rows.

    Args:
        agent: any.
        x: float32[n, d], in the order of its features; many are thinned evenly.
        fraud: bool[n].
    """
    some = _evenly(len(x), ROWS_MAX)
    x, fraud = x[some], fraud[some]
    few = x[_evenly(len(x), max(SCORED_MAX // max(x.shape[1], 1), 1))]
    members = [member for member in agent.network.members if isinstance(member, Mixture)]
    return Portrait(
        agent=agent.id,
        genome=agent.genome.id,
        rows=len(x),
        frauds=int(fraud.sum()),
        experts=_experts(agent, x, fraud) if len(x) else (),
        features=_features(agent.feature_names, _asked(agent), few) if len(x) else (),
        bins=_bins(agent.logits(x), fraud) if len(x) else (),
        curves=tuple(c for m, member in enumerate(members) for c in _curves(agent, m, member)),
        deltas=tuple(size for member in members for size in _deltas(member)),
    )


def overhear(
    agent: str, genome: str, names: Sequence[str], logits: Score, x: Features, fraud: NDArray[np.bool_]
) -> Portrait:
    """Look at an agent of which only the scores can be had.

    Args:
        agent: its id.
        genome: id of the genome that its record has.
        names: of the d features.
        logits: scores rows; NaN where it has none, and these rows are left out.
        x: float32[n, d]; many are thinned evenly.
        fraud: bool[n].
    """
    some = _evenly(len(x), ROWS_MAX)
    x, fraud = x[some], fraud[some]
    said = logits(x) if len(x) else np.zeros(0, np.float32)
    scored = np.isfinite(said)
    few = x[scored][_evenly(int(scored.sum()), max(SCORED_MAX // max(x.shape[1], 1), 1))]
    return Portrait(
        agent=agent,
        genome=genome,
        rows=int(scored.sum()),
        frauds=int(fraud[scored].sum()),
        features=_features(names, lambda rows: (logits(rows), None), few) if len(few) else (),
        bins=_bins(said[scored], fraud[scored]) if scored.any() else (),
    )


def _experts(agent: Agent, x: Features, fraud: NDArray[np.bool_]) -> tuple[ExpertUse, ...]:
    voices, members = agent.voices(x), len(agent.network.members)
    weights = voices.weights.astype(np.float64) * members
    count = weights.shape[1] // members

    def mean(rows: NDArray[np.bool_], expert: int) -> float | None:
        return float(weights[rows, expert].mean()) if rows.any() else None

    def use(i: int) -> ExpertUse:
        by_class = mean(fraud, i), mean(~fraud, i)
        return ExpertUse(
            member=i // count,
            expert=i % count,
            weight=float(weights[:, i].mean()),
            weight_fraud=by_class[0],
            weight_genuine=by_class[1],
            spoke_fraud=float((voices.spoke[fraud] == i).mean()) if fraud.any() else None,
            dead=max(w for w in by_class if w is not None) < DEAD_BELOW,
        )

    return tuple(use(i) for i in range(weights.shape[1]))


def _features(names: Sequence[str], ask: Ask, x: Features) -> tuple[FeatureUse, ...]:
    """Each feature's values exchanged among the rows: the same exchange for all, from a fixed seed.

    Source: Breiman 2001, "Random Forests", section 10, on what the model says instead of on its error.
    """
    order = np.random.default_rng(0).permutation(len(x))
    before, voices = ask(x)

    def use(j: int) -> FeatureUse:
        changed = x.copy()
        changed[:, j] = x[order, j]
        after, others = ask(changed)
        gate, experts = _moved(voices, others) if voices and others else (0.0, 0.0)
        moved = np.abs(after.astype(np.float64) - before)
        logit = float(moved[np.isfinite(moved)].mean()) if np.isfinite(moved).any() else 0.0
        return FeatureUse(feature=names[j], gate=gate, experts=experts, logit=logit)

    return tuple(sorted(map(use, range(x.shape[1])), key=lambda f: (-f.logit, -f.experts, f.feature)))


def _asked(agent: Agent) -> Ask:
    def ask(x: Features) -> tuple[NDArray[np.float32], Inside]:
        with torch.inference_mode():
            weights, experts = agent.network.voices(*agent.encoded(x))
        return agent.logits(x), (weights.double().numpy(), experts.double().numpy())

    return ask


def _moved(before: Inside, after: Inside) -> tuple[float, float]:
    """Mean share of the weights that went elsewhere, and mean change of the experts' logits as they were weighed."""
    weights, experts = before
    return (
        float(0.5 * np.abs(after[0] - weights).sum(axis=1).mean()),
        float((weights * np.abs(after[1] - experts)).sum(axis=1).mean()),
    )


def _bins(logits: NDArray[np.float32], fraud: NDArray[np.bool_]) -> tuple[CalibrationBin, ...]:
    p = 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), BINS) if len(part)]
    return tuple(
        CalibrationBin(rows=len(part), predicted=float(p[part].mean()), seen=float(fraud[part].mean()))
        for part in parts
    )


def _curves(agent: Agent, number: int, member: Mixture) -> list[Curves]:
    """Of a gate that is made of them."""
    gate = member.gate
    if not isinstance(gate, GrkanGate):
        return []
    units = [f"unit {j}: {seen}" for j, seen in enumerate(_seen_by_units(agent, gate))]
    experts = [f"expert {i}" for i in range(agent.genome.experts)]
    inner = [f"score {i}" for i in range(agent.genome.experts)]
    return [
        _drawn(gate.first, number, 1, units, inner),
        _drawn(gate.second, number, 2, inner, experts),
    ]


def _drawn(layer: KanLayer, member: int, number: int, inputs: list[str], outputs: list[str]) -> Curves:
    at = torch.linspace(-layer.reach, layer.reach, POINTS)
    values = layer.drawn(at).tolist()
    return Curves(
        member=member,
        layer=number,
        axis=layer.axis,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        at=tuple(at.tolist()),
        values=tuple(tuple(tuple(curve) for curve in row) for row in values),
    )


def _seen_by_units(agent: Agent, gate: GrkanGate) -> list[str]:
    """The two features that each unit before the curves weighs most."""
    columns = seen_names(agent.genome, agent.feature_names)
    names = [columns[j] for j in agent.inputs.numeric]
    names += [columns[j] for j in agent.inputs.categorical for _ in range(agent.genome.embedding)]
    weight: Tensor = (gate.enter.weight * gate.scale).detach().abs()
    names += [f"trees {i}" for i in range(weight.shape[1] - len(names))]
    ranked = weight.argsort(dim=1, descending=True).tolist()
    return [", ".join(list(dict.fromkeys(names[j] for j in row))[:2]) for row in ranked]


def _deltas(member: Mixture) -> list[float]:
    layers = [layer for layer in member.experts.modules() if isinstance(layer, DeltaLinear)]
    with torch.no_grad():
        return [
            float((up @ down).norm() / layer.weight.norm())
            for layer in layers
            for up, down in zip(layer.up, layer.down, strict=True)
        ]


def _evenly(rows: int, most: int) -> NDArray[np.intp]:
    return np.linspace(0, rows - 1, min(rows, most)).astype(np.intp)

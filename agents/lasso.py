"""The lasso mixture: a softmax gate and logistic experts whose weights are few, for many features and few frauds."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import log, sqrt

import torch
from torch import Tensor, nn

from agents.experts.logistic import BIAS_STD
from agents.genome import Genome
from agents.losses import BALANCES, LOSSES
from agents.mixture import Committee, Mixture
from agents.proximal import L1, GroupL1, Penalty, minimise

STARTS = 5  # the likelihood has many maxima
SCOUT_STEPS, STEPS_MAX = 100, 1000
# From small to large: under a large penalty all weights are 0, equal experts give the gate no gradient, and stay equal.
PATH = (0.125, 0.25, 0.5, 1.0)
START_STD = 3.0  # of an expert's first logits, over inputs of spread 1


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong a penalty is.

    Attributes:
        experts: of each of the experts' weights, in the mean loss.
        gate: of each of the gate's.
        grouped: whether all weights of a feature are a group; `experts` holds for these.
    """

    experts: float
    gate: float
    grouped: bool = False

    @classmethod
    def of(cls, genome: Genome, member: Mixture, fraud: Tensor) -> Strength:
        """`c sqrt(p (1 - p) log d / n)`: n rows of which p are frauds, d columns, c the genes.

        Noise makes a gradient of about that size, so c keeps its meaning from window to window.

        Source: Nguyen, Nguyen, Chamroukhi, McLachlan 2020, "An l1-oracle inequality for the Lasso in mixture-of-experts
        regression models", the main theorem, for a label whose variance is p (1 - p).
        """
        share = float(fraud.double().mean())

        def noise(columns: int) -> float:
            return sqrt(share * (1.0 - share) * log(max(columns, 2)) / len(fraud))

        experts, gate = (noise(layer.in_features) for layer in layers(member))
        return cls(genome.penalty_experts * experts, genome.penalty_gate * gate, genome.penalty == "group_l1")

    def times(self, share: float) -> Strength:
        """A part of it."""
        return Strength(self.experts * share, self.gate * share, self.grouped)


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs of the gate float64[n, ...] and of the experts float64[n, width]; fraud and what a mistake costs [n]."""

    gate: Tensor
    experts: Tensor
    fraud: Tensor
    weight: Tensor


def fit_sparse(
    network: Committee,
    genome: Genome,
    numbers: Tensor,
    rows: Tensor,
    fraud: Tensor,
    weight: Tensor,
    *,
    warm: bool = False,
) -> int:
    """Fit every member of a network in place, on all rows at once; encoder and embeddings stay as they are.

    A weight that multiplies a free embedding could be small at no cost, so a category enters through an embedding that
    is drawn once: as wide as it has codes, it tells all of them apart.

    Args:
        network: of a softmax gate and logistic experts.
        genome: the recipe; its penalty isn't "none".
        numbers: float32[n, q].
        rows: int64[n, c].
        fraud: float32[n], 1 for fraud.
        weight: float32[n], of the cost-weighted loss.
        warm: whether the network's weights are a start worth keeping.

    Returns:
        Steps of the last fit, at most.
    """
    network.eval()
    steps = []
    for member in network.members:
        assert isinstance(member, Mixture)
        with torch.no_grad():
            (gate_inputs,), inputs = member.seen(numbers, rows)
        seen = Rows(gate_inputs.double(), inputs.double(), fraud.double(), weight.double())
        strength = Strength.of(genome, member, fraud)
        fitted = [module.double() for module in (member.gate, member.experts)]
        if not warm:
            best_start(member, genome, seen, strength)
        for share in PATH:
            _, taken = fit_once(member, genome, seen, penalty_of(member, strength.times(share)))
        if genome.penalty_refit:
            _, taken = fit_once(member, genome, seen, kept_only(member))
        for module in fitted:
            module.float()
        steps.append(taken)
    return max(steps)


def best_start(member: Mixture, genome: Genome, seen: Rows, strength: Strength) -> None:
    """Leave a member where, of several random starts, a few steps under a weak penalty have come furthest."""
    weak = penalty_of(member, strength.times(PATH[0]))
    gate, experts = layers(member)[1], layers(member)[0]
    base = float(torch.logit(seen.fraud.mean()))
    found: list[tuple[float, dict[str, Tensor]]] = []
    for _ in range(STARTS):
        with torch.no_grad():
            experts.weight.normal_(std=START_STD / max(experts.in_features, 1) ** 0.5)
            experts.bias.normal_(mean=base, std=BIAS_STD)
            gate.weight.zero_()
            gate.bias.zero_()
        objective, _ = fit_once(member, genome, seen, weak, SCOUT_STEPS)
        found.append((objective, copy.deepcopy(member.state_dict())))
    member.load_state_dict(min(found, key=lambda start: start[0])[1])


def fit_once(
    member: Mixture, genome: Genome, seen: Rows, penalty: Penalty, steps_max: int = STEPS_MAX
) -> tuple[float, int]:
    """Minimise the genome's loss and a penalty from where the member is; the objective, and the steps it took."""
    loss, balance = LOSSES[genome.loss](genome), BALANCES.get(genome.balance)

    def smooth() -> Tensor:
        logits, log_weights = member.mixed((seen.gate,), seen.experts)
        total = loss(logits, seen.fraud, seen.weight)
        return total if balance is None else total + genome.balance_weight * balance(log_weights.exp())

    return minimise(smooth, parameters(member), penalty, steps_max=steps_max)


def penalty_of(member: Mixture, strength: Strength) -> Penalty:
    """Of a member's parameters, biases left free.

    The same added to every expert's row of the gate changes no output, so the rows end where they cost least: with
    median 0 in each column.
    """
    if strength.grouped:
        of_layers = columns(member)
        groups = [of_layers[i].expand_as(layer.weight).flatten() for i, layer in enumerate(layers(member))]
        free = [torch.full_like(layer.bias, -1, dtype=torch.int64) for layer in layers(member)]
        pairs = zip(groups, free, strict=True)
        return GroupL1(strength.experts, torch.cat([part for pair in pairs for part in pair]))
    thresholds = []
    for layer, threshold in zip(layers(member), (strength.experts, strength.gate), strict=True):
        thresholds += [torch.full_like(layer.weight, threshold).flatten(), torch.zeros_like(layer.bias)]
    return L1(torch.cat(thresholds).detach())


def kept_only(member: Mixture) -> L1:
    """No penalty of the weights that are there, and none of the others let in."""
    thresholds = []
    for layer in layers(member):
        out = torch.where(layer.weight == 0, torch.inf, 0.0).double()
        thresholds += [out.flatten(), torch.zeros_like(layer.bias)]
    return L1(torch.cat(thresholds).detach())


def selected(network: Committee) -> list[int]:
    """Features with a weight that isn't 0 in some expert or gate: the numeric ones, then the categories."""
    kept: set[int] = set()
    for member in network.members:
        assert isinstance(member, Mixture)
        for layer, of_column in zip(layers(member), columns(member), strict=True):
            kept |= set(of_column[(layer.weight != 0).any(dim=0)].tolist())
    return sorted(kept)


def columns(member: Mixture) -> tuple[Tensor, Tensor]:
    """The feature behind each column of the experts' weights and of the gate's, int64[...]; categories come last."""
    assert member.encoder is not None
    numeric: Tensor = member.encoder.features()  # type: ignore[operator]
    experts, gate = layers(member)
    embedded = experts.in_features - len(numeric)
    q = gate.in_features - embedded
    categories = q + torch.arange(len(member.embeddings)).repeat_interleave(embedded // max(len(member.embeddings), 1))
    return torch.cat([numeric, categories]), torch.cat([torch.arange(q), categories])


def layers(member: Mixture) -> tuple[nn.Linear, nn.Linear]:
    """Of the experts and of the gate."""
    return member.experts.linear, member.gate.linear  # type: ignore[return-value]


def parameters(member: Mixture) -> list[Tensor]:
    """Those that are fitted, in the order of `penalty_of`."""
    return [p for layer in layers(member) for p in (layer.weight, layer.bias)]

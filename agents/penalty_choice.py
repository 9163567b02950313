"""How strong the lasso's penalty should be, from data: the c with the best BIC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from agents.errors import GenomeError
from agents.genome import Genome
from agents.lasso import parameters
from agents.mixture import Mixture
from agents.model import Agent, Features
from agents.training import train

STRENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class PenaltyChoice:
    """The genome with the chosen penalty.

    Attributes:
        genome: with c in `penalty_experts` and `penalty_gate`.
        bic: by c; the largest is chosen, of equal ones the stronger penalty.
        weights: by c, how many of the gate and the experts aren't 0, biases among them.
        agents: by c, those that were trained for it.
    """

    genome: Genome
    bic: dict[float, float]
    weights: dict[float, int]
    agents: dict[float, Agent]


def choose_penalty(
    genome: Genome,
    x: Features,
    y: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    *,
    feature_names: Sequence[str],
    categorical: frozenset[str] = frozenset(),
    threads: int | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> PenaltyChoice:
    """Train under each penalty, and keep the one with the largest `log likelihood - log(n) / 2 * weights`.

    The likelihood is that of the n rows older than the validation window, before calibration. What BIC picks is two to
    four times the c that predicts best, and finds nearly the right features; for the best prediction halve it.

    Args:
        genome: with a penalty, and the log loss; one member of it is trained.
        x: float32[n, d].
        y: bool[n].
        event_time: int64[n], ms UTC.
        feature_names: of the d columns.
        categorical: those that hold codes.
        threads: of torch, while training.
        strengths: values of c to try.

    Raises:
        GenomeError: no penalty, or another loss.
        TrainingDataError: as in `train`.

    Source: Huynh, Chamroukhi 2019, "Estimation and Feature Selection in Mixtures of Generalized Linear Experts
    Models", section 3, BIC as their package RMoE has it.
    """
    if genome.penalty == "none" or genome.loss != "log":
        raise GenomeError("genome", f"penalty {genome.penalty}, loss {genome.loss}", "a penalty, and the log loss")
    agents, bic, weights = {}, {}, {}
    for c in sorted(strengths):
        genes = {"penalty_experts": c, "penalty_gate": c, "members": 1, "refit": False}
        agents[c] = train(
            msgspec.structs.replace(genome, **genes), x, y, event_time,
            feature_names=feature_names, categorical=categorical, threads=threads,
        )  # fmt: skip
        columns = [list(feature_names).index(name) for name in agents[c].feature_names]
        early = event_time < agents[c].card.validation_from_event_time
        weights[c] = nonzero(agents[c])
        bic[c] = log_likelihood(agents[c], x[early][:, columns], y[early]) - 0.5 * np.log(early.sum()) * weights[c]
    chosen = max(bic, key=lambda c: (bic[c], c))
    return PenaltyChoice(
        genome=msgspec.structs.replace(genome, penalty_experts=chosen, penalty_gate=chosen),
        bic={c: float(value) for c, value in bic.items()},
        weights=weights,
        agents=agents,
    )


def nonzero(agent: Agent) -> int:
    """Parameters of the first member's gate and experts that aren't 0."""
    member = agent.network.members[0]
    assert isinstance(member, Mixture)
    return sum(int((parameter != 0).sum()) for parameter in parameters(member))


def log_likelihood(agent: Agent, x: Features, y: NDArray[np.bool_]) -> float:
    """Of rows float32[n, d] and their labels bool[n], by the network without its calibration."""
    with torch.inference_mode():
        logits = agent.network(*agent.encoded(x)).numpy().astype(np.float64)
    return -float(np.logaddexp(0.0, np.where(y, -logits, logits)).sum())

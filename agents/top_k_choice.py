"""How many experts a row needs, from data: the fewest that are no worse on the later window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from agents.genome import Genome
from agents.model import Agent, Features
from agents.training import train

COUNTS_FROM = 0.05  # weight from which an expert counts as taking part
QUANTILE = 0.95  # of the rows have at most so many


@dataclass(frozen=True, slots=True)
class TopKChoice:
    """The genome with the chosen k.

    Attributes:
        genome: of the top-k gate.
        taking_part: experts that 95% of the rows need at most, by the dense gate.
        log_loss: on the later window, by k; the dense gate's under the number of experts.
    """

    genome: Genome
    taking_part: int
    log_loss: dict[int, float]


def choose_top_k(
    genome: Genome,
    x: Features,
    y: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    *,
    feature_names: Sequence[str],
    categorical: frozenset[str] = frozenset(),
    threads: int | None = None,
) -> TopKChoice:
    """Train the dense gate, count the experts that take part, and keep the smallest k that is as good.

    Tried are 2, what the dense gate uses in 95% of the rows, and twice that, which covers spare experts that share a
    cell. A k is as good when its mean loss is less than one standard error of the paired difference over the best.

    Args:
        genome: any gate; its experts, two or more, stay.
        x: float32[n, d].
        y: bool[n].
        event_time: int64[n], ms UTC.
        feature_names: of the d columns.
        categorical: those that hold codes.
        threads: of torch, while training.

    Raises:
        TrainingDataError: as in `train`.

    Source: Nguyen, Akbarian, Yan, Ho 2024, "Statistical Perspective of Top-K Sparse Softmax Gating Mixture of Experts",
    theorem 2: k has to cover the cells of the experts that speak together.
    """

    def judged(**genes: object) -> tuple[Agent, NDArray[np.float64]]:
        changed = msgspec.structs.replace(genome, refit=False, **genes)
        agent = train(changed, x, y, event_time, feature_names=feature_names, categorical=categorical, threads=threads)
        late = event_time >= agent.card.validation_from_event_time
        columns = [list(feature_names).index(name) for name in agent.feature_names]
        return agent, _losses(agent.logits(x[late][:, columns]), y[late])

    dense, losses = judged(gate="softmax")
    columns = [list(feature_names).index(name) for name in dense.feature_names]
    needed = taking_part(dense, x[:, columns])
    tried = {genome.experts: losses}
    for k in sorted({2, max(2, needed), max(2, 2 * needed)}):
        if k < genome.experts:
            tried[k] = judged(gate="top_k", top_k=k)[1]
    best = min(tried, key=lambda k: float(tried[k].mean()))
    chosen = min(k for k, each in tried.items() if _as_good(each, tried[best]))
    return TopKChoice(
        genome=msgspec.structs.replace(genome, gate="top_k", top_k=max(chosen, 2)),
        taking_part=needed,
        log_loss={k: float(each.mean()) for k, each in sorted(tried.items())},
    )


def taking_part(agent: Agent, x: Features) -> int:
    """Experts with a weight that counts, in 95% of the rows at most; of the first member."""
    with torch.inference_mode():
        weights = agent.network.members[0].gate_weights(agent.inputs.numbers(x), agent.inputs.rows(x))  # type: ignore[operator]
    return int(np.quantile((weights > COUNTS_FROM).sum(dim=1).numpy(), QUANTILE, method="higher"))


def _losses(logits: NDArray[np.float32], fraud: NDArray[np.bool_]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    return np.asarray(np.logaddexp(0.0, np.where(fraud, -wide, wide)))


def _as_good(losses: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    worse = losses - best
    return bool(worse.mean() <= worse.std() / len(worse) ** 0.5)

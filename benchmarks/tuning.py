"""Random search with as many trials for everyone, over scores that a run which was cut short finds again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.metrics import average_precision
from benchmarks.drift.cache import Cache, Scored
from benchmarks.learners import Choice, Learner, Rows

TRIALS = 8  # of each learner, its defaults among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Rows to learn from and rows to judge by.

    Attributes:
        name: of the data, the features and the days, for the cache.
        train: rows to learn from.
        x: float32[m, d], rows to judge by.
        fraud: bool[m].
    """

    name: str
    train: Rows
    x: NDArray[np.float32]
    fraud: NDArray[np.bool_]


def fitted(cache: Cache, split: Split, learner: Learner, choice: Choice, seed: int) -> Scored:
    """Scores of the rows to judge by, learnt with a choice and a seed."""
    method = f"{learner.name} {msgspec.json.encode(choice).decode()} seed {seed}"
    return cache.scores(split.name, method, lambda: learner.fit(split.train, choice, seed)(split.x))


def tuned(cache: Cache, split: Split, learner: Learner) -> Choice:
    """The choice of the trials with the best AP on a split that comes before what is judged."""
    choices = [learner.drawn(trial, cache.seed) for trial in range(TRIALS)]
    found = [fitted(cache, split, learner, choice, cache.seed).score for choice in choices]
    return choices[int(np.argmax([average_precision(split.fraud, score) for score in found]))]


def lineup(scores: Sequence[Scored]) -> Scored:
    """What a lineup of agents says whose weights are even: the mean of their logits."""
    mean = np.mean([one.score for one in scores], axis=0)
    return Scored(mean, sum(one.seconds for one in scores))

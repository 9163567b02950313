"""An agent: a trained mixture with its inputs, calibration, genome and data card. Scoring is pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.attribution import shapley
from agents.calibration import Calibration
from agents.compiled import CompiledCommittee
from agents.data_card import DataCard
from agents.forest import Forest
from agents.genome import Genome
from agents.inputs import InputStats
from agents.mixture import Committee
from agents.rule_features import seen

Features = NDArray[np.float32]  # [n, d], columns in the order of `feature_names`
SCORE_ROWS = 512  # at once: activations stay in the cache


@dataclass(frozen=True, slots=True)
class Voices:
    """An agent's experts on n rows: all members' one after the other.

    Attributes:
        weights: float32[n, e] of the gate, each row sums to 1.
        spoke: int64[n], the expert with the largest part of the probability of fraud.
    """

    weights: NDArray[np.float32]
    spoke: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Agent:
    """A trained model that never changes.

    Attributes:
        id: genome and weights in a name.
        genome: the recipe.
        card: what it was trained on.
        inputs: how features enter.
        network: its mixtures, in evaluation mode.
        calibration: of its logits.
        forest: the trees, where its experts are made of them.
    """

    id: str
    genome: Genome
    card: DataCard
    inputs: InputStats
    network: Committee
    calibration: Calibration
    forest: Forest | None = None
    compiled: CompiledCommittee | None = field(init=False)
    """What scores in the network's place, where it has such a form."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", CompiledCommittee.of(self.network, self.inputs.edges))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrices that it scores."""
        return self.card.feature_names

    @property
    def categorical(self) -> frozenset[str]:
        """Those that hold category codes."""
        return frozenset(self.card.categorical)

    def logits(self, x: Features) -> NDArray[np.float32]:
        """Calibrated logits float32[n] of float32[n, d]."""
        parts = [self._raw(x[i : i + SCORE_ROWS]) for i in range(0, len(x), SCORE_ROWS)]
        raw = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return self.calibration.apply(raw)

    def encoded(self, x: Features) -> tuple[Tensor, Tensor, Tensor]:
        """What the network takes: numbers float32[n, q], categories int64[n, c], trees' logits float32[n, e or 0]."""
        x = seen(self.genome, self.feature_names, x)
        boosted = np.zeros((len(x), 0), np.float32) if self.forest is None else self.forest.logits(self.inputs, x)
        return self.inputs.numbers(x), self.inputs.rows(x), torch.from_numpy(boosted)

    @property
    def typical(self) -> NDArray[np.float32]:
        """The typical genuine row float32[d], where reasons start from; the median row where the card has none."""
        if not self.card.typical:
            return self.inputs.median  # never with rules: their card has one, or they aren't loaded
        return np.array([np.nan if value is None else value for value in self.card.typical], np.float32)

    def contributions(self, x: Features) -> NDArray[np.float32]:
        """What each feature adds to the logit against its typical value, float32[n, d].

        Shapley values; with `starts` they add up to the logit. Some 250 scores for each row: for alerts, not for the
        stream.
        """
        return shapley(self.logits, x, self.typical).astype(np.float32)

    def starts(self, x: Features) -> NDArray[np.float32]:
        """Where the contributions start from, float32[n]: the logit of the typical row."""
        return np.repeat(self.logits(self.typical[None]), len(x))

    def voices(self, x: Features) -> Voices:
        """How much the gate let each expert count, and who spoke."""
        with torch.inference_mode():
            weights, experts = self.network.voices(*self.encoded(x))
            spoke = (weights * torch.sigmoid(experts)).argmax(dim=1)
        return Voices(weights=weights.numpy(), spoke=spoke.numpy())

    def _raw(self, x: Features) -> NDArray[np.float32]:
        with torch.inference_mode():
            numbers, rows, boosted = self.encoded(x)
            if self.compiled is not None:
                return self.compiled.logits(numbers, rows)
            logits: NDArray[np.float32] = self.network(numbers, rows, boosted).numpy()
        return logits

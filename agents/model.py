"""An agent: a trained mixture with its inputs, calibration, genome and data card. Scoring is pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from agents.calibration import Platt
from agents.data_card import DataCard
from agents.genome import Genome
from agents.inputs import InputStats
from agents.mixture import Committee

Features = NDArray[np.float32]  # [n, d], columns in the order of `feature_names`
SCORE_ROWS = 4096  # at once: activations stay in the cache


@dataclass(frozen=True, slots=True)
class Agent:
    """A trained model that never changes.

    Attributes:
        id: genome and weights in a name.
        genome: the recipe.
        card: what it was trained on.
        inputs: how features enter.
        network: its mixtures, in evaluation mode.
        platt: calibration.
    """

    id: str
    genome: Genome
    card: DataCard
    inputs: InputStats
    network: Committee
    platt: Platt

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
        return self.platt.apply(np.concatenate(parts) if parts else np.zeros(0, np.float32))

    def contributions(self, x: Features) -> NDArray[np.float32]:
        """What each feature adds to the logit, float32[m, d]: against the row with that feature at its typical value.

        Costs d more scores for each row: for alerts, not for the stream.
        """
        m, d = x.shape
        changed = np.repeat(x[None], d, axis=0)
        changed[np.arange(d), :, np.arange(d)] = self.inputs.median[:, None]
        without = self.logits(changed.reshape(d * m, d)).reshape(d, m)
        return (self.logits(x)[None] - without).T.astype(np.float32)

    def _raw(self, x: Features) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = self.network(self.inputs.numbers(x), self.inputs.rows(x)).numpy()
        return logits

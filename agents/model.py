"""An agent: a trained mixture with its inputs, calibration, genome and data card. Scoring is pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.attribution import share_out
from agents.calibration import Calibration
from agents.data_card import DataCard
from agents.forest import Forest
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
        boosted = np.zeros((len(x), 0), np.float32) if self.forest is None else self.forest.logits(self.inputs, x)
        return self.inputs.numbers(x), self.inputs.rows(x), torch.from_numpy(boosted)

    def contributions(self, x: Features) -> NDArray[np.float32]:
        """What each feature adds to the logit, float32[m, d].

        Trees tell it from the ways that a row takes through them, and with `starts` it adds up to the logit. For the
        others it is the difference to the row with that feature at its typical value, which costs d more scores for
        each row: for alerts, not for the stream.
        """
        if self.forest is not None:
            return self._path_contributions(x)[0].astype(np.float32)
        m, d = x.shape
        changed = np.repeat(x[None], d, axis=0)
        changed[np.arange(d), :, np.arange(d)] = self.inputs.median[:, None]
        without = self.logits(changed.reshape(d * m, d)).reshape(d, m)
        return (self.logits(x)[None] - without).T.astype(np.float32)

    def starts(self, x: Features) -> NDArray[np.float32]:
        """Where the contributions start from, float32[m]: with their sum, the logit."""
        if self.forest is not None:
            return self._path_contributions(x)[1].astype(np.float32)
        start: NDArray[np.float32] = self.logits(x) - self.contributions(x).sum(axis=1)
        return start

    def _path_contributions(self, x: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert self.forest is not None
        parts, base = self.forest.paths(self.inputs, x)
        with torch.inference_mode():
            weights = self.network.gate_weights(*self.encoded(x)).double().numpy()
        members = [member.experts for member in self.network.members]
        stretch = [1.0 + m.stretch.detach().double().numpy() for m in members]  # type: ignore[operator, union-attr]
        shift = [m.shift.detach().double().numpy() for m in members]  # type: ignore[operator, union-attr]
        every_base = np.concatenate([base * a + b for a, b in zip(stretch, shift, strict=True)])
        every_part = np.concatenate([parts * a[:, None] for a in stretch], axis=1)
        out, start = share_out(weights, every_base, every_part)
        start = start + float(self.network.prior_shift)
        return self.calibration.carried(start, out), self.calibration.apply(start)

    def _raw(self, x: Features) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = self.network(*self.encoded(x)).numpy()
        return logits

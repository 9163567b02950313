"""scikit-learn's face: a gated mixture of experts as a binary classifier."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from agents.genome import Genome, read_genome
from agents.training import train

SMALL_ROWS = 500  # below, nothing is held out for stopping: the few rows are for learning


class MoEClassifier(ClassifierMixin, BaseEstimator):
    """A gated mixture of experts for two classes; rows come in the order of time.

    Args:
        gate: see `Genome`.
        expert: see `Genome`.
        experts: see `Genome`.
        hidden: see `Genome`.
        encoder: see `Genome`.
        bins: see `Genome`.
        learning_rate: see `Genome`.
        epochs_max: see `Genome`.
        random_state: seed of the training.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> x, y = make_classification(200, random_state=0)
        >>> MoEClassifier(epochs_max=2).fit(x, y).predict_proba(x).shape
        (200, 2)
    """

    def __init__(
        self,
        *,
        gate: str = "softmax",
        expert: str = "mlp",
        experts: int = 4,
        hidden: int = 16,
        encoder: str = "piecewise_linear",
        bins: int = 8,
        learning_rate: float = 0.01,
        epochs_max: int = 40,
        random_state: int = 0,
    ) -> None:
        self.gate = gate
        self.expert = expert
        self.experts = experts
        self.hidden = hidden
        self.encoder = encoder
        self.bins = bins
        self.learning_rate = learning_rate
        self.epochs_max = epochs_max
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, event_time: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train.

        Args:
            X: [n, d] numbers; NaN is missing.
            y: [n], two classes; the second in their order is the positive one.
            event_time: int64[n], ms UTC; the order of the rows when missing.

        Raises:
            ValueError: not two classes, or arrays that scikit-learn refuses.
            GenomeError: a parameter is out of its bounds.
        """
        x, labels = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(f"Only binary classification is supported. The type of the target is {_kind(labels)}.")
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        self.offset_, self.scale_ = _ranges(x)
        times = np.arange(len(x)) if event_time is None else np.asarray(event_time, np.int64)
        names = tuple(f"x{j}" for j in range(x.shape[1]))
        self.agent_ = train(
            self._genome(len(x)), self._scaled(x), codes.astype(bool), times.astype(np.int64), feature_names=names
        )
        self.n_iter_ = self.agent_.card.epochs
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Calibrated logits float64[n] of the positive class."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        # In float64 a row's logit is the same whichever rows come with it.
        network = copy.deepcopy(self.agent_.network).double()
        numbers, rows, boosted = self.agent_.encoded(self._scaled(x))
        with torch.inference_mode():
            logits: NDArray[np.float64] = network(numbers.double(), rows, boosted.double()).numpy()
        return self.agent_.calibration.apply(logits)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Probabilities float64[n, 2]; each row sums to 1."""
        p = 0.5 * (1.0 + np.tanh(0.5 * self.decision_function(X)))
        return np.stack([1.0 - p, p], axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """The more probable class of each row."""
        positive = self.decision_function(X) > 0
        return np.asarray(self.classes_[positive.astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def _genome(self, rows: int) -> Genome:
        few = rows < SMALL_ROWS
        genes = {
            "gate": self.gate,
            "expert": self.expert,
            "encoder": self.encoder,
            "experts": self.experts,
            "hidden": self.hidden,
            "bins": self.bins,
            "learning_rate": self.learning_rate,
            "epochs_max": self.epochs_max,
            "seed": self.random_state,
            "batch": 128 if rows < 10 * SMALL_ROWS else 1024,
            "genuine_per_fraud": 1e6,
            "averaging": 0.0 if few else 0.995,
            "validation_share": 0.05 if few else 0.2,
        }
        return read_genome(genes)

    def _scaled(self, x: NDArray[np.float64]) -> NDArray[np.float32]:
        """Agents take float32: columns far from zero or very large would lose their differences."""
        return ((x - self.offset_) / self.scale_).astype(np.float32)


def _ranges(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    seen = np.isfinite(x)
    center = np.where(seen.any(axis=0), np.nanmedian(np.where(seen, x, np.nan), axis=0), 0.0)
    spread = np.nanmax(np.abs(np.where(seen, x, center) - center), axis=0)
    return center, np.where(spread > 0, spread / 10.0, 1.0)


def _kind(labels: NDArray[Any]) -> str:
    return str(type_of_target(labels))

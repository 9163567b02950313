"""Logits that mean what they say: monotone maps, so that the ranking stays, fitted on rows after the training's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.isotonic import isotonic_regression
from torch import Tensor

Kind = Literal["beta", "isotonic", "platt", "steady", "temperature"]
Float = TypeVar("Float", np.float32, np.float64)
Wide = NDArray[np.float64]

SIMPLEST_FIRST: tuple[Kind, ...] = ("steady", "temperature", "platt", "beta", "isotonic")
# Platt's smoothed targets bear ten: from there on it loses far less than a temperature where the base rate is wrong.
FRAUDS_MIN: Mapping[Kind, int] = {"steady": 10, "temperature": 10, "platt": 10, "beta": 200, "isotonic": 1000}
GENUINE_MIN = 10
SLOPE_BOUNDS = (0.2, 5.0)
STEADY_SPREAD = (0.05, 0.1)  # of slope and shift, before any row is seen; a shift of 0.1 is worth 100 frauds
PREFIX = "calibration."


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`rise * log p - fall * log (1 - p) + shift` of `p = sigmoid(logit)`; averaged with `steps`, if there are any.

    With `rise` equal to `fall` that is `rise * logit + shift`: a temperature where the shift is 0, else Platt's.
    """

    rise: float = 1.0
    fall: float = 1.0
    shift: float = 0.0
    steps: tuple[tuple[float, float], ...] = ()
    """From which logit on which level holds, both ascending; the first level holds below as well."""

    def apply(self, logits: NDArray[Float]) -> NDArray[Float]:
        """float[n] to float[n] of the same width."""
        if self.rise == self.fall and not self.steps:
            wide = logits.dtype.type
            return (wide(self.rise) * logits + wide(self.shift)).astype(logits.dtype)
        z = logits.astype(np.float64)
        smooth = self.rise * _log_sigmoid(z) - self.fall * _log_sigmoid(-z) + self.shift
        if self.steps:
            begins, levels = np.array(self.steps).T
            smooth = 0.5 * (smooth + levels[np.searchsorted(begins[1:], z, side="right")])
        return smooth.astype(logits.dtype)

    @property
    def fits(self) -> bool:
        """Whether it is finite and keeps the ranking."""
        steps = np.array(self.steps).reshape(-1, 2)
        numbers = np.concatenate([[self.rise, self.fall, self.shift], steps.ravel()])
        ascending = bool((np.diff(steps, axis=0) > 0).all())
        return bool(np.isfinite(numbers).all()) and self.rise > 0 and self.fall > 0 and ascending

    def tensors(self) -> dict[str, Tensor]:
        """For the weights' file."""
        return {
            f"{PREFIX}smooth": torch.tensor([self.rise, self.fall, self.shift], dtype=torch.float64),
            f"{PREFIX}steps": torch.tensor(self.steps, dtype=torch.float64).view(-1, 2),
        }

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Calibration:
        """From the weights' file."""
        rise, fall, shift = tensors[f"{PREFIX}smooth"].tolist()
        steps = tuple((begin, level) for begin, level in tensors[f"{PREFIX}steps"].tolist())
        return cls(rise=rise, fall=fall, shift=shift, steps=steps)


def fit_calibration(
    kind: Kind | Literal["chosen"],
    logits: NDArray[np.float32],
    fraud: NDArray[np.bool_],
    newer: NDArray[np.bool_],
    otherwise: Calibration | None = None,
) -> tuple[Calibration, str]:
    """The calibration with the least log loss on rows that training didn't see.

    A kind that needs more frauds than there are gives way to the next simpler one.

    Args:
        kind: the most flexible one wanted; "chosen": the one which, fitted on the older rows, loses least on the newer.
        logits: float32[n].
        fraud: bool[n].
        newer: bool[n], the rows that choose.
        otherwise: what holds where there are too few frauds for any; None: logits as they are.

    Returns:
        The calibration and a line for the data card.

    Source: Platt 1999, "Probabilistic outputs for support vector machines", with his smoothed targets; Guo et al. 2017,
    "On Calibration of Modern Neural Networks", section 4.2; Kull, Silva Filho, Flach 2017, "Beta calibration", eq. 5;
    Zadrozny, Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates".
    """
    positives, negatives = int(fraud.sum()), int((~fraud).sum())
    z = logits.astype(np.float64)
    most: Kind = _chosen(z, fraud, newer) if kind == "chosen" else kind
    allowed = _allowed(most, fraud)
    if not allowed:
        wanted = f"at least {FRAUDS_MIN['temperature']} and {GENUINE_MIN} wanted"
        return otherwise or Calibration(), f"none: {positives} frauds and {negatives} genuine rows, {wanted}"
    used = allowed[-1]
    less = "" if used == most else f", as {most} wants {FRAUDS_MIN[most]}"
    return FITS[used](z, fraud), f"{used} on {len(fraud)} rows, {positives} frauds{less}"


def _allowed(most: Kind, fraud: NDArray[np.bool_]) -> list[Kind]:
    """The kinds up to one that so many frauds bear, the simplest first."""
    if (~fraud).sum() < GENUINE_MIN:
        return []
    return [k for k in SIMPLEST_FIRST[: SIMPLEST_FIRST.index(most) + 1] if fraud.sum() >= FRAUDS_MIN[k]]


def _chosen(z: Wide, fraud: NDArray[np.bool_], newer: NDArray[np.bool_]) -> Kind:
    """Of the kinds that the older rows bear, the one with the least log loss on the newer; Platt's where none can."""
    kinds = _allowed("isotonic", fraud[~newer]) if fraud[newer].any() else []

    def loss(kind: Kind) -> float:
        calibrated = FITS[kind](z[~newer], fraud[~newer]).apply(z[newer]).astype(np.float64)
        return float(np.mean(np.logaddexp(0.0, calibrated) - fraud[newer] * calibrated))

    return min(kinds, key=loss, default="platt")


def _temperature(z: Wide, fraud: NDArray[np.bool_]) -> Calibration:
    (slope,) = _least_loss(z[:, None], fraud, shifted=False)
    return Calibration(rise=slope, fall=slope)


def _platt(z: Wide, fraud: NDArray[np.bool_]) -> Calibration:
    slope, shift = _least_loss(z[:, None], fraud)
    return Calibration(rise=slope, fall=slope, shift=shift)


def _steady(z: Wide, fraud: NDArray[np.bool_]) -> Calibration:
    """Platt's, pulled towards no change, around the logits that decide the loss.

    The rows tell of the model before it was trained again on all of them, and a few dozen frauds tell little: scalings
    that wander from one training to the next make scores of different weeks, and of different agents, incomparable.
    """
    weight = np.exp(_log_sigmoid(z) + _log_sigmoid(-z))
    middle = float(weight @ z / weight.sum())
    slope, shift = _least_loss((z - middle)[:, None], fraud, around=middle, spread=STEADY_SPREAD)
    return Calibration(rise=slope, fall=slope, shift=shift + (1.0 - slope) * middle)


def _beta(z: Wide, fraud: NDArray[np.bool_]) -> Calibration:
    rise, fall, shift = _least_loss(np.stack([_log_sigmoid(z), -_log_sigmoid(-z)], axis=1), fraud)
    return Calibration(rise=rise, fall=fall, shift=shift)


def _isotonic(z: Wide, fraud: NDArray[np.bool_]) -> Calibration:
    """Steps, averaged with the beta calibration: that leaves no ties, and no row at a probability of 0 or 1.

    Of equal logits the steps have one level: their mean is taken before.
    """
    n = len(z)
    values, inverse, counts = np.unique(z, return_inverse=True, return_counts=True)
    share = np.bincount(inverse, weights=fraud) / counts
    level = isotonic_regression(share, sample_weight=counts.astype(np.float64))
    p = (n * level + 1.0) / (n + 2.0)
    begins = np.flatnonzero(np.append(True, np.diff(p) > 0))
    logit = np.log(p[begins]) - np.log1p(-p[begins])
    steps = tuple(zip(values[begins].tolist(), logit.tolist(), strict=True))
    return msgspec.structs.replace(_beta(z, fraud), steps=steps)


FITS: dict[Kind, Callable[[Wide, NDArray[np.bool_]], Calibration]] = {
    "beta": _beta,
    "isotonic": _isotonic,
    "platt": _platt,
    "steady": _steady,
    "temperature": _temperature,
}


def _least_loss(
    columns: Wide,
    fraud: NDArray[np.bool_],
    *,
    shifted: bool = True,
    around: float = 0.0,
    spread: tuple[float, ...] = (),
) -> list[float]:
    """Slopes of the columns float64[n, m], each within bounds, and a shift from `around`: of the least log loss.

    `spread` has the standard deviations of normal priors at slopes of 1 and no shift; empty: flat ones.
    """
    positives = int(fraud.sum())
    target = np.where(fraud, (positives + 1.0) / (positives + 2.0), 1.0 / (len(fraud) - positives + 2.0))
    slopes = columns.shape[1]
    start = np.append(np.ones(slopes), 0.0)[: slopes + shifted]
    pull = np.array(spread) ** -2.0 / len(fraud) if spread else np.zeros(len(start))

    def loss(parameters: Wide) -> tuple[float, Wide]:
        z = around + columns @ parameters[:slopes] + (parameters[slopes] if shifted else 0.0)
        moved = parameters - start
        value = np.mean(np.logaddexp(0.0, z) - target * z) + 0.5 * pull @ moved**2
        residual = (0.5 * (1.0 + np.tanh(0.5 * z)) - target) / len(z)
        return float(value), np.append(residual @ columns, residual.sum())[: slopes + shifted] + pull * moved

    bounds = [*[SLOPE_BOUNDS] * slopes, (None, None)][: slopes + shifted]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return [float(value) for value in found.x]


def _log_sigmoid(z: Wide) -> Wide:
    return np.asarray(-np.logaddexp(0.0, -z))

"""Proximal gradient steps: a smooth loss and beside it a penalty that sets parameters to exact zeros."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import torch
from torch import Tensor, nn

PATIENCE = 10  # steps over which the objective has to fall


class Penalty(Protocol):
    """A penalty of a flat vector of parameters float64[p]."""

    def value(self, theta: Tensor) -> Tensor:
        """What it adds to the loss, float64[]."""

    def shrink(self, theta: Tensor, step: float) -> Tensor:
        """`argmin_u |u - theta|^2 / 2 + step * value(u)`, float64[p]."""


@dataclass(frozen=True, slots=True)
class L1:
    """`sum_i t_i |theta_i|`.

    Attributes:
        thresholds: t, float64[p]; 0 leaves a parameter free, infinity keeps it at 0.
    """

    thresholds: Tensor

    def value(self, theta: Tensor) -> Tensor:
        """See `Penalty`."""
        return torch.where(theta == 0, torch.zeros_like(theta), self.thresholds * theta.abs()).sum()

    def shrink(self, theta: Tensor, step: float) -> Tensor:
        """Soft thresholding."""
        return theta.sign() * (theta.abs() - step * self.thresholds).clamp_min(0.0)


@dataclass(frozen=True, slots=True)
class GroupL1:
    """`t sum_g sqrt(size of g) |theta_g|`: a group is 0 as a whole, or not at all.

    Attributes:
        threshold: t.
        groups: int64[p], of each parameter; -1 leaves it free.

    Source: Yuan, Lin 2006, "Model selection and estimation in regression with grouped variables", section 2.
    """

    threshold: float
    groups: Tensor

    def value(self, theta: Tensor) -> Tensor:
        """See `Penalty`."""
        norms, thresholds = self._norms(theta)
        return (thresholds * norms).sum()

    def shrink(self, theta: Tensor, step: float) -> Tensor:
        """The whole group comes nearer to 0."""
        norms, thresholds = self._norms(theta)
        factors = (1.0 - step * thresholds / norms.clamp_min(1e-300)).clamp_min(0.0)
        return torch.where(self.groups < 0, theta, theta * factors[self.groups.clamp_min(0)])

    def _norms(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Of each group its norm and its threshold, float64[g]."""
        grouped = self.groups >= 0
        own, count = self.groups[grouped], int(self.groups.max()) + 1
        squares = theta.new_zeros(count).index_add_(0, own, theta[grouped] ** 2)
        return squares.sqrt(), self.threshold * torch.bincount(own, minlength=count).sqrt()


def minimise(
    smooth: Callable[[], Tensor],
    parameters: Sequence[Tensor],
    penalty: Penalty,
    *,
    steps_max: int,
    tolerance: float = 1e-8,
) -> tuple[float, int]:
    """Set parameters to a minimum of `smooth() + penalty.value(theta)`, with exact zeros.

    Accelerated steps whose length is found by backtracking; where the objective would rise, the momentum is dropped.

    Args:
        smooth: the loss of the parameters as they are, float64[].
        parameters: float64; changed in place.
        penalty: of all of them, flat and in order.
        steps_max: at most.
        tolerance: stop when `PATIENCE` steps have gained less than this share of the objective.

    Returns:
        The objective, and the number of steps.

    Source: Beck, Teboulle 2009, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems",
    section 4; O'Donoghue, Candes 2015, "Adaptive Restart for Accelerated Gradient Schemes", the function scheme.
    """

    def loss_at(theta: Tensor) -> Tensor:
        nn.utils.vector_to_parameters(theta, parameters)
        return smooth()

    def slope_at(theta: Tensor) -> tuple[float, Tensor]:
        loss = loss_at(theta)
        return float(loss.detach()), nn.utils.parameters_to_vector(torch.autograd.grad(loss, parameters))

    now = nn.utils.parameters_to_vector(parameters).detach().clone()
    ahead, momentum, curvature = now, 1.0, 1.0
    with torch.no_grad():
        objectives = [float(loss_at(now) + penalty.value(now))]
    for _ in range(steps_max):
        loss, slope = slope_at(ahead)
        with torch.no_grad():
            while True:
                then = penalty.shrink(ahead - slope / curvature, 1.0 / curvature)
                move, new_loss = then - ahead, float(loss_at(then))
                bound = loss + float(slope @ move) + 0.5 * curvature * float(move @ move)
                if new_loss <= bound + 1e-12 * abs(bound):
                    break
                curvature *= 2.0
            objective = new_loss + float(penalty.value(then))
        if objective > objectives[-1] and momentum > 1.0:
            ahead, momentum = now, 1.0
            continue
        after = 0.5 * (1.0 + sqrt(1.0 + 4.0 * momentum**2))
        ahead, now = then + (momentum - 1.0) / after * (then - now), then
        momentum, curvature = after, 0.95 * curvature
        objectives.append(objective)
        if len(objectives) > PATIENCE and objectives[-1 - PATIENCE] - objective < tolerance * abs(objective):
            break
    nn.utils.vector_to_parameters(now, parameters)
    return objectives[-1], len(objectives) - 1

"""The number of experts that take part, from data."""

from __future__ import annotations

import numpy as np

from agents.genome import Genome
from agents.top_k_choice import choose_top_k

NAMES = ("a", "b", "c")


def rows(n: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """In four quarters of the plane fraud follows c in four ways."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    slope = np.where(x[:, 0] > 0, np.where(x[:, 1] > 0, 4, -4), np.where(x[:, 1] > 0, -1, 1))
    return x.astype(np.float32), rng.random(n) < 1 / (1 + np.exp(1.5 - slope * x[:, 2])), np.arange(n)


def test_the_smallest_k_that_is_as_good_as_the_best_is_kept() -> None:
    x, y, times = rows()
    genome = Genome(expert="logistic", experts=8, bins=4, epochs_max=8, batch=256, learning_rate=0.02, averaging=0.9)
    choice = choose_top_k(genome, x, y, times, feature_names=NAMES, threads=1)
    assert choice.genome.gate == "top_k"
    assert choice.genome.top_k in choice.log_loss
    assert 8 in choice.log_loss  # the dense gate stands beside the sparse ones
    assert 2 in choice.log_loss
    assert 1 <= choice.taking_part <= 8
    best = min(choice.log_loss.values())
    assert choice.log_loss[choice.genome.top_k] < best + 0.02
    assert choice.genome.experts == genome.experts
    assert choice.genome.refit == genome.refit


def test_one_expert_that_says_it_all_needs_no_more_than_two() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 3)).astype(np.float32)
    y = rng.random(2000) < 1 / (1 + np.exp(1.0 - 2 * x[:, 2]))
    genome = Genome(expert="logistic", experts=6, bins=4, epochs_max=6, batch=256, features=("c", "a"))
    choice = choose_top_k(genome, x, y, np.arange(2000), feature_names=NAMES, threads=1)
    assert choice.genome.top_k == 2

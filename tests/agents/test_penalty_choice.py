"""The strength of the lasso's penalty, from data."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from agents.errors import GenomeError
from agents.genome import Genome
from agents.penalty_choice import PenaltyChoice, choose_penalty

LASSO = Genome(expert="logistic", experts=2, encoder="plain", penalty="l1", genuine_per_fraud=1e6, members=2)
NAMES = tuple(f"x{j}" for j in range(16))


@cache
def rows(n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Two of sixteen features tell the fraud."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, len(NAMES))).astype(np.float32)
    return x, rng.random(n) < 1 / (1 + np.exp(2.5 - 2 * x[:, 3] - 1.5 * x[:, 7]))


@cache
def choice() -> PenaltyChoice:
    x, y = rows()
    return choose_penalty(LASSO, x, y, np.arange(len(x)), feature_names=NAMES, threads=1, strengths=(1.0, 0.1, 16.0))


def test_the_chosen_penalty_finds_the_features_where_a_weak_one_keeps_noise_and_a_strong_one_nothing() -> None:
    kept = {c: set(agent.card.selected_features or ()) for c, agent in choice().agents.items()}
    c = choice().genome.penalty_experts
    assert c == choice().genome.penalty_gate == 1.0 == max(choice().bic, key=lambda c: choice().bic[c])
    assert {"x3", "x7"} <= kept[c]
    assert len(kept[c]) < 6 < len(kept[0.1])
    assert kept[16.0] == set()


def test_bic_is_the_older_rows_log_likelihood_less_half_the_logarithm_of_their_number_for_each_weight() -> None:
    x, y = rows()
    bic, weights = choice().bic, choice().weights
    none = choice().agents[16.0]
    older = np.arange(len(x)) < none.card.validation_from_event_time
    share, n = y[older].mean(), older.sum()
    assert weights[16.0] == 4  # only biases: of two experts and their rows of the gate
    likelihood = n * (share * np.log(share) + (1 - share) * np.log(1 - share))
    assert bic[16.0] == pytest.approx(likelihood - 0.5 * np.log(n) * 4, rel=1e-3)
    assert weights[0.1] > weights[1.0] > weights[16.0]


def test_all_else_of_the_genome_stays() -> None:
    assert choice().genome.members == LASSO.members == 2
    assert choice().genome.refit is LASSO.refit is True


@pytest.mark.parametrize("genome", [Genome(expert="logistic"), Genome(expert="logistic", penalty="l1", loss="focal")])
def test_without_a_penalty_or_with_another_loss_it_is_refused(genome: Genome) -> None:
    x, y = rows()
    with pytest.raises(GenomeError, match="allowed: a penalty, and the log loss"):
        choose_penalty(genome, x, y, np.arange(len(x)), feature_names=NAMES)

"""Features that only tell the time."""

from __future__ import annotations

import numpy as np
import pytest

from agents.columns import trend
from agents.errors import TrainingDataError
from agents.genome import Genome
from agents.training import train

ROWS = 600
TIMES = np.arange(ROWS) * 60_000
NAMES = ("serial", "amount", "shop")
GENOME = Genome(experts=2, hidden=4, epochs_max=1, trend_max=0.9)


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    amount = rng.normal(size=ROWS)
    x = np.column_stack([np.arange(ROWS), amount, np.arange(ROWS) // 100 + 1]).astype(np.float32)
    return x, amount + rng.normal(size=ROWS) > 1.5


def names_used(genome: Genome, **options: object) -> tuple[str, ...]:
    x, y = rows()
    agent = train(genome, x, y, TIMES, feature_names=NAMES, threads=1, **options)  # type: ignore[arg-type]
    assert agent.logits(x[:, [NAMES.index(n) for n in agent.feature_names]]).shape == (ROWS,)
    return agent.feature_names


def test_a_serial_number_is_found_and_left_out_and_categories_stay() -> None:
    assert names_used(GENOME, categorical=frozenset({"shop"})) == ("amount", "shop")


def test_all_columns_stay_unless_the_genome_asks() -> None:
    assert names_used(Genome(experts=2, hidden=4, epochs_max=1)) == NAMES


def test_an_agent_that_starts_from_another_uses_its_features() -> None:
    x, y = rows()
    first = train(GENOME, x, y, TIMES, feature_names=NAMES, threads=1)
    still = x.copy()
    still[:, 0] = np.random.default_rng(1).normal(size=ROWS)  # no trend any more
    warm = train(GENOME, still, y, TIMES, feature_names=NAMES, threads=1, warm_start=first)
    assert warm.feature_names == first.feature_names == ("amount",)


def test_features_that_all_follow_time_are_refused_in_one_line() -> None:
    x, y = rows()
    with pytest.raises(TrainingDataError, match=r"features: found a trend .* each, allowed: one of at most 0\.9"):
        train(GENOME, x[:, :1], y, TIMES, feature_names=NAMES[:1], threads=1)


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (np.arange(50.0), 1.0),
        (-(np.arange(50.0) ** 3), 1.0),
        (np.ones(50), 0.0),
        (np.full(50, np.nan), 0.0),
        (np.where(np.arange(50) % 2, np.nan, np.arange(50.0)), 1.0),
    ],
)
def test_a_trend_is_a_rank_correlation_of_what_is_known(column: np.ndarray, wanted: float) -> None:
    assert trend(column.astype(np.float32), np.arange(50)) == pytest.approx(wanted)

"""Equal trials for every learner, what a cut run finds again, and the decay after a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift.cache import Cache
from benchmarks.handbook_data import derived
from benchmarks.horizon import by_week, slope, slope_error
from benchmarks.later_data import TRANSFER, Later, before, judged
from benchmarks.learners import FOREST, LIGHTGBM, NEURAL, TABM, TREES, XGBOOST, Choice, Learner, Rows, Score
from benchmarks.tuning import TRIALS, Split, fitted, lineup, tuned
from tests.benchmarks.test_drift import history


def split(rows: int = 400) -> Split:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * rows, 3)).astype(np.float32)
    fraud = x[:, 0] + 0.3 * rng.normal(size=2 * rows) > 1.5
    train = Rows(x=x[:rows], fraud=fraud[:rows], event_time=np.arange(rows), names=("a", "b", "c"))
    return Split(name="small", train=train, x=x[rows:], fraud=fraud[rows:])


class Counting:
    """A learner that is right when `good` is 2, and counts its fits."""

    def __init__(self) -> None:
        self.fits = 0
        self.learner = Learner(name="counting", choices={"good": (0, 1, 2)}, fit=self.fit)

    def fit(self, _rows: Rows, choice: Choice, _seed: int) -> Score:
        self.fits += 1
        return lambda z: z[:, int(choice["good"] or 0) - 2].astype(np.float64)  # columns b, c, a


def test_the_best_of_equally_many_trials_is_taken_and_a_second_run_fits_nothing(tmp_path: Path) -> None:
    counting, cache = Counting(), Cache(tmp_path, seed=0)
    assert tuned(cache, split(), counting.learner) == {"good": 2}
    assert counting.fits == 3, "the same choice is not fitted twice"
    assert tuned(Cache(tmp_path, seed=0), split(), counting.learner) == {"good": 2}
    assert counting.fits == 3


@pytest.mark.parametrize("learner", [LIGHTGBM, XGBOOST, FOREST, TABM, TREES, NEURAL], ids=lambda one: one.name)
def test_the_first_trial_of_every_learner_is_its_defaults_and_the_others_are_among_its_choices(
    learner: Learner,
) -> None:
    drawn = [learner.drawn(trial, seed=0) for trial in range(TRIALS)]
    assert drawn[0] == {name: values[0] for name, values in learner.choices.items()}
    assert all(choice[name] in values for choice in drawn for name, values in learner.choices.items())
    assert len({str(choice) for choice in drawn}) > TRIALS // 2


@pytest.mark.parametrize("learner", [LIGHTGBM, XGBOOST, FOREST, TABM, TREES, NEURAL], ids=lambda one: one.name)
def test_every_learner_finds_what_is_easy_to_find(learner: Learner, tmp_path: Path) -> None:
    small = split()
    found = fitted(Cache(tmp_path, seed=0), small, learner, learner.drawn(0, seed=0), seed=0)
    assert found.score[small.fraud].mean() > found.score[~small.fraud].mean()
    assert found.seconds > 0


def test_a_lineup_is_the_mean_of_its_agents_logits(tmp_path: Path) -> None:
    cache = Cache(tmp_path, seed=0)
    one, two = (cache.scores("s", name, lambda v=v: np.full(3, v)) for name, v in (("one", 1.0), ("two", 3.0)))
    assert lineup([one, two]).score.tolist() == [2.0, 2.0, 2.0]
    assert lineup([one, two]).seconds == one.seconds + two.seconds


def test_the_extended_features_are_the_amount_beside_its_usual_and_how_old_a_terminals_frauds_are() -> None:
    values = {
        "amount": 50.0, "customer_mean_7d": 10.0, "customer_mean_30d": 0.0, "terminal_mean_30d": 25.0,
        "customer_count_1d": 2.0, "customer_count_30d": 8.0, "terminal_delayed_count_1d": 2.0,
        "terminal_delayed_count_7d": 10.0, "terminal_delayed_count_30d": 30.0, "terminal_fraud_share_1d": 0.5,
        "terminal_fraud_share_7d": 0.2, "terminal_fraud_share_30d": 0.1,
    }  # fmt: skip
    found = {k: v[0] for k, v in derived(tuple(values), np.array([list(values.values())], np.float32)).items()}
    assert found["amount_to_customer_mean_7d"] == 5.0
    assert found["amount_to_customer_mean_30d"] == 5000.0, "a mean of nothing counts as a cent"
    assert found["customer_count_1d_to_30d"] == 0.25
    assert [found[f"terminal_frauds_{w}"] for w in ("1d", "7d", "30d")] == pytest.approx([1.0, 2.0, 3.0], abs=1e-5)
    assert found["terminal_fraud_share_before_7d"] == pytest.approx(1 / 20, abs=1e-5)


def test_tuning_looks_at_the_trainings_own_days_with_a_gap_and_never_at_those_that_are_judged() -> None:
    past = history()
    later = Later(name="small", files=(), read=lambda _data: past, train=(0, 19), test=(25, 29))
    tuning, judging = before(later, past), judged(later, past)
    assert len(judging.train.x) == int((past.day <= 19).sum())
    assert len(judging.x) == int((past.day >= 25).sum())
    held_out, learnt = 6 * 40, 11 * 40  # of 20 days the newest 6, behind a gap of 3
    assert (len(tuning.x), len(tuning.train.x)) == (held_out, learnt)


@pytest.mark.parametrize("stream", TRANSFER, ids=lambda one: one.name)
def test_no_stream_is_judged_on_days_that_were_learnt(stream: Later) -> None:
    assert stream.train[1] < stream.test[0]


def test_decay_is_the_slope_of_the_weeks_ap_and_a_short_last_week_does_not_count() -> None:
    since = np.repeat(np.arange(16), 10)  # two weeks and two days
    fraud = np.arange(160) % 10 == 0
    score = np.where(fraud, 1.0, 0.0)
    score[since >= 7] = 0.5  # blind from the second week on
    curve = by_week(fraud, score, since)
    assert curve.tolist() == pytest.approx([1.0, 0.1])
    assert slope(curve) == pytest.approx(-0.9)


def test_a_slope_without_anything_left_over_has_no_error() -> None:
    assert slope_error(np.array([0.5, 0.4, 0.3, 0.2])) == pytest.approx(0.0, abs=1e-9)
    assert slope_error(np.array([0.5, 0.3, 0.5, 0.3])) == pytest.approx(0.2 * np.sqrt(0.8 / 2 / 5))

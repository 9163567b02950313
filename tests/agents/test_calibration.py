"""Calibration: probabilities move to where the frauds are, the ranking stays."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.calibration import FITS, FRAUDS_MIN, Calibration, Kind, fit_calibration
from agents.genome import Genome
from agents.metrics import auc, average_precision, calibration_error
from agents.training import train
from agents.weights import load_agent, save_agent

KINDS = typing.get_args(Kind)
BENT = Calibration(rise=1.3, fall=0.4, shift=-0.5, steps=((-6.0, -7.0), (-3.0, -2.5), (0.0, 1.5)))


def sample(n: int = 20_000, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-3, 1.5, n)
    return logits, rng.random(n) < 1 / (1 + np.exp(-logits))


def fitted(
    kind: Kind | typing.Literal["chosen"], logits: NDArray[np.floating], fraud: NDArray[np.bool_]
) -> Calibration:
    return fit_calibration(kind, logits.astype(np.float32), fraud, np.arange(len(fraud)) >= len(fraud) // 2)[0]


def error(calibration: Calibration, logits: NDArray[np.floating], fraud: NDArray[np.bool_]) -> float:
    return calibration_error(fraud, 1 / (1 + np.exp(-calibration.apply(logits.astype(np.float64)))))


@pytest.mark.parametrize(("slope", "shift"), [(2.0, 1.0), (0.5, -2.0), (1.0, 3.0)])
def test_a_distorted_logit_comes_back(slope: float, shift: float) -> None:
    logits, fraud = sample()
    distorted = (logits - shift) / slope
    platt = fitted("platt", distorted, fraud)
    assert platt.rise == platt.fall == pytest.approx(slope, rel=0.06)
    assert platt.shift == pytest.approx(shift, abs=0.15)
    assert error(platt, distorted, fraud) < 0.005


def test_a_temperature_stretches_and_moves_nothing() -> None:
    logits, fraud = sample()
    found = fitted("temperature", logits / 3, fraud)
    assert found.rise == found.fall == pytest.approx(3.0, rel=0.06)
    assert found.shift == 0.0


def test_a_steady_calibration_moves_a_tenth_as_far_as_platts_on_few_frauds_and_follows_many() -> None:
    def found(kind: Kind, n: int, shift: float, seed: int) -> float:
        logits, fraud = sample(n, seed)
        return float(fitted(kind, logits - shift, fraud).apply(np.array([-3.0]))[0])

    few = {kind: np.array([found(kind, 400, 0.0, seed) for seed in range(20)]) for kind in ("platt", "steady")}
    assert 20 < np.mean([sample(400, seed)[1].sum() for seed in range(20)]) < 60
    assert few["steady"].std() < 0.3 * few["platt"].std()
    assert np.abs(few["steady"] + 3.0).max() < 0.2
    assert found("steady", 60_000, 0.8, 0) == pytest.approx(-2.2, abs=0.1)


@pytest.mark.parametrize(("loss", "used"), [("log", "steady"), ("focal", "platt")])
def test_logits_that_are_no_log_odds_are_not_held_where_they_are(loss: str, used: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2)).astype(np.float32)
    y = x[:, 0] + rng.normal(size=2000) > 1.5
    genome = Genome(expert="logistic", experts=2, epochs_max=1, bins=4, loss=loss, calibration="steady")  # type: ignore[arg-type]
    card = train(genome, x, y, np.arange(2000), feature_names=("a", "b"), threads=1).card
    assert card.calibration.startswith(f"{used} on")


def test_a_beta_calibration_is_that_of_the_reference_and_finds_what_bent_a_logit() -> None:
    vector = Calibration(rise=1.2, fall=0.8, shift=-0.3).apply(np.log([0.01 / 0.99]))
    assert 1 / (1 + np.exp(-vector[0])) == pytest.approx(0.00296425, rel=1e-5)
    np.testing.assert_array_equal(Calibration().apply(np.array([-4.0, 2.0])), [-4.0, 2.0])
    logits = sample(60_000)[0] + 2.0
    bent = Calibration(rise=1.6, fall=0.5, shift=0.7)
    fraud = np.random.default_rng(1).random(len(logits)) < 1 / (1 + np.exp(-bent.apply(logits)))
    found = fitted("beta", logits, fraud)
    assert (found.rise, found.fall, found.shift) == pytest.approx((1.6, 0.5, 0.7), abs=0.15)


def test_isotonic_follows_a_bend_that_a_line_cannot() -> None:
    logits, _ = sample(60_000)
    true = np.where(logits < -3, -6.0, -1.0) + 0.1 * logits
    fraud = np.random.default_rng(1).random(len(logits)) < 1 / (1 + np.exp(-true))
    assert error(fitted("isotonic", logits, fraud), logits, fraud) < 0.5 * error(
        fitted("platt", logits, fraud), logits, fraud
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_ranking_and_its_figures_stay_to_the_bit(kind: Kind, seed: int) -> None:
    logits, fraud = sample(30_000, seed)
    raw = logits.astype(np.float32)
    assert fraud.sum() > FRAUDS_MIN[kind]
    after = fitted(kind, logits, fraud).apply(np.sort(raw).astype(np.float64))
    assert (np.diff(after)[np.diff(np.sort(raw)) > 0] > 0).all()  # no ties, where isotonic steps alone have many
    wide = fitted(kind, logits, fraud).apply(raw.astype(np.float64))
    assert np.isfinite(wide).all()
    assert average_precision(fraud, wide) == average_precision(fraud, raw.astype(np.float64))
    assert auc(fraud, wide) == auc(fraud, raw.astype(np.float64))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), flip=st.booleans(), kind=st.sampled_from(KINDS))
def test_a_map_ascends_whatever_the_rows_say(seed: int, flip: bool, kind: Kind) -> None:
    logits, fraud = sample(300, seed)
    found = FITS[kind](-logits if flip else logits, fraud)
    assert found.fits
    assert (np.diff(found.apply(np.linspace(-40, 40, 400))) > 0).all()


@pytest.mark.parametrize("kind", [*KINDS, "chosen"])
@pytest.mark.parametrize("frauds", [0, FRAUDS_MIN["temperature"] - 1])
def test_too_few_frauds_leave_logits_alone_and_say_so(kind: Kind, frauds: int) -> None:
    logits, fraud = np.linspace(-5, 0, 500).astype(np.float32), np.arange(500) < frauds
    before = Calibration(rise=2.0, fall=2.0)
    assert fit_calibration(kind, logits, fraud, ~fraud)[0] == Calibration()
    kept, said = fit_calibration(kind, logits, fraud, ~fraud, before)
    assert kept == before
    assert said.startswith(f"none: {frauds} frauds")


@pytest.mark.parametrize(
    ("wanted", "frauds", "used"),
    [("isotonic", 1000, "isotonic"), ("isotonic", 999, "beta"), ("isotonic", 199, "platt"), ("beta", 40, "platt")],
)
def test_a_kind_that_wants_more_frauds_gives_way_to_a_simpler_one(wanted: Kind, frauds: int, used: str) -> None:
    logits = np.random.default_rng(0).normal(-3, 1, 4000).astype(np.float32)
    fraud = np.arange(4000) < frauds
    said = fit_calibration(wanted, logits, fraud, ~fraud)[1]
    assert said.startswith(f"{used} on 4000 rows, {frauds} frauds")
    assert (f"as {wanted} wants {FRAUDS_MIN[wanted]}" in said) == (used != wanted)


def test_the_kind_that_loses_least_on_the_newer_rows_is_chosen() -> None:
    logits, fraud = sample(60_000)
    bent = np.where(logits < -3, -6.0, -1.0) + 0.1 * logits
    by_steps = np.random.default_rng(1).random(len(logits)) < 1 / (1 + np.exp(-bent))
    assert fitted("chosen", logits, by_steps).steps
    stretched = fitted("chosen", logits / 2 - 1, fraud)
    assert stretched.rise == pytest.approx(2.0, rel=0.1)
    assert not stretched.steps


@pytest.mark.parametrize("kind", ["isotonic", "beta", "temperature", "chosen"])
def test_an_agent_keeps_its_calibration_and_its_reasons_add_up(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3)).astype(np.float32)
    y = x[:, 0] + 0.5 * rng.normal(size=3000) > 1.2
    genome = Genome(
        expert="trees", experts=2, rounds=10, leaves=4, hidden=4, bins=4, epochs_max=1, calibration=kind, refit=False
    )  # type: ignore[arg-type]
    agent = train(genome, x, y, np.arange(3000), feature_names=("a", "b", "c"), threads=1)
    agent = agent if kind != "isotonic" else dataclasses.replace(agent, calibration=BENT)
    again = load_agent(tmp_path / "agent", save_agent(agent, tmp_path / "agent"))
    assert again.calibration == agent.calibration
    np.testing.assert_array_equal(again.logits(x), agent.logits(x))
    some = x[:100]
    total = agent.starts(some) + agent.contributions(some).sum(axis=1)
    np.testing.assert_allclose(total, agent.logits(some), atol=1e-4)
    assert agent.calibration.tensors()["calibration.smooth"].dtype == torch.float64

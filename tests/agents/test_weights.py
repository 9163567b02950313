"""Agents on disk: what was saved comes back, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from agents.errors import WeightsError
from agents.genome import Genome
from agents.model import Agent
from agents.training import train
from agents.weights import CARD, GENOME, WEIGHTS, load_agent, save_agent

NAMES = ("amount", "hour", "country")
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def agent() -> Agent:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.lognormal(3, 1, 400), rng.uniform(0, 24, 400), rng.integers(1, 5, 400)]).astype(np.float32)
    times = np.linspace(0, 10 * DAY_MS, 400).astype(np.int64)
    genome = Genome(experts=3, hidden=4, bins=4, epochs_max=1)
    return train(genome, x, x[:, 0] > 40, times, feature_names=NAMES, categorical=frozenset({"country"}), threads=1)


@pytest.fixture
def saved(agent: Agent, tmp_path: Path) -> tuple[Path, str]:
    return tmp_path / agent.id, save_agent(agent, tmp_path / agent.id)


def refusal(folder: Path, checksum: str | None = None) -> str:
    with pytest.raises(WeightsError) as refused:
        load_agent(folder, checksum)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load((folder / WEIGHTS).read_bytes())
    change(tensors)
    (folder / WEIGHTS).write_bytes(save(tensors))


def test_a_flipped_bit_is_refused(saved: tuple[Path, str]) -> None:
    folder, checksum = saved
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert f"allowed: {checksum}" in refusal(folder, checksum)


@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"{}" * 50])
def test_bytes_that_are_not_safetensors_are_refused(saved: tuple[Path, str], data: bytes) -> None:
    folder, _ = saved
    (folder / WEIGHTS).write_bytes(data)
    assert "allowed: a safetensors file" in refusal(folder)


def test_a_cut_file_is_refused_without_a_checksum_too(saved: tuple[Path, str]) -> None:
    folder, _ = saved
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-8])
    assert "allowed: a safetensors file" in refusal(folder)


def test_a_typical_row_of_another_width_is_refused(saved: tuple[Path, str]) -> None:
    folder, checksum = saved
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "typical": card["typical"][:-1]}))
    with pytest.raises(WeightsError, match="allowed: one for each feature, or none"):
        load_agent(folder, checksum)


@pytest.mark.parametrize("name", [WEIGHTS, GENOME, CARD])
def test_a_missing_file_is_refused(saved: tuple[Path, str], name: str) -> None:
    folder, _ = saved
    (folder / name).unlink()
    assert "allowed: a readable file" in refusal(folder)


def test_the_weights_of_another_genome_are_refused(saved: tuple[Path, str]) -> None:
    folder, _ = saved
    genome = json.loads((folder / GENOME).read_text())
    (folder / GENOME).write_text(json.dumps({**genome, "experts": 5}))
    assert "found float32[3" in refusal(folder)


def test_a_card_that_lacks_its_fields_is_refused(saved: tuple[Path, str]) -> None:
    folder, _ = saved
    (folder / CARD).write_text("{}")
    assert "allowed: a DataCard" in refusal(folder)


def test_a_card_with_another_number_of_features_is_refused(saved: tuple[Path, str]) -> None:
    folder, _ = saved
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "feature_names": ["amount", "country"]}))
    refusal(folder)


@pytest.mark.parametrize("name", ["calibration.smooth", "inputs.center", "network.members.0.experts.bias"])
def test_a_missing_tensor_is_refused(saved: tuple[Path, str], name: str) -> None:
    rewrite(saved[0], lambda tensors: tensors.pop(name))
    assert f"missing: ['{name}']" in refusal(saved[0])


def test_a_tensor_that_nobody_asked_for_is_refused(saved: tuple[Path, str]) -> None:
    rewrite(saved[0], lambda tensors: tensors.update(more=torch.zeros(1)))
    assert "unknown: ['more']" in refusal(saved[0])


@pytest.mark.parametrize(
    "name", ["calibration.smooth", "inputs.center", "inputs.codes.0", "network.members.0.experts.bias"]
)
def test_values_that_are_not_finite_are_refused(saved: tuple[Path, str], name: str) -> None:
    rewrite(saved[0], lambda tensors: tensors[name].fill_(float("nan")))
    assert "allowed: finite values" in refusal(saved[0])


@pytest.mark.parametrize("name", ["calibration.smooth", "inputs.median", "network.members.0.gate.linear.weight"])
def test_another_shape_or_type_is_refused(saved: tuple[Path, str], name: str) -> None:
    rewrite(saved[0], lambda tensors: tensors.update({name: tensors[name].flatten()[:1].clone()}))
    assert f"{name}: found " in refusal(saved[0])
    rewrite(saved[0], lambda tensors: tensors.update({name: tensors[name].to(torch.float16)}))
    assert "float16" in refusal(saved[0])


@pytest.mark.parametrize("column", [-1, 1, 99])
def test_columns_out_of_range_are_refused(saved: tuple[Path, str], column: int) -> None:
    rewrite(saved[0], lambda tensors: tensors["inputs.categorical"].fill_(column))
    assert "allowed: those of its features" in refusal(saved[0])


def test_a_calibration_that_turns_the_ranking_round_is_refused(saved: tuple[Path, str]) -> None:
    rewrite(saved[0], lambda tensors: tensors["calibration.smooth"].mul_(-1))
    assert "calibration: found slopes or steps that turn the ranking round" in refusal(saved[0])


@pytest.mark.parametrize("steps", [[[0.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [0.0, 2.0]], [[2.0, -1.0], [1.0, 3.0]]])
def test_calibration_steps_that_do_not_ascend_are_refused(saved: tuple[Path, str], steps: list[list[float]]) -> None:
    found = torch.tensor(steps, dtype=torch.float64)
    rewrite(saved[0], lambda tensors: tensors.update({"calibration.steps": found}))
    assert "calibration: found slopes or steps that turn the ranking round" in refusal(saved[0])


def header_only(path: Path, shape: list[int]) -> None:
    """A file that promises tensors and has none of their bytes."""
    size = 4
    for n in shape:
        size *= n
    header = json.dumps({"network.x": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


@pytest.mark.parametrize("shape", [[1_000_000_000], [50_000, 50_000], [2] * 40])
def test_a_billion_parameters_are_refused_before_anything_is_allocated(
    saved: tuple[Path, str], shape: list[int]
) -> None:
    header_only(saved[0] / WEIGHTS, shape)
    assert "parameters, allowed: at most 50,000,000" in refusal(saved[0])


@pytest.mark.parametrize("size", [0, 1 << 60])
def test_a_header_of_an_impossible_size_is_refused(saved: tuple[Path, str], size: int) -> None:
    (saved[0] / WEIGHTS).write_bytes(size.to_bytes(8, "little") + b"{}")
    assert "allowed: a safetensors file" in refusal(saved[0])


def test_a_card_of_an_impossible_size_is_refused(saved: tuple[Path, str]) -> None:
    with (saved[0] / CARD).open("r+b") as card:
        card.truncate(1 << 40)
    assert "allowed: at most" in refusal(saved[0])

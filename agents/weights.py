"""An agent on disk: safetensors with a checksum, genome and data card as JSON. Nothing is unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from agents.calibration import Platt
from agents.data_card import DataCard
from agents.errors import WeightsError
from agents.genome import Genome
from agents.inputs import InputStats
from agents.mixture import Mixture
from agents.model import Agent

WEIGHTS, GENOME, CARD = "weights.safetensors", "genome.json", "card.json"
BYTES_MAX = 1 << 30
T = TypeVar("T", bound=msgspec.Struct)


def save_agent(agent: Agent, folder: Path) -> str:
    """Write an agent into its folder.

    Returns:
        SHA-256 of the weights' file, hex.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = save(all_tensors(agent))
    (folder / GENOME).write_bytes(msgspec.json.format(msgspec.json.encode(agent.genome), indent=2))
    (folder / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(agent.card), indent=2))
    partial = folder / f"{WEIGHTS}.partial"
    partial.write_bytes(data)
    partial.replace(folder / WEIGHTS)
    return hashlib.sha256(data).hexdigest()


def load_agent(folder: Path, checksum: str | None) -> Agent:
    """Read an agent back.

    Args:
        folder: that `save_agent` wrote.
        checksum: what the weights must hash to; None trusts the file.

    Raises:
        WeightsError: a file is missing or unreadable; the checksum, a name, a shape or a value is wrong.
    """
    path = folder / WEIGHTS
    data = _bytes(path)
    found = hashlib.sha256(data).hexdigest()
    if checksum is not None and found != checksum:
        raise WeightsError(str(path), f"checksum {found}", checksum)
    genome, card = _json(folder / GENOME, Genome), _json(folder / CARD, DataCard)
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise WeightsError(str(path), error, "a safetensors file") from error
    try:
        inputs = InputStats.of(tensors)
        platt = Platt(slope=float(tensors["platt"][0]), shift=float(tensors["platt"][1]))
    except (KeyError, IndexError) as error:
        raise WeightsError(str(path), f"no tensor {error}", "every tensor of an agent") from error
    mixture = Mixture(genome, torch.from_numpy(inputs.edges), [len(c) + 2 for c in inputs.codes], 0.0)
    _fill(mixture, tensors, path)
    return Agent(folder.name, genome, card, inputs, mixture.eval(), platt)


def all_tensors(agent: Agent) -> dict[str, Tensor]:
    """Everything that scores depend on, by name."""
    network = {f"mixture.{k}": v.contiguous() for k, v in agent.mixture.state_dict().items()}
    platt = torch.tensor([agent.platt.slope, agent.platt.shift], dtype=torch.float64)
    return {**network, **agent.inputs.tensors(), "platt": platt}


def _fill(mixture: Mixture, tensors: Mapping[str, Tensor], path: Path) -> None:
    given = {k.removeprefix("mixture."): v for k, v in tensors.items() if k.startswith("mixture.")}
    wanted = mixture.state_dict()
    if given.keys() != wanted.keys():
        raise WeightsError(str(path), sorted(given.keys() ^ wanted.keys()), "the tensors of its genome")
    for name, tensor in given.items():
        if tensor.shape != wanted[name].shape:
            raise WeightsError(f"{path} {name}", f"shape {list(tensor.shape)}", str(list(wanted[name].shape)))
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} {name}", "values that aren't finite", "finite values")
    mixture.load_state_dict(given)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise WeightsError(str(path), f"{path.stat().st_size} bytes", f"at most {BYTES_MAX}")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(str(path), error.strerror, "a readable file") from error


def _json(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_bytes(path), type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise WeightsError(str(path), error, f"a {kind.__name__}") from error

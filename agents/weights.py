"""An agent on disk: safetensors with a checksum, genome and data card as JSON. Nothing is unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import numpy as np
import torch
from msgspec import Meta
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from agents import graph, online
from agents.calibration import PREFIX as CALIBRATION
from agents.calibration import Calibration
from agents.data_card import DataCard
from agents.errors import GenomeError, WeightsError
from agents.forest import TREES, Forest
from agents.gates.task_aware import task_at
from agents.genome import Genome
from agents.graph import GraphAgent
from agents.inputs import InputStats
from agents.mixture import Committee
from agents.model import Agent
from agents.online import OnlineAgent
from agents.rule_features import seen, seen_categorical, seen_names

WEIGHTS, GENOME, CARD = "weights.safetensors", "genome.json", "card.json"
NETWORK = "network."  # prefix of the network's tensors
JSON_BYTES_MAX = 8 << 20
HEADER_BYTES_MAX = 8 << 20
PARAMETERS_MAX = 50_000_000  # numbers in one agent: 200 MB; counted before anything is allocated for them
_FILE_BYTES_MAX = 8 * PARAMETERS_MAX + HEADER_BYTES_MAX  # int64 and float64 are the widest
T = TypeVar("T", bound=msgspec.Struct)


def save_agent(agent: Agent | GraphAgent | OnlineAgent, folder: Path) -> str:
    """Write an agent into its folder.

    Returns:
        SHA-256 of the weights' file, hex.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = save(all_tensors(agent) if isinstance(agent, Agent) else agent.tensors())
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
    parts = _read(folder, checksum)
    if graph.MODEL in parts.tensors:
        raise WeightsError(str(parts.path), "an ONNX graph from another library", "a mixture that was trained here")
    if online.ESTIMATOR in parts.tensors:
        raise WeightsError(str(parts.path), "an estimator that learns row by row", "a mixture that was trained here")
    return _agent(parts)


def load_scorer(folder: Path, checksum: str | None) -> Agent | GraphAgent | OnlineAgent:
    """Read back whatever scores: an agent, a graph from another library, or an estimator that learns row by row.

    Args:
        folder: that `save_agent` wrote.
        checksum: what the weights must hash to; None trusts the file.

    Raises:
        WeightsError: as `load_agent`, or a graph or an estimator that isn't allowed.
    """
    parts = _read(folder, checksum)
    if online.ESTIMATOR in parts.tensors:
        wanted = {**online.expected_tensors(parts.card, parts.tensors), **_expected_calibration(parts.tensors)}
        inputs, _ = _checked(parts, wanted, len(parts.card.feature_names))
        return online.restored(parts.path.parent.name, parts.genome, parts.card, inputs, parts.tensors)
    return _graph_agent(parts) if graph.MODEL in parts.tensors else _agent(parts)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an agent's folder holds: tensors by name, and the path of their file."""

    path: Path
    genome: Genome
    card: DataCard
    tensors: Mapping[str, Tensor]


def _read(folder: Path, checksum: str | None) -> _Parts:
    path = folder / WEIGHTS
    refuse_giant(path)
    data = _bytes(path, _FILE_BYTES_MAX)
    found = hashlib.sha256(data).hexdigest()
    if checksum is not None and found != checksum:
        raise WeightsError(str(path), f"checksum {found}", checksum)
    genome, card = _json(folder / GENOME, Genome), _json(folder / CARD, DataCard)
    try:
        return _Parts(path, genome, card, load(data))
    except SafetensorError as error:
        raise WeightsError(str(path), error, "a safetensors file") from error


def _agent(parts: _Parts) -> Agent:
    path, genome, card, tensors = parts.path, parts.genome, parts.card, parts.tensors
    try:
        task = task_at(genome, seen_categorical(genome, card.categorical))
    except GenomeError as error:
        raise WeightsError(str(path.parent / GENOME), error, "a genome that fits its data card") from error
    columns = len(seen_names(genome, card.feature_names))
    inputs, calibration = _checked(parts, expected_tensors(genome, card, tensors), columns)
    _refuse_unfit_rules(parts)
    network = Committee(genome, torch.from_numpy(inputs.edges), [len(c) + 2 for c in inputs.codes], 0.0, task)
    network.load_state_dict(_network(tensors))
    forest = Forest.of(tensors)
    if forest is not None and not forest.fits(inputs):
        raise WeightsError(f"{path} trees", "splits that lead nowhere or look at no column", "those of grown trees")
    agent = Agent(path.parent.name, genome, card, inputs, network.eval(), calibration, forest)
    agent.logits(np.zeros((1, len(card.feature_names)), np.float32))  # its loops are compiled now, not within a batch
    return agent


def _graph_agent(parts: _Parts) -> GraphAgent:
    genome, card, tensors = parts.genome, parts.card, parts.tensors
    wanted = {**graph.expected_tensors(card, tensors), **_expected_calibration(tensors)}
    inputs, calibration = _checked(parts, wanted, len(card.feature_names))
    model = tensors[graph.MODEL].numpy().tobytes()
    graph.refuse_unfit(model, len(card.feature_names))
    takes_missing, is_margin = (bool(tensors[name]) for name in (graph.MISSING, graph.MARGIN))
    return GraphAgent(parts.path.parent.name, genome, card, inputs, calibration, model, takes_missing, is_margin)


def _checked(parts: _Parts, expected: Mapping[str, Tensor], columns: int) -> tuple[InputStats, Calibration]:
    """Inputs, made of so many columns, and calibration of tensors that are as they should be."""
    path, card = parts.path, parts.card
    _refuse_unfit(parts.tensors, expected, path)
    inputs = InputStats.of(parts.tensors)
    if not inputs.fits(columns):
        raise WeightsError(f"{path} inputs", "columns, edges or codes out of order", "those of its features")
    calibration = Calibration.of(parts.tensors)
    if not calibration.fits:
        raise WeightsError(f"{path} calibration", "slopes or steps that turn the ranking round", "ascending ones")
    can_do_without = 0 if not parts.genome.rules else len(card.feature_names)
    if len(card.typical) not in {can_do_without, len(card.feature_names)}:
        raise WeightsError(
            f"{path.parent / CARD} typical", f"{len(card.typical)} values", "one for each feature, or none"
        )
    return inputs, calibration


def read_card(folder: Path) -> DataCard:
    """The data card alone.

    Raises:
        WeightsError: it is missing or unreadable.
    """
    return _json(folder / CARD, DataCard)


def refuse_giant(path: Path) -> None:
    """Count an agent's numbers from the header of its weights, and read nothing else.

    Raises:
        WeightsError: no readable safetensors header, or more numbers than an agent may have.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= HEADER_BYTES_MAX:
                raise WeightsError(str(path), f"a header of {size} bytes", "a safetensors file")
            header = msgspec.json.decode(file.read(size), type=dict[str, msgspec.Raw])
        tensors = [msgspec.json.decode(v, type=_Shape) for name, v in header.items() if name != "__metadata__"]
    except OSError as error:
        raise WeightsError(str(path), error.strerror, "a readable file") from error
    except msgspec.DecodeError as error:
        raise WeightsError(str(path), error, "a safetensors file") from error
    count = sum(prod(t.shape) for t in tensors)
    if count > PARAMETERS_MAX:
        raise WeightsError(str(path), f"{count:,} parameters", f"at most {PARAMETERS_MAX:,}")


class _Shape(msgspec.Struct):
    """What the header says of a tensor."""

    shape: tuple[Annotated[int, Meta(ge=0, le=1 << 40)], ...]


def all_tensors(agent: Agent) -> dict[str, Tensor]:
    """Everything that scores depend on, by name."""
    network = {f"{NETWORK}{k}": v.contiguous() for k, v in agent.network.state_dict().items()}
    trees = agent.forest.tensors() if agent.forest is not None else {}
    return {**network, **agent.inputs.tensors(), **trees, **agent.calibration.tensors()}


def expected_tensors(genome: Genome, card: DataCard, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names, dtypes and shapes that an agent of this genome and card has; the values mean nothing.

    The only sizes that are taken from the file are those of the tables of known codes, how many sets of them
    trees have, and the calibration's steps.
    """
    categorical = seen_categorical(genome, card.categorical)
    d, c = len(seen_names(genome, card.feature_names)), len(categorical)
    codes = [found.get(f"inputs.codes.{i}", torch.empty(0)).flatten() for i in range(c)]
    inputs = InputStats.blank(d, c, genome.bins, [len(known) for known in codes])
    with torch.device("meta"):
        sizes = [len(known) + 2 for known in codes]
        network = Committee(genome, torch.empty(inputs.edges.shape), sizes, 0.0, task_at(genome, categorical))
    weights = {f"{NETWORK}{k}": v for k, v in network.state_dict().items()}
    sets = found.get("trees.sets", torch.empty(0, 0)).flatten(1).shape[0]
    trees = Forest.blank(genome, [len(known) for known in codes], sets).tensors() if genome.expert == TREES else {}
    return {**weights, **inputs.tensors(), **trees, **_expected_calibration(found)}


def _expected_calibration(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    steps = found.get(f"{CALIBRATION}steps", torch.empty(0))
    return Calibration(steps=((0.0, 0.0),) * (len(steps) if steps.dim() else 0)).tensors()


def _refuse_unfit_rules(parts: _Parts) -> None:
    names = parts.card.feature_names
    try:
        seen(parts.genome, names, np.zeros((1, len(names)), np.float32))
    except GenomeError as error:
        raise WeightsError(str(parts.path.parent / GENOME), error, "rules over its features") from error


def _network(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(NETWORK): v for k, v in tensors.items() if k.startswith(NETWORK)}


def _refuse_unfit(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    if found.keys() != wanted.keys():
        missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        raise WeightsError(str(path), f"tensors missing: {missing}, unknown: {extra}", "the tensors of its genome")
    for name in sorted(found):  # the reader's order differs from run to run, the message must not
        tensor, like = found[name], wanted[name]
        if tensor.shape != like.shape or tensor.dtype != like.dtype:
            raise WeightsError(f"{path} {name}", _form(tensor), _form(like))
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} {name}", "values that aren't finite", "finite values")


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _bytes(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise WeightsError(str(path), f"{path.stat().st_size} bytes", f"at most {most}")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(str(path), error.strerror, "a readable file") from error


def _json(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_bytes(path, JSON_BYTES_MAX), type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise WeightsError(str(path), error, f"a {kind.__name__}") from error

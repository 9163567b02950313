"""The learned policy: a small network that reads a slot's situation, trained in the simulator.

It is chosen in the settings, never by itself, and it plays within what the state machine permits: a promotion that
it wants still needs its evidence. Playing needs numpy alone; `train_learned` made the weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rlfa.errors import PolicyError
from rlfa.free_agency.policies import encoding
from rlfa.free_agency.policies.policy import Kind, Move, Situation

WEIGHTS = Path(__file__).with_name("learned.safetensors")
WIDTH = 64
BYTES_MAX = 200_000
SHAPES = {
    "0.weight": (WIDTH, encoding.SIZE),
    "0.bias": (WIDTH,),
    "1.weight": (WIDTH, WIDTH),
    "1.bias": (WIDTH,),
    "2.weight": (len(encoding.ACTIONS), WIDTH),
    "2.bias": (len(encoding.ACTIONS),),
}
Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Network:
    """Two layers of tanh and a logit per action."""

    tensors: Tensors
    about: Mapping[str, str] = field(default_factory=dict)
    """How it was made: the command, the drifts it saw, versions."""

    def probabilities(self, numbers: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Of each action.

        Args:
            numbers: float32[encoding.SIZE].
            mask: bool[actions], at least one of them True.

        Returns:
            float64[actions], which sum to 1 and are 0 where the mask is False.
        """
        x = numbers.astype(np.float64)
        for layer in ("0", "1"):
            x = np.tanh(self.tensors[f"{layer}.weight"].astype(np.float64) @ x + self.tensors[f"{layer}.bias"])
        logits = self.tensors["2.weight"].astype(np.float64) @ x + self.tensors["2.bias"]
        odds: NDArray[np.float64] = np.where(mask, np.exp(logits - logits[mask].max()), 0.0)
        chances: NDArray[np.float64] = odds / odds.sum()
        return chances


@dataclass(frozen=True, slots=True)
class Learned:
    """Plays the most probable of the allowed actions."""

    network: Network
    name: str = "learned"
    needs_evidence: bool = True

    def choose(self, situation: Situation, allowed: frozenset[Kind]) -> Move:
        """The same situation gives the same move."""
        chances = self.network.probabilities(encoding.encode(situation), encoding.mask(allowed))
        return encoding.move_of(int(chances.argmax()), situation)


@cache
def shipped() -> Network:
    """The network that comes with this version.

    Raises:
        PolicyError: its file is damaged.
    """
    return read(WEIGHTS)


def write(network: Network, path: Path) -> str:
    """Write a network, and its checksum beside it.

    Returns:
        SHA-256 of the file, hex.

    Raises:
        PolicyError: a tensor is missing, too many, of a wrong shape or not finite.
    """
    _refuse_unfit(network.tensors, path)
    about = {**network.about, "actions": ",".join(encoding.ACTIONS)}
    data: bytes = save({name: np.ascontiguousarray(network.tensors[name], np.float32) for name in SHAPES}, about)
    digest = hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    _checksum_of(path).write_text(f"{digest}  {path.name}\n")
    return digest


def read(path: Path) -> Network:
    """Read a network that `write` wrote.

    Raises:
        PolicyError: a file is missing, too large or not safetensors; the checksum, the actions, a name, a shape or a
            value is wrong.
    """
    data = _bytes(path)
    wanted, found = _bytes(_checksum_of(path)).decode(errors="replace").split(" ")[0], hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise PolicyError(str(path), f"checksum {found}", wanted)
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise PolicyError(str(path), error, "a safetensors file") from error
    _refuse_unfit(tensors, path)
    about = _about(data)
    if about.get("actions", "").split(",") != list(encoding.ACTIONS):
        raise PolicyError(f"{path} actions", about.get("actions", ""), ",".join(encoding.ACTIONS))
    return Network(tensors, about)


def _checksum_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise PolicyError(str(path), error.strerror, "a readable file") from error
    if len(data) > BYTES_MAX:
        raise PolicyError(str(path), f"more than {BYTES_MAX:,} bytes", f"at most {BYTES_MAX:,}")
    return data


def _about(data: bytes) -> dict[str, str]:
    """The metadata, which safetensors' numpy side doesn't hand out: it is the header's own entry."""
    size = int.from_bytes(data[:8], "little")
    header = msgspec.json.decode(data[8 : 8 + size], type=dict[str, msgspec.Raw])
    return msgspec.json.decode(header.get("__metadata__", msgspec.Raw(b"{}")), type=dict[str, str])


def _refuse_unfit(tensors: Tensors, path: Path) -> None:
    if set(tensors) != set(SHAPES):
        raise PolicyError(f"{path} tensors", sorted(tensors), str(sorted(SHAPES)))
    for name, shape in SHAPES.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise PolicyError(f"{path} {name}", f"{tensor.dtype}{list(tensor.shape)}", f"float32{list(shape)}")
        if not np.isfinite(tensor).all():
            raise PolicyError(f"{path} {name}", "values that are not finite", "finite numbers")
